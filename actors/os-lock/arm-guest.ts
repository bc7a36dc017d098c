/**
 * What an arm64 guest does with its debug registers, and what meets its instructions: traps, debug
 * exceptions, and nothing where something was due.
 *
 * Beside its program counter the guest keeps an account of what it is entitled to: its lock, its
 * registers, its PSTATE. Properties compare that with what happened.
 */

import { outgoing } from '../../events/event.ts';
import type { GuestEvent } from '../../events/index.ts';
import { DEBUG_EXITS, type DebugException, type DebugPstate, type Executed, type Resumed } from '../../events/os-lock/arm-debug.ts';
import { SYSREG_RULES } from '../../events/os-lock/sysregs.ts';
import type { GuestOp } from '../../events/program.ts';
import { hasBits, type U64 } from '../../events/u64.ts';
import { type GuestEnv, type GuestItem, type GuestLocals, type GuestParts, opOf, type Vcpu, vmexit } from '../kvm/guest-program.ts';
import { otherwise, pathsOf, type Source } from '../path/path.ts';
import { ENABLE, firstDebugException, MDSCR } from './arm-debug-rule.ts';
import { expectedOf, type GuestDebugView, wrote } from './arm-guest-account.ts';
import { debugOf, destinationOf } from './arm-vcpu.ts';

declare module '../kvm/guest-program.ts' {
  interface GuestLocals {
    readonly accessed?: { readonly trap: boolean; readonly value: U64; readonly undef?: true } | undefined;
    readonly executed?: Executed | undefined;
    readonly resumed?: Resumed | undefined;
  }
  interface Vcpu {
    /** On arm64 only. */
    readonly arm?: GuestDebugView | undefined;
  }
}

const { path, step, call, when, note, leavePath } = pathsOf<Vcpu, GuestLocals, GuestEvent>();
const ARM: Source = { source: 'Arm ARM, self-hosted debug; domain debug-and-split-lock D.1', grade: 'manual' };

const argsOf = <K extends GuestOp['op']>(env: GuestEnv, v: Vcpu, kind: K): Extract<GuestOp, { op: K }> => {
  const op = opOf(env, v);
  if (op.op !== kind) throw new Error(`the guest stands at ${op.op}, not at ${kind}`);
  return op as Extract<GuestOp, { op: K }>;
};
const viewOf = (v: Vcpu): GuestDebugView => {
  if (!v.arm) throw new Error('a guest of arm64 without its debug view');
  return v.arm;
};
const change = (v: Vcpu, fields: Partial<GuestDebugView>) => ({ arm: { ...viewOf(v), ...fields } });
const toCpu = (v: Vcpu, event: { readonly type: string; readonly [field: string]: unknown }) => {
  if (v.cpu === null) throw new Error(`${event.type} of a guest that runs nowhere`);
  return outgoing(debugOf(v.cpu), event);
};

/** After an exit the guest finds what KVM, or user space, has left in its registers. */
const resume: GuestItem = step('ERET', {
  send: (v) => outgoing(viewOf(v).kvm, { type: 'arm.resume?' }),
  answers: { 'arm.resumed': ({ value, undef, injected, skipped }) => ({ resumed: { value, undef, injected, skipped } }) },
});

/** The guest's vector: the guest takes the exception, no matter who routed it there. */
const vector = (name: string, exceptionOf: (l: GuestLocals) => DebugException): GuestItem =>
  step(name, {
    set: (v, l) => {
      const exception = exceptionOf(l);
      const { locked, mdscr } = viewOf(v);
      const isDebuggers = exception === 'step' ? !hasBits(mdscr, MDSCR.SS) : exception === 'breakpoint' || exception === 'watchpoint';
      const isStolen = isDebuggers && l.executed?.bank === 'external' && l.resumed === undefined;
      return change(v, { taken: { exception, locked }, ...(isStolen && { stolen: exception }) });
    },
  });

/** MSR and MRS of a debug register; those of AArch32 are written by MCR. */
function accessPath(env: GuestEnv, kind: 'msr' | 'mrs') {
  const access = (v: Vcpu) => {
    const op = opOf(env, v);
    if (op.op === 'msr') return { reg: op.reg, write: true, value: op.value };
    return { reg: argsOf(env, v, 'mrs').reg, write: false, value: 0 };
  };
  const trapped = (l: GuestLocals) => l.accessed?.trap === true;
  const isUndefined = (_v: Vcpu, l: GuestLocals) => l.accessed?.undef === true || l.resumed?.undef === true;
  const readBack = (l: GuestLocals) => (trapped(l) ? l.resumed! : l.accessed!).value;
  return path(
    kind,
    ARM,
    [
      step('access', {
        send: (v) => toCpu(v, { type: 'dbg.access?', ...access(v) }),
        answers: { 'dbg.accessed': ({ trap, value, undef }) => ({ accessed: { trap, value, ...(undef && { undef }) } }) },
      }),
      when([
        (_v, l) => trapped(l),
        [step('trap_to_EL2', { send: (v) => vmexit(v, SYSREG_RULES[access(v).reg].aarch32 ? 'CP14_MR' : 'SYS64', access(v)) }), resume],
      ]),
      when(
        [isUndefined, [step('undefined', { set: (v) => change(v, { undefined: access(v).reg }) })]],
        [
          otherwise,
          [
            step('retire', {
              ns: 5,
              set: (v, l) => {
                const { reg, write, value } = access(v);
                if (write) return change(v, wrote(viewOf(v), reg, value));
                return change(v, { read: { reg, value: readBack(l), expected: expectedOf(viewOf(v), reg) } });
              },
            }),
          ],
        ],
      ),
    ],
    { locals: ['accessed', 'resumed'] },
  );
}

/**
 * What was due by the architecture, and did not come: for the guest, or for the debugger whose
 * registers the CPU held.
 */
function missed(env: GuestEnv, v: Vcpu, { exception, bank, routed, met }: Executed): Partial<GuestDebugView> | null {
  if (exception !== null) return null;
  if (bank === 'external' && met) return { stolen: 'hit' };
  if (routed || bank === 'external') return null;
  const { bcr, wcr, vcr, mdscr, pstate, locked } = viewOf(v);
  const insn = instruction(env, v);
  const due = firstDebugException(
    {
      breakpoint: insn.breakpoint && hasBits(bcr, ENABLE),
      watchpoint: insn.watchpoint && hasBits(wcr, ENABLE),
      vector: insn.vector && hasBits(vcr ?? 0, ENABLE),
      brk: insn.brk,
    },
    { pstate, mdscr, routeToEl2: false, osLock: locked, doubleLock: false },
  );
  return due === null ? null : { lost: due };
}

const instruction = (env: GuestEnv, v: Vcpu) => {
  const op = opOf(env, v);
  if (op.op === 'brk') return { breakpoint: false, watchpoint: false, vector: false, brk: true };
  const { breakpoint = false, watchpoint = false, vector: atVector = false } = argsOf(env, v, 'execute');
  return { breakpoint, watchpoint, vector: atVector, brk: false };
};

/**
 * An instruction and the debug exception that it may meet. A handler comes back at once, and the
 * instruction is done.
 */
const executePath = (env: GuestEnv, name: string) =>
  path(
    name,
    ARM,
    [
      step('execute', {
        send: (v) => toCpu(v, { type: 'dbg.execute?', ...instruction(env, v) }),
        answers: {
          'dbg.executed': ({ exception, to, bank, routed, met }) => ({ executed: { exception, to, bank, routed, met } }),
        },
      }),
      when(
        [
          (_v, l) => l.executed!.exception !== null && l.executed!.to === 2,
          [
            step('debug_to_EL2', { send: (v, l) => vmexit(v, DEBUG_EXITS[l.executed!.exception!]) }),
            resume,
            when(
              [(_v, l) => l.resumed!.skipped, [step('skipped', { set: (v) => change(v, { skipped: true }) })]],
              [(_v, l) => l.resumed!.undef, [step('el1_undefined', { set: (v, l) => change(v, { undefined: l.executed!.exception }) })]],
              [(_v, l) => l.resumed!.injected !== null, [vector('el1_sync_injected', (l) => l.resumed!.injected!)]],
            ),
            leavePath,
          ],
        ],
        [(_v, l) => l.executed!.exception !== null, [vector('el1_sync', (l) => l.executed!.exception!), leavePath]],
        [
          (v, l) => missed(env, v, l.executed!) !== null,
          [step('nothing_happened', { ns: 5, set: (v, l) => change(v, missed(env, v, l.executed!)!) })],
        ],
      ),
      note(() => ({ executed: undefined })),
    ],
    { locals: ['executed', 'resumed'] },
  );

/** ERET to another level, or with other masks. @see Arm ARM, "Exception return" */
const eret = (env: GuestEnv): GuestItem => {
  const pstate = (v: Vcpu): DebugPstate => {
    const { el, d = false, ss = false } = argsOf(env, v, 'eret');
    return { el, d, ss };
  };
  return step('eret', {
    send: (v) => toCpu(v, { type: 'dbg.eret', pstate: pstate(v) }),
    set: (v) => change(v, { pstate: pstate(v) }),
  });
};

/** The VM is stopped here, moved, and goes on where KVM keeps it then. */
const pausePath = path('pause', { source: 'domain debug-and-split-lock D.5', grade: 'decision' }, [
  step('stop', { send: (v) => vmexit(v, 'STOP') }),
  step('go_on', { set: (v) => change(v, { kvm: destinationOf(viewOf(v).kvm) }) }),
]);

/** What the mechanism adds to guests. */
export const armGuestParts: GuestParts = {
  operations: (env) => [
    ['msr', [call(accessPath(env, 'msr'))]],
    ['mrs', [call(accessPath(env, 'mrs'))]],
    ['brk', [call(executePath(env, 'BRK'))]],
    ['execute', [call(executePath(env, 'insn'))]],
    ['eret', [eret(env)]],
    ['pause', [call(pausePath)]],
  ],
};
