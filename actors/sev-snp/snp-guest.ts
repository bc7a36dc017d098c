/**
 * What SNP guests do: instructions on RMP entries, accesses, page-state changes, and the #VC
 * handler that finds a page no longer validated.
 */
import { type Outgoing, outgoing } from '../../events/event.ts';
import type { GuestEvent } from '../../events/index.ts';
import type { HostOptions } from '../../events/options.ts';
import type { GuestOp } from '../../events/program.ts';
import { errorCode, type NestedAccess, nestedFaultCode } from '../../events/sev-snp/error-code.ts';
import { type AccessOutcome, type GuestAccess, type RmpResult, regionOf } from '../../events/sev-snp/rmp.ts';
import { type GuestEnv, type GuestItem, type GuestLocals, guest, opOf, type Vcpu, vmexit } from '../kvm/guest-program.ts';
import { otherwise, type Path, type Source } from '../path/path.ts';
import { requestReportPath } from './report-request.ts';
import { MICRO_STEPS } from './snp-env.ts';
import { hasStaleTlb } from './stale-tlb.ts';

const { path, step, call, loop, when, stop, leaveLoop, leavePath } = guest;

declare module '../kvm/guest-program.ts' {
  interface GuestLocals {
    readonly result?: RmpResult | undefined;
    readonly fault?: boolean | undefined;
    readonly outcome?: AccessOutcome | undefined;
  }
  interface Vcpu {
    /** The GFN of a page that it found no longer validated. */
    readonly lost?: number | undefined;
  }
}

const APM: Source = { source: 'APM vol. 2, "SNP guests"; domain snp b.3, c', grade: 'memory' };

/** The page that the operation names. */
function gfnOf(env: GuestEnv, v: Vcpu): number {
  const op = opOf(env, v);
  if (!('gfn' in op)) throw new Error(`${op.op} names no page`);
  return op.gfn;
}
/** To the actor that knows what all vCPUs of the guest know. */
const toPages = (env: GuestEnv, v: Vcpu, event: { readonly type: string; readonly [key: string]: unknown }) =>
  outgoing(env.images[v.image]!.vm.pages, event);
const asidOf = (env: GuestEnv, v: Vcpu) => env.images[v.image]!.vm.asid;
const argsOf = <K extends GuestOp['op']>(env: GuestEnv, v: Vcpu, kind: K): Extract<GuestOp, { op: K }> => {
  const op = opOf(env, v);
  if (op.op !== kind) throw new Error(`the guest stands at ${op.op}, not at ${kind}`);
  return op as Extract<GuestOp, { op: K }>;
};
const frame = (env: GuestEnv, v: Vcpu) => {
  const pfn = env.images[v.image]!.vm.frames[gfnOf(env, v)];
  if (pfn === undefined) throw new Error(`the guest has no page at GFN 0x${gfnOf(env, v).toString(16)}`);
  return pfn;
};
const toRmp = (env: GuestEnv, v: Vcpu, event: { readonly type: string; readonly [key: string]: unknown }) =>
  outgoing(regionOf(frame(env, v)), { pfn: frame(env, v), ...event });

/** #VMEXIT(NPF) and, after the host has dealt with it, the instruction again. */
const nestedFault = (env: GuestEnv, access: (v: Vcpu) => Pick<NestedAccess, 'private' | 'write'>): GuestItem =>
  step('NPF', {
    send: (v, l) =>
      vmexit(v, 'NPF', { gfn: gfnOf(env, v), errorCode: nestedFaultCode({ ...access(v), sizem: l.result === 'FAIL_SIZEMISMATCH' }) }),
  });
/** #VMEXIT(NPF) of a mapping that is not there: neither PRESENT nor RMP. */
const unmappedFault = (env: GuestEnv, access: (v: Vcpu) => Pick<NestedAccess, 'private' | 'write'>): GuestItem =>
  step('NPF_unmapped', {
    send: (v) => {
      const { write, private: enc } = access(v);
      const code = errorCode('USER', 'FINAL', ...(write ? (['WRITE'] as const) : []), ...(enc ? (['ENC'] as const) : []));
      return vmexit(v, 'NPF_UNMAPPED', { gfn: gfnOf(env, v), errorCode: code });
    },
  });
/** PVALIDATE and RMPADJUST are no stores to the page, as far as is known (grade `decision`). */
const OF_INSN = { private: true, write: false };

/**
 * PVALIDATE and RMPADJUST: take the entry's lock (spinning, for they have no FAIL_INUSE), check,
 * write, drop it. A page that is not the guest's faults to the host and the instruction restarts.
 * @see domain snp b.3, b.5
 */
function guestInsn(env: GuestEnv, name: string, write: (v: Vcpu) => Outgoing | readonly Outgoing[]): Path<Vcpu, GuestLocals, GuestEvent> {
  return path(
    name,
    MICRO_STEPS,
    [
      loop(
        loop(
          step('lock', {
            insn: true,
            idles: true,
            send: (v) => toRmp(env, v, { type: 'rmp.lock' }),
            answers: { 'rmp.locked': (e) => ({ result: e.result }) },
          }),
          when([(_v, l) => l.result === 'SUCCESS', [leaveLoop]]),
          step('spin', { insn: false, yields: true }),
        ),
        step('check', {
          send: (v) => toRmp(env, v, { type: 'rmp.checkGuest', asid: asidOf(env, v), gfn: gfnOf(env, v) }),
          answers: { 'rmp.checked': (e) => ({ fault: e.fault, result: e.result }) },
        }),
        when(
          [
            (_v, l) => l.result === 'FAIL_INUSE',
            [step('unlock_in_use', { insn: false, yields: true, send: (v) => toRmp(env, v, { type: 'rmp.unlock' }) })],
          ],
          [
            (_v, l) => l.fault !== true,
            [
              step('write', { send: write }),
              step('unlock', { insn: false, send: (v) => toRmp(env, v, { type: 'rmp.unlock' }) }),
              leavePath,
            ],
          ],
          [
            otherwise,
            [step('unlock_faulted', { insn: false, send: (v) => toRmp(env, v, { type: 'rmp.unlock' }) }), nestedFault(env, () => OF_INSN)],
          ],
        ),
      ),
    ],
    { locals: ['result', 'fault'] },
  );
}

/**
 * PVALIDATE in answer to #VC 0x404: RMPUPDATE has cleared the bit, so the frame had another owner
 * in between.
 * @see SNP-18, SNP-21
 */
const revalidate = (env: GuestEnv) =>
  guestInsn(env, 'PVALIDATE', (v) => [
    toRmp(env, v, { type: 'rmp.writeValidated', validated: true }),
    toPages(env, v, { type: 'guest.revalidated', gfn: gfnOf(env, v) }),
  ]);

/**
 * PVALIDATE; from then on the guest, and not this vCPU alone, believes the page to be its own, or
 * given up.
 */
const pvalidate = (env: GuestEnv) =>
  guestInsn(env, 'PVALIDATE', (v) => {
    const { gfn, validated } = argsOf(env, v, 'pvalidate');
    return [toRmp(env, v, { type: 'rmp.writeValidated', validated }), toPages(env, v, { type: 'guest.validated', gfn, validated })];
  });
const rmpadjust = (env: GuestEnv) =>
  guestInsn(env, 'RMPADJUST', (v) => toRmp(env, v, { type: 'rmp.writeVmsa', vmsa: argsOf(env, v, 'rmpadjust').vmsa }));

/** A load or a store; a private one can meet #VC 0x404. @see domain snp c 9, SNP-16 */
function accessPath(env: GuestEnv, kind: 'read' | 'write', options: HostOptions) {
  const { 'guest.notValidated': answer } = options;
  const access = (v: Vcpu): Omit<GuestAccess, 'pfn'> => {
    const op = argsOf(env, v, kind);
    return { asid: asidOf(env, v), gfn: op.gfn, private: op.private, write: kind === 'write' };
  };
  return path(
    kind,
    APM,
    [
      loop(
        step('access', {
          send: (v) =>
            hasStaleTlb(options)
              ? outgoing(env.images[v.image]!.vm.npt!, { type: 'npt.access', cpu: v.cpu!, pfn: frame(env, v), ...access(v) })
              : toRmp(env, v, { type: 'rmp.guestAccess', ...access(v) }),
          answers: { 'rmp.accessed': (e) => ({ outcome: e.outcome }) },
        }),
        when(
          [(_v, l) => l.outcome === 'ok', [leavePath]],
          [(_v, l) => l.outcome === 'vc', [call(answer === 'pvalidate' ? validatedAgain(env) : notValidated(env))]],
          ...(hasStaleTlb(options)
            ? [[(_v: Vcpu, l: GuestLocals) => l.outcome === 'unmapped', [unmappedFault(env, access)]] as const]
            : []),
          [otherwise, [nestedFault(env, access)]],
        ),
      ),
    ],
    { locals: ['outcome'] },
  );
}

/**
 * sev_es_terminate(): the guest ends itself and says why; where it is run again all the same, it
 * halts.
 * @see domain snp e.1 for the codes
 */
const terminate = (reasonSet: number, reason: number) =>
  path('sev_es_terminate', { source: 'arch/x86/coco/sev/shared.c, sev_es_terminate()', grade: 'read' }, [
    step('VMGEXIT', { send: (v) => vmexit(v, 'VMGEXIT', { nae: 'TERMINATE', reasonSet, reason }) }),
    stop('terminated', (v) => vmexit(v, 'HLT')),
  ]);

/**
 * The guest is in control again and knows: its page was taken away. It ends itself.
 * @see SNP-15 to SNP-17
 */
const notValidated = (env: GuestEnv) =>
  path(
    'exc_vmm_communication',
    { source: 'arch/x86/coco/sev/core.c, vc_raw_handle_exception(); SNP v5 host-write discussion', grade: 'read' },
    [
      step('page_not_validated', {
        set: (v) => ({ lost: gfnOf(env, v) }),
        send: (v) => toPages(env, v, { type: 'guest.notValidated', gfn: gfnOf(env, v) }),
      }),
      call(terminate(0, 0)),
    ],
  );

/**
 * A guest that asks no question: it makes the page its own again and repeats the access.
 * @see SNP-18
 */
const validatedAgain = (env: GuestEnv) =>
  path(
    'exc_vmm_communication',
    { source: 'SNP v5 host-write discussion: a guest that re-PVALIDATEs on #VC consumes corrupt data; SNP-18', grade: 'read' },
    [call(revalidate(env))],
  );

/**
 * VMGEXIT with the page-state-change event; the guest reads the answer from the GHCB.
 * @see domain snp e.3
 */
const pscPath = (env: GuestEnv) =>
  path(
    'vmgexit_psc',
    { source: 'arch/x86/coco/sev/core.c, vmgexit_psc()', grade: 'read' },
    [
      step('VMGEXIT', {
        send: (v) => {
          const { gfn, to } = argsOf(env, v, 'psc');
          return vmexit(v, 'VMGEXIT', { nae: 'PSC', gfn, to });
        },
      }),
      step('VMGEXIT_complete', { awaits: true, wakes: { 'ghcb.result': (e) => ({ fault: !e.ok }) } }),
      step('check_sw_exit_info_2'),
      when([(_v, l) => l.fault === true, [call(terminate(1, 1))]]),
    ],
    { locals: ['fault'] },
  );

/** Operations of guest programs: what carries each out. */
export const snpGuestOperations = (env: GuestEnv, options: HostOptions): readonly (readonly [string, readonly GuestItem[]])[] => [
  ['pvalidate', [call(pvalidate(env))]],
  ['rmpadjust', [call(rmpadjust(env))]],
  ['psc', [call(pscPath(env))]],
  ['request-report', [call(requestReportPath(env))]],
  ['read', [call(accessPath(env, 'read', options))]],
  ['write', [call(accessPath(env, 'write', options))]],
];
