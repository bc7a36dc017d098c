/**
 * What guests do to meet split-lock detection: MSR accesses that exit, and accesses that fault,
 * restart, or run.
 */
import { HIGHEST_CPL } from '../../events/split-lock/privileges.ts';
import { type AccessContext, SPLIT_LOCK_DETECT } from '../../events/split-lock/split-lock.ts';
import { hasBits, type U64, withoutBits } from '../../events/u64.ts';
import { type GuestEnv, type GuestItem, guest, opOf, type Vcpu, vmexit } from '../kvm/guest-program.ts';
import { otherwise, type Source } from '../path/path.ts';
import { accountOf, isChecked, noted, type SplitLockAccount } from './account.ts';
import { lockedAccess } from './bus-lock.ts';
import { type SldFacts, toCore } from './sld-facts.ts';

const { path, step, call, loop, when, leaveLoop } = guest;

declare module '../kvm/guest-program.ts' {
  interface GuestLocals {
    readonly exception?: 'AC' | 'GP' | undefined;
    readonly value?: U64 | undefined;
    readonly trap?: boolean | undefined;
  }
  interface Vcpu {
    /** The last exception that the guest took. */
    readonly exception?: 'AC' | 'GP' | undefined;
    /** What its last RDMSR gave. */
    readonly readback?: U64 | undefined;
  }
}

const SDM: Source = { source: 'Intel SDM vol. 3, "VM exits"; domain debug-and-split-lock C.1', grade: 'manual' };

/**
 * The next entry; if the host has said what became of the instruction, this is where the guest has
 * noticed.
 */
const resume = step('resume', {
  ns: 20,
  wakes: { 'vmx.complete': (e) => ({ exception: e.exception ?? undefined, value: e.value ?? undefined }) },
});
/** The guest's handler, whatever it does: the instruction is not tried again. */
const handled: GuestItem = when([
  (_v, l) => l.exception !== undefined,
  [step('exception', { set: (_v, l) => ({ exception: l.exception }) })],
]);

const valueWritten = (env: GuestEnv, v: Vcpu): U64 => {
  const op = opOf(env, v);
  return op.op === 'wrmsr-test-ctrl' ? op.value : 0;
};

/** What a write comes to: the bit that it leaves, or #GP for one that the guest does not have. */
const outcomeOf = ({ given, bit }: SplitLockAccount, value: U64): Pick<SplitLockAccount, 'bit' | 'gpDue'> => {
  const valid = given ? SPLIT_LOCK_DETECT : 0;
  return withoutBits(value, valid) === 0 ? { bit: hasBits(value, SPLIT_LOCK_DETECT), gpDue: undefined } : { bit, gpDue: true };
};

/** Whether an instruction of this operation faults before any exit is looked at. */
const isForbidden = (op: ReturnType<typeof opOf>): boolean =>
  (op.op === 'wrmsr-test-ctrl' || op.op === 'rdmsr-test-ctrl') && (op.cpl ?? 0) > HIGHEST_CPL[op.op];

/** #GP(0), where the program of some guest asks for it. */
const privileged = (env: GuestEnv, items: readonly GuestItem[]): readonly GuestItem[] =>
  env.images.some(({ program }) => program.ops.some(isForbidden))
    ? [
        when(
          [(v) => isForbidden(opOf(env, v)), [step('general_protection', { set: () => ({ exception: 'GP' as const }) })]],
          [otherwise, items],
        ),
      ]
    : items;

const wrmsr = (env: GuestEnv) =>
  path(
    'WRMSR',
    SDM,
    privileged(env, [
      step('WRMSR', {
        send: (v) => vmexit(v, 'MSR_WRITE', { value: valueWritten(env, v) }),
        set: (v) => (isForbidden(opOf(env, v)) ? noted(v, { gpDue: true }) : noted(v, outcomeOf(accountOf(v), valueWritten(env, v)))),
      }),
      resume,
      handled,
    ]),
    { locals: ['exception', 'value'] },
  );

const rdmsr = (env: GuestEnv) =>
  path(
    'RDMSR',
    SDM,
    privileged(env, [
      step('RDMSR', { send: (v) => vmexit(v, 'MSR_READ') }),
      resume,
      when([(_v, l) => l.exception === undefined, [step('note_value', { ns: 5, set: (_v, l) => ({ readback: l.value }) })]]),
      handled,
    ]),
    { locals: ['exception', 'value'] },
  );

const contextOf = (env: GuestEnv, v: Vcpu): AccessContext => {
  const op = opOf(env, v);
  if (op.op !== 'split-lock' && op.op !== 'misaligned') throw new Error(`${op.op} is no misaligned access`);
  return { cpl: op.cpl, am: op.am, ac: op.ac };
};
const meets = (env: GuestEnv, v: Vcpu, locked: boolean) =>
  noted(v, { met: { ...contextOf(env, v), locked, bit: accountOf(v).bit, injected: false } });

/**
 * A trap at any CPL: the access is done, and the next entry goes on behind it. It hangs on the
 * capability alone, and not on the host's policy.
 * @see kernel arch/x86/kvm/vmx/vmx.c, vmx_secondary_exec_control() (6.1):
 * bus_lock_detection_enabled of the VM
 */
const busLockExit = (facts: SldFacts): readonly GuestItem[] =>
  facts.options['kvm.busLockExit'] === 'exit' && facts.countsBusLocks ? [step('BUS_LOCK', { send: (v) => vmexit(v, 'BUS_LOCK') })] : [];

/**
 * A misaligned access, locked and across two cache lines or neither. It faults if alignment is
 * checked, or if it splits a lock while the core detects that; it is tried again unless the guest
 * was told of the exception.
 */
const access = (env: GuestEnv, facts: SldFacts, locked: boolean) =>
  path(
    locked ? 'split_lock' : 'misaligned',
    SDM,
    [
      loop(
        locked
          ? step('access', {
              set: (v) => meets(env, v, true),
              send: (v) => toCore(facts, v, lockedAccess(facts, isChecked(contextOf(env, v)))),
              answers: { 'core.msr': (e, v) => ({ trap: e.sld || isChecked(contextOf(env, v)) }) },
            })
          : step('access', { set: (v) => meets(env, v, false), local: (v) => ({ trap: isChecked(contextOf(env, v)) }) }),
        when([(_v, l) => l.trap !== true, [...(locked ? busLockExit(facts) : []), leaveLoop]]),
        step('EXCEPTION_NMI', { send: (v) => vmexit(v, 'EXCEPTION_NMI', { vector: 'AC', locked, context: contextOf(env, v) }) }),
        resume,
        when([(_v, l) => l.exception !== undefined, [leaveLoop]]),
      ),
      when([
        (_v, l) => l.exception !== undefined,
        [
          step('exception', {
            set: (v, l) => ({ exception: l.exception, ...noted(v, { met: { ...accountOf(v).met!, injected: true } }) }),
          }),
        ],
      ]),
    ],
    { locals: ['exception', 'value', 'trap'] },
  );

const increment = path('LOCK_INC', SDM, [step('EPT_MISCONFIG', { send: (v) => vmexit(v, 'EPT_MISCONFIG') }), resume], {
  locals: ['exception', 'value'],
});

/** Operations of guest programs: what carries each out. */
export const guestOperationsOf = (env: GuestEnv, facts: SldFacts): readonly (readonly [string, readonly GuestItem[]])[] => [
  ['wrmsr-test-ctrl', [call(wrmsr(env))]],
  ['rdmsr-test-ctrl', [call(rdmsr(env))]],
  ['emulated-increment', [call(increment)]],
  ['split-lock', [call(access(env, facts, true))]],
  ['misaligned', [call(access(env, facts, false))]],
];
