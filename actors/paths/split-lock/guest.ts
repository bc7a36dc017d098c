/** What guests do to meet split-lock detection: MSR accesses that exit, and accesses that fault, restart, or run. */
import { outgoing } from '../../../events/event.ts';
import type { AccessContext, VmxExit } from '../../../events/split-lock.ts';
import { type GuestEnv, type GuestItem, guest, opOf, type Vcpu } from '../guest.ts';
import type { Source } from '../path.ts';
import { locksBus } from './bus-lock.ts';
import { type SldFacts, toCore } from './facts.ts';

const { path, step, call, loop, when, leaveLoop } = guest;

declare module '../guest.ts' {
  interface GuestLocals {
    readonly exception?: 'AC' | 'GP' | undefined;
    readonly value?: number | undefined;
    readonly trap?: boolean | undefined;
  }
  interface Vcpu {
    /** The last exception that the guest took. */
    readonly exception?: 'AC' | 'GP' | undefined;
    /** What its last RDMSR gave. */
    readonly readback?: number | undefined;
  }
}

const SDM: Source = { source: 'Intel SDM vol. 3, "VM exits"; domain debug-and-split-lock C.1', grade: 'manual' };

const vmxExit = (v: Vcpu, exit: VmxExit) => outgoing(v.thread, { type: 'vmx.exit', exit });

/** The next entry; if the host has said what became of the instruction, this is where the guest has noticed. */
const resume = step('resume', {
  ns: 20,
  wakes: { 'vmx.complete': (e) => ({ exception: e.exception ?? undefined, value: e.value ?? undefined }) },
});
/** The guest's handler, whatever it does: the instruction is not tried again. */
const handled: GuestItem = when([
  (_v, l) => l.exception !== undefined,
  [step('exception', { set: (_v, l) => ({ exception: l.exception }) })],
]);

const wrmsr = (env: GuestEnv) =>
  path(
    'WRMSR',
    SDM,
    [
      step('WRMSR', {
        send: (v) => {
          const op = opOf(env, v);
          return vmxExit(v, { reason: 'MSR_WRITE', value: op.op === 'wrmsr-test-ctrl' ? op.value : 0 });
        },
      }),
      resume,
      handled,
    ],
    { locals: ['exception', 'value'] },
  );

const rdmsr = path(
  'RDMSR',
  SDM,
  [
    step('RDMSR', { send: (v) => vmxExit(v, { reason: 'MSR_READ' }) }),
    resume,
    when([(_v, l) => l.exception === undefined, [step('note_value', { ns: 5, set: (_v, l) => ({ readback: l.value }) })]]),
    handled,
  ],
  { locals: ['exception', 'value'] },
);

const contextOf = (env: GuestEnv, v: Vcpu): AccessContext => {
  const op = opOf(env, v);
  if (op.op !== 'split-lock' && op.op !== 'misaligned') throw new Error(`${op.op} is no misaligned access`);
  return { cpl: op.cpl, am: op.am, ac: op.ac };
};
const isChecked = ({ cpl, am, ac }: AccessContext) => cpl === 3 && am && ac;

/** A trap: the access is done, and the next entry goes on behind it. */
const busLockExit = (facts: SldFacts): readonly GuestItem[] =>
  facts.options['kvm.busLockExit'] === 'exit' && facts.countsBusLocks
    ? [step('BUS_LOCK', { send: (v) => vmxExit(v, { reason: 'BUS_LOCK' }) })]
    : [];

/**
 * A misaligned access, locked and across two cache lines or neither. It faults if alignment is checked, or if it splits a lock while the core
 * detects that; it is tried again unless the guest was told of the exception.
 */
const access = (env: GuestEnv, facts: SldFacts, locked: boolean) =>
  path(
    locked ? 'split_lock' : 'misaligned',
    SDM,
    [
      loop(
        locked
          ? step('access', {
              send: (v) => [toCore(facts, v, { type: 'core.rdmsr?' }), ...(isChecked(contextOf(env, v)) ? [] : locksBus(facts))],
              answers: { 'core.msr': (e, v) => ({ trap: e.sld || isChecked(contextOf(env, v)) }) },
            })
          : step('access', { local: (v) => ({ trap: isChecked(contextOf(env, v)) }) }),
        when([(_v, l) => l.trap !== true, [...(locked ? busLockExit(facts) : []), leaveLoop]]),
        step('EXCEPTION_NMI', { send: (v) => vmxExit(v, { reason: 'EXCEPTION_NMI', locked, context: contextOf(env, v) }) }),
        resume,
        when([(_v, l) => l.exception !== undefined, [leaveLoop]]),
      ),
      handled,
    ],
    { locals: ['exception', 'value', 'trap'] },
  );

const increment = path('LOCK_INC', SDM, [step('EPT_MISCONFIG', { send: (v) => vmxExit(v, { reason: 'EPT_MISCONFIG' }) }), resume], {
  locals: ['exception', 'value'],
});

/** Operations of guest programs: what carries each out. */
export const guestOperationsOf = (env: GuestEnv, facts: SldFacts): readonly (readonly [string, readonly GuestItem[]])[] => [
  ['wrmsr-test-ctrl', [call(wrmsr(env))]],
  ['rdmsr-test-ctrl', [call(rdmsr)]],
  ['emulated-increment', [call(increment)]],
  ['split-lock', [call(access(env, facts, true))]],
  ['misaligned', [call(access(env, facts, false))]],
];
