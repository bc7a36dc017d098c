/**
 * Generation 2 of the warning (5.19 and later): no flag of the task, but a work item that turns detection on again a little later; and, while
 * the sysctl says so, a sleep and a semaphore, so that only one core at a time splits locks.
 *
 * @see kernel arch/x86/kernel/cpu/bus_lock.c, split_lock_warn(); domain debug-and-split-lock C.3, W1 to W9
 */
import { outgoing } from '../../../events/event.ts';
import { SEMAPHORE, SLEEP_TIMER, SYSCTL, WORKQUEUE } from '../../delayed-work.ts';
import { type HostItem, type HostThread, host, kernelSource, toCpu } from '../env.ts';
import { type SldFacts, toCore } from './facts.ts';

const { path, step, loop, when, note, leaveLoop } = host;

declare module '../env.ts' {
  interface HostLocals {
    readonly mitigate?: boolean | undefined;
    /** Between down and the work item that will give the semaphore back. */
    readonly holdsSem?: boolean | undefined;
    /** Of a worker: the item at hand. */
    readonly work?: string | undefined;
  }
}

/** The item that also gives back the semaphore. */
export const UNLOCK_WORK = 'sl_reenable_unlock';
const workOf = (facts: SldFacts, t: HostThread, mitigate: boolean): string =>
  mitigate ? UNLOCK_WORK : facts.warn === 'gen2' ? `sl_reenable/${t.cpu!.slice('pcpu:'.length)}` : 'sl_reenable';

const readSysctl = (name: string): HostItem =>
  step(name, { send: () => outgoing(SYSCTL, { type: 'sysctl.read?' }), answers: { 'sysctl.value': (e) => ({ mitigate: e.mitigate }) } });

/** W1 to W9. */
export const warnByWork = (facts: SldFacts) =>
  path(
    'split_lock_warn',
    kernelSource('arch/x86/kernel/cpu/bus_lock.c, split_lock_warn()'),
    [
      step('pr_warn_ratelimited'),
      readSysctl('sysctl_sld_mitigate'),
      when([
        (_t, l) => l.mitigate === true,
        [
          step('msleep_interruptible', {
            sleeps: true,
            send: (t) => [outgoing(SLEEP_TIMER, { type: 'timer.arm' }), toCpu(t, { type: 'cpu.sleep' })],
          }),
          loop(
            step('down_interruptible', {
              send: () => outgoing(SEMAPHORE, { type: 'sem.down' }),
              answers: { 'sem.taken': (e) => ({ granted: e.taken }) },
            }),
            when([(_t, l) => l.granted === true, [note(() => ({ holdsSem: true })), leaveLoop]]),
            step('schedule', { sleeps: true, send: (t) => toCpu(t, { type: 'cpu.sleep' }) }),
          ),
        ],
      ]),
      ...(facts.options['host.sldSysctlReads'] === 'twice' ? [readSysctl('sysctl_sld_mitigate_again')] : []),
      step('get_cpu', { preempt: 1, ns: 5 }),
      step('schedule_delayed_work_on', {
        send: (t, l) => outgoing(WORKQUEUE, { type: 'work.schedule', work: workOf(facts, t, l.mitigate === true), cpu: t.cpu! }),
        local: () => ({ holdsSem: undefined }),
      }),
      step('sld_update_msr', { send: (t) => toCore(facts, t, { type: 'core.wrmsr', sld: false }) }),
      step('put_cpu', { preempt: -1, ns: 5 }),
    ],
    { locals: ['mitigate', 'granted', 'holdsSem'] },
  );
