/**
 * A CPU goes offline, as far as split-lock detection is concerned: it takes no task any more, turns
 * detection on for its core where warnings had turned it off, and its work items go elsewhere.
 *
 * @see kernel kernel/cpu.c, cpu_down(); arch/x86/kernel/cpu/bus_lock.c, splitlock_cpu_offline();
 * kernel/workqueue.c, workqueue_offline_cpu()
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostItem, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { WORKQUEUE } from './delayed-work.ts';
import { type SldFacts, toCore, warnsByWork } from './sld-facts.ts';

const SCHEDULER = 'sched';
const { path, step, loop, when, leaveLoop } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    readonly offlined?: boolean | undefined;
  }
}

/**
 * Whether sld_state_show() registers the callback: in warn mode where the processor detects split
 * locks, and only with generation 2, which brought it.
 * @see kernel arch/x86/kernel/cpu/intel.c, sld_state_show() (6.1)
 */
const hasCallback = (facts: SldFacts): boolean => warnsByWork(facts) && facts.options['host.sldOffline'] === 'callback';

/**
 * echo 0 > online, under every policy; only a warning of generation 2 has work items that go
 * elsewhere. The caller waits until the CPU is idle: its tasks are not pushed away.
 */
export const cpuOfflinePath = (env: HostEnv, facts: SldFacts) => {
  const cpuOf = (t: HostThread) => {
    const op = opOf(env, t);
    if (op.op !== 'cpu-offline') throw new Error(`${op.op} takes no CPU offline`);
    return `pcpu:${op.cpu}`;
  };
  return path(
    'cpu_down',
    kernelSource('kernel/cpu.c, cpu_down(); arch/x86/kernel/cpu/bus_lock.c, splitlock_cpu_offline(), sld_state_show()'),
    [
      step('write_online', { mode: 'kernel' }),
      loop(
        step('sched_cpu_deactivate', {
          idles: true,
          yields: true,
          mayResched: true,
          send: (t) => outgoing(cpuOf(t), { type: 'cpu.offline?' }),
          answers: { 'cpu.offlined': (e) => ({ offlined: e.done }) },
        }),
        when([(_t, l) => l.offlined === true, [leaveLoop]]),
      ),
      ...(hasCallback(facts)
        ? [step('splitlock_cpu_offline', { send: (t) => toCore(facts, { cpu: cpuOf(t) }, { type: 'core.wrmsr', sld: true }) })]
        : []),
      step('workqueue_offline_cpu', {
        send: (t) => (warnsByWork(facts) ? outgoing(WORKQUEUE, { type: 'work.offline', cpu: cpuOf(t) }) : []),
      }),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['offlined'] },
  );
};

/** A task binds itself to the CPU on which it runs: from here on the scheduler does not move it. */
export const pinStep: HostItem = step('sched_setaffinity', {
  send: (t) => outgoing(SCHEDULER, { type: 'sched.setaffinity', cpu: t.cpu! }),
});
