/**
 * What an x86 guest does with its debug registers, and what meets its instructions: exits, debug
 * exceptions, and nothing where something was due.
 *
 * The guest's handler of #DB reads DR6 and clears it, as Linux does, so that an exception costs the
 * guest two more MOV DR, each of which may exit.
 *
 * @see kernel arch/x86/kernel/traps.c, debug_read_clear_dr6(); APM vol. 2, "Debug and Performance
 * Resources"
 */
import { outgoing } from '../../events/event.ts';
import type { KvmResumed } from '../../events/guest-debug/kvm-debug.ts';
import type { DebuggedInsn, DebugVector, InsnMet } from '../../events/guest-debug/x86-debug.ts';
import type { U64 } from '../../events/u64.ts';
import {
  type GuestEnv,
  type GuestItem,
  type GuestLocals,
  type GuestParts,
  type GuestPath,
  guest,
  opOf,
  type Vcpu,
  vmexit,
} from '../kvm/guest-program.ts';
import { otherwise, type Source } from '../path/path.ts';
import { asTold } from './as-told.ts';
import { drOf } from './cpu-debug-registers.ts';
import { causeCleared, causeRead, type DebugAccount, done, kvmOf, raised, returned } from './guest-account.ts';
import { CLEAR_DR6, type DebugOp, exitOf, insnOf, OPERATIONS, READ_DR6 } from './guest-insn.ts';
import type { DebugVendor } from './x86-debug-rule.ts';

/** What guests of one host have in common. */
interface GuestDesign {
  readonly vendor: DebugVendor;
  /** User space injects exceptions of its own. */
  readonly injects: boolean;
  /** KVM is told of a window without an event. */
  readonly notifies: boolean;
}

/** An exception that the guest's handler is entered for, and whether its instruction is done. */
interface Raised {
  readonly vector: DebugVector;
  readonly retired: boolean;
  /** As the delivery has pushed it. */
  readonly tf: boolean;
}

type HandlerOfVc = (env: GuestEnv, insn: (v: Vcpu) => DebuggedInsn) => readonly GuestItem[];

declare module '../kvm/guest-program.ts' {
  interface GuestParts {
    /**
     * The guest's handler of #VC at a MOV DR that `insn` gives. It leaves in `gone` what the
     * instruction has become, and in `raises` what else is raised.
     */
    readonly debugVc?: HandlerOfVc;
    /**
     * The same where #VC stands for #DB, at any instruction: `raises` says what goes on in the
     * handler of #DB.
     */
    readonly debugExceptionVc?: () => readonly GuestItem[];
  }
  interface GuestLocals {
    readonly met?: InsnMet | undefined;
    readonly gone?: KvmResumed | undefined;
    readonly raises?: Raised | undefined;
    readonly taken?: Raised | undefined;
    /** An exception has come at the instruction of an operation that says what it takes. */
    readonly came?: true | undefined;
  }
  interface Vcpu {
    /** On x86, where programs debug: what the guest has written, and what it was told. */
    readonly debug?: DebugAccount | undefined;
  }
}

const { path, step, call, loop, when, note, leaveLoop } = guest;
const APM: Source = { source: 'APM vol. 2, "Debug and Performance Resources"; SDM vol. 3, "Debug Exceptions"', grade: 'manual' };

const accountOf = (v: Vcpu): DebugAccount => {
  if (!v.debug) throw new Error('a guest that debugs without its account');
  return v.debug;
};

const toDr = (v: Vcpu, event: { readonly type: string; readonly [field: string]: unknown }) => {
  const cpu = v.runner?.cpu ?? v.cpu;
  if (cpu === null) throw new Error(`${event.type} of a guest that runs nowhere`);
  return outgoing(drOf(cpu), event);
};

/** The next entry: what KVM has left in the guest's registers, and what it has injected. */
const resume: GuestItem = step('resume', {
  ns: 20,
  send: (v) => outgoing(kvmOf(v), { type: 'kdb.resume?' }),
  answers: {
    'kdb.resumed': ({ skipped, value, exception }, _v, l) => ({
      gone: { skipped, value, exception },
      // The #BP that KVM injects for an INT3 is a trap: it comes behind it.
      raises:
        exception === null
          ? undefined
          : { ...exception, retired: skipped || l.met!.retired || (l.met!.exit === 'BP' && exception.vector === 'BP') },
    }),
  },
});

/** The window without an event is over: KVM is told, and what was delivered is delivered again. */
const NOTIFIED: readonly GuestItem[] = [
  call(
    path('notify_window', { source: 'SDM vol. 3, "VM-Execution Control Fields", notify window', grade: 'memory' }, [
      step('vectoring', { inside: true }),
      step('vmexit', { inside: true, send: (v) => vmexit(v, 'NOTIFY') }),
      resume,
    ]),
  ),
];

/** Whether an exit leaves nothing to do again: what is delivered without end is never behind. */
const isBehind = ({ met, gone, raises }: GuestLocals): boolean =>
  met!.exit !== 'HANG' && met!.exit !== 'AC' && (raises !== undefined || gone!.skipped || met!.retired);

const dbByVc = ({ parts }: GuestEnv): readonly GuestItem[] => parts.flatMap(({ debugExceptionVc }) => debugExceptionVc?.() ?? []);
/** What the guest's handler of #VC does where it may come. */
const casesOfVc = (isOf: (l: GuestLocals) => boolean, items: readonly GuestItem[]) =>
  items.length > 0 ? [[(_v: Vcpu, l: GuestLocals) => l.met!.exit === 'VC' && isOf(l), items] as const] : [];

/**
 * One instruction until it is done or something is raised: tried, and where KVM was told of it,
 * tried again unless KVM has done it. `vc`: the guest's handler of #VC, where it may come.
 */
const attempt = (env: GuestEnv, how: GuestDesign, insn: (v: Vcpu) => DebuggedInsn, vc: readonly GuestItem[] = []): readonly GuestItem[] => [
  note(() => ({ met: undefined, gone: undefined, raises: undefined })),
  loop(
    step('execute', {
      send: (v) => toDr(v, { type: 'dr.insn?', ...insn(v) }),
      answers: {
        'dr.met': ({ exit, exception, bits, retired, value, tf }) => ({
          met: { exit, exception, bits, retired, value, tf },
          raises: exit === null && exception !== null ? { vector: exception, retired, tf } : undefined,
        }),
      },
    }),
    when([(_v, l) => l.met!.exit === null, [leaveLoop]]),
    when(
      [(_v, l) => l.met!.exit === 'HANG', how.notifies ? NOTIFIED : [loop(step('vectoring', { inside: true, idles: true }))]],
      ...casesOfVc((l) => l.met!.exception === 'DB', dbByVc(env)),
      ...casesOfVc(() => true, vc),
      [otherwise, [step('vmexit', { inside: true, send: (v, l) => exitOf(env, how.vendor, v, insn(v), l.met!) }), resume]],
    ),
    when([(_v, l) => isBehind(l), [leaveLoop]]),
  ),
];

const debugOp = (env: GuestEnv, v: Vcpu): DebugOp => opOf(env, v) as DebugOp;
const isTold = (env: GuestEnv, v: Vcpu): boolean => debugOp(env, v).takes !== undefined || debugOp(env, v).dr6 !== undefined;

/** The handler of #DB has read DR6. What user space injects is no exception of the instruction. */
function toldCause(env: GuestEnv, v: Vcpu, l: GuestLocals): DebugAccount {
  const dr6 = valueRead(l);
  const account = causeRead(accountOf(v), dr6);
  return l.came ? asTold(account, debugOp(env, v), { dr6 }) : account;
}

/** The instruction is done, and no exception comes behind it. */
function retired(env: GuestEnv, vendor: DebugVendor, v: Vcpu, l: GuestLocals): DebugAccount {
  const value = valueRead(l);
  const account = done(accountOf(v), vendor, insnOf(env, v), { value, skipped: l.gone?.skipped === true });
  const op = debugOp(env, v);
  return asTold(l.came ? account : asTold(account, op, { vector: null }), op, { value });
}

const valueRead = ({ met, gone }: GuestLocals): U64 => (gone?.skipped ? gone.value : (met?.value ?? 0));

/** A #DB within the handler, which the delivery of the last one has hit: it begins again. */
const isNested = (_v: Vcpu, l: GuestLocals): boolean => (l.met?.exit === 'DB' || l.met?.exit === 'VC') && l.raises?.vector === 'DB';

/** The guest's handler: of #DB it reads DR6 and clears it; the others come back at once. */
const handlerPath = (env: GuestEnv, how: GuestDesign): GuestPath => {
  const move = (name: string, insn: DebuggedInsn): GuestItem =>
    call(
      path(
        name,
        APM,
        attempt(env, how, () => insn),
      ),
    );
  return path('exc_debug', { source: 'kernel arch/x86/kernel/traps.c, debug_read_clear_dr6(), exc_debug_kernel()', grade: 'read' }, [
    when([
      (_v, l) => l.taken!.vector === 'DB',
      [
        loop(
          move('mov_from_dr6', READ_DR6),
          when(
            [isNested, []],
            [
              otherwise,
              [
                step('get_debugreg', { ns: 5, set: (v, l) => ({ debug: toldCause(env, v, l) }) }),
                move('mov_to_dr6', CLEAR_DR6),
                when([(v, l) => !isNested(v, l), [leaveLoop]]),
              ],
            ],
          ),
        ),
        step('set_debugreg', { ns: 5, set: (v) => ({ debug: causeCleared(accountOf(v)) }) }),
      ],
    ]),
    step('iret', {
      send: (v, l) => toDr(v, { type: 'dr.iret', flags: { tf: l.taken!.tf, rf: accountOf(v).stacked.rf } }),
      set: (v) => ({ debug: returned(accountOf(v)) }),
    }),
  ]);
};

/** What user space has injected is delivered before the next instruction. */
const boundary: GuestItem = step('delivered', {
  ns: 5,
  send: (v) => outgoing(kvmOf(v), { type: 'kdb.resume?' }),
  answers: { 'kdb.resumed': ({ exception }) => ({ taken: exception === null ? undefined : { ...exception, retired: true } }) },
});

/** #GP and #UD: the guest's handler steps over the instruction. */
const isFault = (l: GuestLocals): boolean => l.taken?.vector === 'GP' || l.taken?.vector === 'UD';

function insnPath(env: GuestEnv, how: GuestDesign, name: string): GuestPath {
  const { vendor, injects } = how;
  const insn = (v: Vcpu): DebuggedInsn => insnOf(env, v);
  const handle = call(handlerPath(env, how));
  return path(
    name,
    APM,
    [
      ...(injects ? [call(path('boundary', APM, [boundary, when([(_v: Vcpu, l: GuestLocals) => l.taken !== undefined, [handle]])]))] : []),
      loop(
        note(() => ({ taken: undefined })),
        ...attempt(env, how, insn, name.startsWith('mov_') ? env.parts.flatMap(({ debugVc }) => debugVc?.(env, insn) ?? []) : []),
        when([(_v, l) => l.raises === undefined, [leaveLoop]]),
        step('exception', {
          set: (v, l) => {
            const { vector } = l.raises!;
            return { debug: asTold(raised(accountOf(v), vendor, insn(v), vector), debugOp(env, v), { vector }) };
          },
          local: (v, l) => ({ taken: l.raises, ...(isTold(env, v) && { came: true as const }) }),
        }),
        handle,
        when([(_v, l) => isFault(l) || l.taken!.retired, [leaveLoop]]),
      ),
      when([
        (_v, l) => l.taken === undefined,
        [
          step('retire', {
            ns: 5,
            set: (v, l) => ({ debug: retired(env, vendor, v, l) }),
          }),
        ],
      ]),
    ],
    { locals: ['met', 'gone', 'raises', 'taken', 'came'] },
  );
}

/** What the mechanism adds to guests. */
export const x86GuestParts = (how: GuestDesign): GuestParts => ({
  operations: (env) => OPERATIONS.map((name) => [name, [call(insnPath(env, how, name.replaceAll('-', '_')))]] as const),
});
