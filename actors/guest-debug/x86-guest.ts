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
import type { FastpathMsr } from '../../events/guest-debug/operations.ts';
import type { DebuggedInsn, DebugVector, InsnMet } from '../../events/guest-debug/x86-debug.ts';
import type { GuestOp } from '../../events/program.ts';
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
import { drOf } from './cpu-debug-registers.ts';
import { DR6_ACTIVE_LOW } from './debug-bits.ts';
import { causeCleared, causeRead, type DebugAccount, done, kvmOf, raised, returned } from './guest-account.ts';
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
  }
  interface GuestLocals {
    readonly met?: InsnMet | undefined;
    readonly gone?: KvmResumed | undefined;
    readonly raises?: Raised | undefined;
    readonly taken?: Raised | undefined;
  }
  interface Vcpu {
    /** On x86, where programs debug: what the guest has written, and what it was told. */
    readonly debug?: DebugAccount | undefined;
  }
}

const { path, step, call, loop, when, note, leaveLoop } = guest;
const APM: Source = { source: 'APM vol. 2, "Debug and Performance Resources"; SDM vol. 3, "Debug Exceptions"', grade: 'manual' };

const OPERATIONS = ['insn', 'mov-ss', 'mov-to-dr', 'mov-from-dr', 'popf', 'sti', 'int3', 'icebp', 'wrmsr-fastpath', 'ac-loop'] as const;
type DebugOp = Extract<GuestOp, { readonly op: (typeof OPERATIONS)[number] }>;

/** Where instructions stand that no breakpoint is put at, and the guest's handler of #DB. */
const TEXT = 0x10_0000;
const HANDLER = 0xf_0000;
/** Bytes of an instruction. */
const INSN_BYTES = 3;

const accountOf = (v: Vcpu): DebugAccount => {
  if (!v.debug) throw new Error('a guest that debugs without its account');
  return v.debug;
};

/** The instruction of an operation as debug logic sees it. */
function insnOf(env: GuestEnv, v: Vcpu): DebuggedInsn {
  const op = opOf(env, v) as DebugOp;
  const rip = op.at ?? TEXT + 16 * v.pc;
  switch (op.op) {
    case 'insn':
    case 'mov-ss': {
      const gva = op.writes ?? op.reads;
      const access = gva === undefined ? undefined : { gva, length: op.length ?? 8, write: op.writes !== undefined };
      return { kind: op.op === 'insn' ? 'plain' : 'mov-ss', rip, access };
    }
    case 'mov-to-dr':
      return { kind: 'mov-dr', rip, move: { dr: op.dr, write: true, value: op.value } };
    case 'mov-from-dr':
      return { kind: 'mov-dr', rip, move: { dr: op.dr, write: false, value: 0 } };
    case 'popf':
      return { kind: 'popf', rip, tf: op.tf };
    case 'wrmsr-fastpath':
      return { kind: 'wrmsr', rip };
    default:
      return { kind: op.op, rip };
  }
}

/**
 * The handler's MOV from and to DR6. @see kernel arch/x86/kernel/traps.c, debug_read_clear_dr6()
 */
const READ_DR6: DebuggedInsn = { kind: 'mov-dr', rip: HANDLER, move: { dr: 6, write: false, value: 0 } };
const CLEAR_DR6: DebuggedInsn = { kind: 'mov-dr', rip: HANDLER + INSN_BYTES, move: { dr: 6, write: true, value: DR6_ACTIVE_LOW } };

const toDr = (v: Vcpu, event: { readonly type: string; readonly [field: string]: unknown }) => {
  const cpu = v.runner?.cpu ?? v.cpu;
  if (cpu === null) throw new Error(`${event.type} of a guest that runs nowhere`);
  return outgoing(drOf(cpu), event);
};

const behind = (rip: U64): U64 => Number(rip) + INSN_BYTES;

const msrOf = (env: GuestEnv, v: Vcpu): FastpathMsr => {
  const op = opOf(env, v);
  if (op.op !== 'wrmsr-fastpath') throw new Error(`${op.op} writes no MSR`);
  return op.msr;
};

/** The exit that an instruction has met, by the vendor's name. */
function exitOf(env: GuestEnv, vendor: DebugVendor, v: Vcpu, insn: DebuggedInsn, { exit, bits, retired }: InsnMet) {
  const next = behind(insn.rip);
  if (exit === 'AC') return vmexit(v, 'EXCP_AC');
  if (exit === 'MSR') return vmexit(v, 'MSR_FASTPATH', { msr: msrOf(env, v), rip: insn.rip, next });
  if (exit === 'DR') {
    const { dr, write, value } = insn.move!;
    const info = { dr, write, value, rip: insn.rip, next };
    if (vendor === 'vmx') return vmexit(v, 'DR_ACCESS', info);
    return write ? vmexit(v, 'WRITE_DR', info) : vmexit(v, 'READ_DR', info);
  }
  if (exit === 'DB') {
    const info = { bits, icebp: insn.kind === 'icebp', rip: retired ? next : insn.rip, next };
    return vendor === 'vmx' ? vmexit(v, 'EXCEPTION_NMI', { vector: 'DB', ...info }) : vmexit(v, 'EXCP_DB', info);
  }
  const info = { rip: insn.rip };
  return vendor === 'vmx' ? vmexit(v, 'EXCEPTION_NMI', { vector: 'BP', ...info }) : vmexit(v, 'EXCP_BP', info);
}

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
      ...(vc.length > 0 ? [[(_v: Vcpu, l: GuestLocals) => l.met!.exit === 'VC', vc] as const] : []),
      [otherwise, [step('vmexit', { inside: true, send: (v, l) => exitOf(env, how.vendor, v, insn(v), l.met!) }), resume]],
    ),
    when([(_v, l) => isBehind(l), [leaveLoop]]),
  ),
];

const valueRead = ({ met, gone }: GuestLocals): U64 => (gone?.skipped ? gone.value : (met?.value ?? 0));

/** A #DB within the handler, which the delivery of the last one has hit: it begins again. */
const isNested = (_v: Vcpu, l: GuestLocals): boolean => l.met?.exit === 'DB' && l.raises?.vector === 'DB';

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
                step('get_debugreg', { ns: 5, set: (v, l) => ({ debug: causeRead(accountOf(v), valueRead(l)) }) }),
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
          set: (v, l) => ({ debug: raised(accountOf(v), vendor, insn(v), l.raises!.vector) }),
          local: (_v, l) => ({ taken: l.raises }),
        }),
        handle,
        when([(_v, l) => isFault(l) || l.taken!.retired, [leaveLoop]]),
      ),
      when([
        (_v, l) => l.taken === undefined,
        [
          step('retire', {
            ns: 5,
            set: (v, l) => ({ debug: done(accountOf(v), vendor, insn(v), { value: valueRead(l), skipped: l.gone?.skipped === true }) }),
          }),
        ],
      ]),
    ],
    { locals: ['met', 'gone', 'raises', 'taken'] },
  );
}

/** What the mechanism adds to guests. */
export const x86GuestParts = (how: GuestDesign): GuestParts => ({
  operations: (env) => OPERATIONS.map((name) => [name, [call(insnPath(env, how, name.replaceAll('-', '_')))]] as const),
});
