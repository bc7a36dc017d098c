/**
 * PVALIDATE, RMPADJUST and RMPQUERY, and what the guest's kernel makes of their result.
 *
 * Programs whose instructions cannot fail have no steps for that: which can, follows from what the
 * programs ask for.
 */
import type { Outgoing } from '../../events/event.ts';
import type { GuestEvent } from '../../events/index.ts';
import type { HostOptions } from '../../events/options.ts';
import type { GuestOp } from '../../events/program.ts';
import { REGION_FRAMES, type RmpQueried, type RmpResult } from '../../events/sev-snp/rmp.ts';
import { type GuestEnv, type GuestItem, type GuestLocals, guest, type Vcpu, vmexit } from '../kvm/guest-program.ts';
import { otherwise, type Path } from '../path/path.ts';
import { argsOf, asidOf, gfnOf, isUnmapped, nestedFault, OF_INSN, toPages, toRmp, walked } from './guest-page.ts';
import { headOf } from './rmp-table.ts';
import { MICRO_STEPS } from './snp-env.ts';

const { path, step, call, loop, when, stop, leaveLoop, leavePath } = guest;

declare module '../kvm/guest-program.ts' {
  interface GuestLocals {
    readonly result?: RmpResult | undefined;
    readonly fault?: boolean | undefined;
    /** The carry flag of PVALIDATE. */
    readonly carryFlag?: boolean | undefined;
    /** The instruction is not allowed at this VMPL. */
    readonly gp?: boolean | undefined;
    readonly queryOut?: RmpQueried | undefined;
  }
  interface Vcpu {
    /** What its last RMPQUERY has ended with. */
    readonly queried?: { readonly result: RmpResult; readonly queryOut: RmpQueried | null } | undefined;
  }
}
type Sends = (v: Vcpu, l: GuestLocals) => Outgoing | readonly Outgoing[];

export interface Insn {
  readonly name: 'PVALIDATE' | 'RMPADJUST';
  /** Its operand besides the page, and what it writes. */
  readonly operand: (v: Vcpu, l: GuestLocals) => object;
  readonly write: Sends;
  /** Whether it can fail: the path around it then finds `result`, `carryFlag` and `gp`. */
  readonly fails: boolean;
}

/**
 * Takes the entry's lock (spinning, for there is no FAIL_INUSE), checks, writes, drops it. A page
 * that is not the guest's faults to the host and the instruction restarts.
 * @see domain snp b.3, b.5
 */
export function guestInsn(env: GuestEnv, { name, operand, write, fails }: Insn): Path<Vcpu, GuestLocals, GuestEvent> {
  const unlock = (v: Vcpu, l: GuestLocals) => toRmp(env, v, { type: 'rmp.unlock' }, l);
  const written = [step('write', { send: write }), step('unlock', { insn: false, send: unlock }), leavePath];
  const faulted = [step('unlock_faulted', { insn: false, send: unlock }), nestedFault(env, () => OF_INSN)];
  const isDone = (_v: Vcpu, l: GuestLocals) => l.fault !== true && (!fails || (l.result === 'SUCCESS' && !l.carryFlag && !l.gp));
  return path(
    name,
    MICRO_STEPS,
    [
      loop(
        loop(
          ...walked(env, () => OF_INSN, [
            step('lock', {
              insn: true,
              idles: true,
              send: (v, l) => toRmp(env, v, { type: 'rmp.lock', ...wide(operand(v, l)) }, l),
              answers: { 'rmp.locked': (e) => ({ result: e.result }) },
            }),
            when([(_v, l) => l.result === 'SUCCESS', [leaveLoop]]),
            step('spin', { insn: false, yields: true }),
          ]),
        ),
        step('check', {
          send: (v, l) => toRmp(env, v, { type: 'rmp.checkGuest', asid: asidOf(env, v), gfn: gfnOf(env, v, l), ...operand(v, l) }, l),
          answers: {
            'rmp.checked': (e) => ({
              fault: e.fault,
              result: e.result,
              ...(fails && { carryFlag: e.carryFlag === true, gp: e.gp === true }),
            }),
          },
        }),
        when(
          [(_v, l) => l.result === 'FAIL_INUSE', [step('unlock_in_use', { insn: false, yields: true, send: unlock })]],
          [isDone, written],
          ...(fails
            ? [
                [(_v: Vcpu, l: GuestLocals) => l.fault === true, faulted] as const,
                [otherwise, [step('unlock_unchanged', { insn: false, send: unlock }), leavePath]] as const,
              ]
            : [[otherwise, faulted] as const]),
        ),
      ),
    ],
    { locals: [...(fails ? [] : (['result'] as const)), 'fault', 'isMapped'] },
  );
}
/** An instruction of 2M holds the whole region. */
const wide = (operand: { readonly size?: '2M' }) => (operand.size === '2M' ? { wide: true } : {});

/**
 * PVALIDATE in answer to #VC 0x404: RMPUPDATE has cleared the bit, so the frame had another owner
 * in between.
 * @see SNP-18, SNP-21
 */
export const revalidate = (env: GuestEnv) =>
  guestInsn(env, {
    name: 'PVALIDATE',
    operand: () => ({}),
    write: (v) => toRmp(env, v, { type: 'rmp.writeValidated', validated: true }),
    fails: false,
  });

const opsOf = <K extends GuestOp['op']>(env: GuestEnv, kind: K) =>
  env.images.flatMap(({ program }) => program.ops.filter((op): op is Extract<GuestOp, { op: K }> => op.op === kind));
const hasVmpls = (env: GuestEnv) => env.images.some(({ vm }) => vm.vmpls.some((vmpl) => vmpl > 0));
const callerOf = ({ vmpl }: Vcpu) => (vmpl === undefined ? {} : { current: vmpl });

/** The frames of a 2M page that the run has, by GFN. */
const framesFrom = (env: GuestEnv, v: Vcpu, gfn: number): number[] =>
  Object.keys(env.images[v.image]!.vm.frames)
    .map(Number)
    .filter((other) => other >= gfn && other < gfn + REGION_FRAMES);

/**
 * The guest's kernel dies of an exception that it does not expect.
 * @see kernel arch/x86/kernel/traps.c, exc_general_protection()
 */
const generalProtection = path('exc_general_protection', { source: 'arch/x86/kernel/traps.c, exc_general_protection()', grade: 'read' }, [
  step('die'),
  stop('dead', (v) => vmexit(v, 'HLT')),
]);
const orGp = (env: GuestEnv): readonly GuestItem[] =>
  hasVmpls(env) ? [when([(_v: Vcpu, l: GuestLocals) => l.gp === true, [call(generalProtection)]])] : [];

/**
 * PVALIDATE of a program; from then on the guest, and not this vCPU alone, believes the page to be
 * its own, or given up. Of 2M it falls back to 4K where an entry is no longer so large. `terminate`
 * is what the guest does about a failure.
 * @see kernel arch/x86/coco/sev/shared.c, pvalidate_pages()
 */
export function pvalidateItems(env: GuestEnv, options: HostOptions, terminate: GuestItem): readonly GuestItem[] {
  const huge = opsOf(env, 'pvalidate').some(({ size }) => size === '2M');
  const told = options['guest.unchanged'] === 'terminate';
  const sizeOf = (v: Vcpu, l: GuestLocals) =>
    l.gfn === undefined && argsOf(env, v, 'pvalidate').size === '2M' ? { size: '2M' as const } : {};
  const insn: Insn = {
    name: 'PVALIDATE',
    operand: (v, l) => ({ validated: argsOf(env, v, 'pvalidate').validated, ...sizeOf(v, l), ...callerOf(v) }),
    write: (v, l) => {
      const { validated } = argsOf(env, v, 'pvalidate');
      const gfn = gfnOf(env, v, l);
      const gfns = 'size' in sizeOf(v, l) ? framesFrom(env, v, gfn) : [gfn];
      return [
        toRmp(env, v, { type: 'rmp.writeValidated', validated }, l),
        ...gfns.map((each) => toPages(env, v, { type: 'guest.validated', gfn: each, validated })),
      ];
    },
    fails: huge || told || hasVmpls(env),
  };
  if (!insn.fails) return [call(guestInsn(env, insn))];
  const isFailure = (_v: Vcpu, l: GuestLocals) => l.result !== 'SUCCESS' || (told && l.carryFlag === true);
  const hasMore = (v: Vcpu, l: GuestLocals) => l.gfn !== undefined && framesFrom(env, v, headOf(l.gfn)).some((gfn) => gfn > l.gfn!);
  return [
    call(
      path(
        'pvalidate_pages',
        { source: 'arch/x86/coco/sev/shared.c, pvalidate_pages(), pvalidate_4k_page()', grade: 'read' },
        [
          loop(
            call(guestInsn(env, insn)),
            ...orGp(env),
            ...(huge
              ? [
                  when(
                    [
                      (_v: Vcpu, l: GuestLocals) => l.result === 'FAIL_SIZEMISMATCH' && l.gfn === undefined,
                      [step('fall_back_to_4k', { local: (v) => ({ gfn: argsOf(env, v, 'pvalidate').gfn, result: undefined }) })],
                    ],
                    [
                      otherwise,
                      [
                        when(
                          [isFailure, [terminate]],
                          [hasMore, [step('next_4k', { local: (_v, l) => ({ gfn: l.gfn! + 1 }) })]],
                          [otherwise, [leaveLoop]],
                        ),
                      ],
                    ],
                  ),
                ]
              : [when([isFailure, [terminate]], [otherwise, [leaveLoop]])]),
          ),
        ],
        { locals: ['result', 'carryFlag', 'gp', 'gfn'] },
      ),
    ),
  ];
}

/** RMPADJUST of a program. A failure is told to its caller, which goes on. */
export function rmpadjustItems(env: GuestEnv): readonly GuestItem[] {
  const ops = opsOf(env, 'rmpadjust');
  const operand = (v: Vcpu) => {
    const { vmpl, perms, size } = argsOf(env, v, 'rmpadjust');
    return { adjust: { vmpl, ...(perms !== undefined && { perms }) }, ...(size === '2M' && { size }), ...callerOf(v) };
  };
  const insn: Insn = {
    name: 'RMPADJUST',
    operand,
    write: (v) => {
      const { vmpl, perms, vmsa } = argsOf(env, v, 'rmpadjust');
      return toRmp(env, v, { type: 'rmp.writeVmsa', vmsa, ...(perms !== undefined && { adjust: { vmpl, perms } }), ...callerOf(v) });
    },
    fails: hasVmpls(env) || ops.some(({ vmpl, perms, size }) => vmpl === 0 || perms !== undefined || size === '2M'),
  };
  if (!insn.fails) return [call(guestInsn(env, insn))];
  const told = path('rmpadjust', { source: 'arch/x86/include/asm/sev.h, rmpadjust()', grade: 'read' }, [call(guestInsn(env, insn))], {
    locals: ['result', 'carryFlag', 'gp'],
  });
  return [call(told)];
}

/**
 * RMPQUERY of a program: one look at the entry, without its lock, and what it tells may be stale at
 * once. A page that is not the guest's faults to the host and the instruction restarts.
 */
export const rmpqueryPath = (env: GuestEnv) =>
  path(
    'RMPQUERY',
    MICRO_STEPS,
    [
      loop(
        ...walked(env, () => OF_INSN, [
          step('query', {
            ...(isUnmapped(env) && { insn: false }),
            send: (v) => {
              const { vmpl } = argsOf(env, v, 'rmpquery');
              return toRmp(env, v, { type: 'rmp.query', asid: asidOf(env, v), gfn: gfnOf(env, v), vmpl, ...callerOf(v) });
            },
            answers: { 'rmp.queried': ({ result, fault, queryOut }) => ({ result, fault, queryOut }) },
          }),
          when(
            [(_v, l) => l.fault === true, [nestedFault(env, () => OF_INSN)]],
            [otherwise, [step('ret', { set: (_v, l) => ({ queried: { result: l.result!, queryOut: l.queryOut ?? null } }) }), leavePath]],
          ),
        ]),
      ),
    ],
    { locals: ['result', 'fault', 'queryOut', 'isMapped'] },
  );
