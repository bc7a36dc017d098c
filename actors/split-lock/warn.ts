/**
 * The host's own #AC: what a split lock of user code, of the kernel, or of a guest costs the task
 * that did it.
 *
 * @see kernel arch/x86/kernel/traps.c, exc_alignment_check(); arch/x86/kernel/cpu/intel.c,
 * handle_user_split_lock() (5.7 to 5.18)
 */
import { outgoing } from '../../events/event.ts';
import { faultItems, type HostEnv, type HostItem, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { otherwise } from '../path/path.ts';
import { lockedAccess } from './bus-lock.ts';
import { SYSCTL } from './delayed-work.ts';
import { type SldFacts, toCore } from './sld-facts.ts';
import { withDetection } from './sld-flag.ts';
import { type Culprit, warnByWork } from './warn-by-work.ts';

const { path, step, call, loop, when, leaveLoop, preemptDisable, preemptEnable } = host;

declare module '../host/host-env.ts' {
  interface HostThread {
    /** It, or its guest, split a lock: it may run with detection off. */
    readonly splitter?: true | undefined;
    /** The kernel died of a split lock of its own on behalf of this task. */
    readonly oops?: true | undefined;
  }
  interface HostLocals {
    readonly trap?: boolean | undefined;
    /** The access has trapped before, and traps once more; until the handler begins. */
    readonly trapsAgain?: true | undefined;
  }
}

/**
 * A1 to A3. The user's handler runs with interrupts on, so without a section of its own the write
 * and the flag can be parted.
 */
const warnByFlag = (facts: SldFacts) =>
  path('split_lock_warn', kernelSource('arch/x86/kernel/cpu/intel.c, split_lock_warn() (5.7 to 5.18)'), [
    step('pr_warn_ratelimited'),
    ...(facts.warn === 'gen1-atomic' ? [preemptDisable] : []),
    step('sld_update_msr', { send: (t) => toCore(facts, t, { type: 'core.wrmsr', sld: false }) }),
    step('set_tsk_thread_flag', { set: (t) => ({ tif: withDetection(facts.flag, t.tif, false) }) }),
    ...(facts.warn === 'gen1-atomic' ? [preemptEnable] : []),
  ]);

/** split_lock_warn() as the host's generation has it; `culprit` has split the lock. */
export const splitLockWarn = (facts: SldFacts, culprit: Culprit): HostItem =>
  call(facts.warn.startsWith('gen2') ? warnByWork(facts, culprit) : warnByFlag(facts));

const sysctlOf = (env: HostEnv, t: HostThread): boolean => {
  const op = opOf(env, t);
  if (op.op !== 'sysctl') throw new Error(`${op.op} writes no sysctl`);
  return op.splitLockMitigate;
};
/**
 * A write to kernel.split_lock_mitigate, which is there under every policy; only a warning of
 * generation 2 reads it.
 * @see kernel arch/x86/kernel/cpu/intel.c, sld_mitigate_sysctl_init() (6.1)
 */
export const sysctlStep = (env: HostEnv): HostItem =>
  step('proc_douintvec_minmax', { send: (t) => outgoing(SYSCTL, { type: 'sysctl.write', mitigate: sysctlOf(env, t) }) });

const sigbus = () => ({ signal: { signal: 'SIGBUS' as const, pfn: null } });

/** #AC from user mode. @see domain C.2 */
export const excAlignmentCheck = (env: HostEnv, facts: SldFacts) =>
  path('exc_alignment_check', kernelSource('arch/x86/kernel/traps.c, exc_alignment_check()'), [
    step('entry', {
      mode: 'kernel',
      irqs: false,
      ns: 300,
      set: () => ({ splitter: true as const }),
      local: () => ({ trapsAgain: undefined }),
    }),
    step('local_irq_enable', { irqs: true, ns: 5 }),
    when(
      [(t) => facts.state !== 'warn' || opensAc(env, t), [step('do_trap', { set: sigbus })]],
      [otherwise, [splitLockWarn(facts, () => null)]],
    ),
    step('local_irq_disable', { irqs: false, ns: 5 }),
    step('iret', { mode: 'user', irqs: true, ns: 200 }),
  ]);

const splitOf = (env: HostEnv, t: Parameters<typeof opOf>[1]) => {
  const op = opOf(env, t);
  if (op.op !== 'split-lock') throw new Error(`${op.op} splits no lock`);
  return op;
};
const opensAc = (env: HostEnv, t: Parameters<typeof opOf>[1]): boolean => splitOf(env, t).ac;

const MANUAL = { source: 'Intel SDM vol. 3, "Split locks"; domain debug-and-split-lock C.1', grade: 'manual' } as const;

/**
 * The locked access itself: one instruction, which faults or runs. Linux keeps CR0.AM set, so
 * EFLAGS.AC alone decides about the old check.
 */
const access = (env: HostEnv, facts: SldFacts): HostItem =>
  step('locked_access', {
    send: (t) => toCore(facts, t, lockedAccess(facts, opensAc(env, t))),
    answers: {
      'core.msr': (e, t, l) => {
        const trap = e.sld || opensAc(env, t);
        return { trap, trapsAgain: trap && l.trap === true ? (true as const) : undefined };
      },
    },
  });

/** A locked access across two cache lines: by user code, or by the kernel in a system call. */
export const splitLockPath = (env: HostEnv, facts: SldFacts) =>
  path(
    'split_lock',
    MANUAL,
    [
      when(
        [
          (t) => splitOf(env, t).mode === 'user',
          [
            loop(
              access(env, facts),
              when([(_t, l) => l.trap !== true, [...(facts.busLock === null ? [] : faultItems(env, '#DB.BLD')), leaveLoop]]),
              ...faultItems(env, '#AC'),
              when([(t) => t.signal !== null, [leaveLoop]]),
            ),
          ],
        ],
        [
          otherwise,
          [
            step('syscall', { mode: 'kernel' }),
            step('kernel_access', {
              send: (t) => toCore(facts, t, { type: 'core.rdmsr?' }),
              answers: { 'core.msr': (e) => ({ trap: e.sld }) },
            }),
            when([
              (_t, l) => l.trap === true,
              [step('die', { set: () => ({ oops: true as const, signal: { signal: 'SIGKILL' as const, pfn: null } }) })],
            ]),
            step('sysret', { mode: 'user' }),
          ],
        ],
      ),
    ],
    { locals: ['trap', 'trapsAgain'] },
  );
