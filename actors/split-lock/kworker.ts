/**
 * The worker of a CPU: a kernel thread that sleeps until a work item is due, and turns detection on
 * again.
 *
 * @see kernel kernel/workqueue.c, worker_thread(); arch/x86/kernel/cpu/bus_lock.c,
 * __split_lock_reenable(), __split_lock_reenable_unlock()
 */
import { setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import { type HostLocals, type HostThread, host, kernelSource, toCpu } from '../host/host-env.ts';
import { goToSleep } from '../host/sleeping.ts';
import { notifyRegion, SWITCHED } from '../host/switchable.ts';
import { expand } from '../path/expand.ts';
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
export function kworkerMachine(facts: SldFacts) {
  const code = expand<HostThread, HostLocals, ThreadEvent>(workerThread(facts), {
    root: 'kworker.code',
    frame: 'code',
    stepEvent: 'step',
    from: { mode: 'kernel', preempt: 0, spin: 0, irqs: true, insn: false },
    announce: (t, letter) => toCpu(t, { type: 'cpu.context', letter }),
  });
  return setup({
    types: { context: {} as HostThread, events: {} as Stamped<ThreadEvent>, emitted: {} as Outgoing },
  }).createMachine({
    id: 'kworker',
    type: 'parallel',
    meta: { switched: SWITCHED },
    context: {
      process: 'kthreadd',
      program: 0,
      loops: null,
      pc: 0,
      cpu: null,
      letter: 'P',
      notifier: null,
      signal: null,
      asking: null,
      frames: { code: {}, notify: {} },
    },
    states: { code: { initial: code.initial, states: code.states }, notify: notifyRegion('kworker', null) },
  });
}
