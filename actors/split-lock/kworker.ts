/**
 * The worker of a CPU: a kernel thread that sleeps until a work item is due, and turns detection on
 * again.
 *
 * @see kernel kernel/workqueue.c, worker_thread(); arch/x86/kernel/cpu/bus_lock.c,
 * __split_lock_reenable(), __split_lock_reenable_unlock()
 */
import { type Outgoing, outgoing } from '../../events/event.ts';
import { type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { kernelThreadMachine } from '../host/kernel-thread.ts';
import { goToSleep } from '../host/sleeping.ts';
import { otherwise } from '../path/path.ts';
import { SEMAPHORE, WORKQUEUE } from './delayed-work.ts';
import { type SldFacts, toCore } from './sld-facts.ts';
import { UNLOCK_WORK } from './warn-by-work.ts';

const { path, step, loop, when } = host;

const workerThread = (facts: SldFacts) => {
  const reenable = (t: HostThread): Outgoing => toCore(facts, t, { type: 'core.wrmsr', sld: true });
  const done = (l: HostLocals): Outgoing => outgoing(WORKQUEUE, { type: 'work.done', work: l.work! });
  return path(
    'worker_thread',
    kernelSource('kernel/workqueue.c, worker_thread(); arch/x86/kernel/cpu/bus_lock.c'),
    [
      loop(
        step('process_one_work', {
          rests: true,
          send: (t) => outgoing(WORKQUEUE, { type: 'work.next?', cpu: t.cpu! }),
          answers: { 'work.item': (e) => ({ work: e.work ?? undefined }) },
        }),
        when(
          [(_t, l) => l.work === undefined, [goToSleep()]],
          [
            (_t, l) => l.work === UNLOCK_WORK,
            [
              step('sld_update_msr_unlock', { send: reenable }),
              step('up', { send: (_t, l) => [outgoing(SEMAPHORE, { type: 'sem.up' }), done(l)], local: () => ({ work: undefined }) }),
            ],
          ],
          [otherwise, [step('sld_update_msr', { send: (t, l) => [reenable(t), done(l)], local: () => ({ work: undefined }) })]],
        ),
      ),
    ],
    { locals: ['work'] },
  );
};

/** Asleep at the start. */
export const kworkerMachine = (facts: SldFacts) => kernelThreadMachine('kworker', workerThread(facts));
