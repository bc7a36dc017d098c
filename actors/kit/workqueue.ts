/**
 * Work queues: an item that is queued runs once, in a worker; queued again while it runs, it runs
 * once more, and never twice at a time. Delayed items are queued when their timer expires.
 *
 * Each item has a worker of its own, as the kernel has enough of them; those of an ordered queue
 * have one together, which takes them in the order in which they were queued. Simplified: a worker
 * may run on any CPU, and a timer queues its item in no context of a CPU.
 *
 * @see kernel kernel/workqueue.c, __queue_work(), process_one_work(), __flush_work(),
 * __cancel_work_sync(), mod_delayed_work_on()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { WorkqueueEvent } from '../../events/kit-waits.ts';
import { fromMemory, type HostEnv, type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { schedule } from '../host/task-state.ts';
import { flag } from '../path/fits.ts';
import { otherwise } from '../path/path.ts';
import { BODY, checkTable, INTO, maybe, nameOf, primitive, restOf } from './checked.ts';
import { fn } from './fn.ts';
import { type Body, bodyPath, threadPart } from './kthread.ts';
import { type Local, local } from './local.ts';
import type { Part, Primitive } from './primitive.ts';
import { workqueueMachine } from './workqueue-machine.ts';

const { step, call, loop, when, leaveLoop } = host;
const SOURCE = fromMemory('kernel/workqueue.c, __queue_work(), process_one_work(), __flush_work(), __cancel_work_sync()');

/** A work queue with its items, by name. @public */
export interface Workqueue<W extends string = string> extends Primitive {
  readonly kind: string;
  /** queue_work(); `into` gets whether it was queued: false, if it was pending. */
  queue(work: W, into?: Local<boolean>): HostItem;
  /** queue_delayed_work(); false, if it was pending, its timer included. */
  queueDelayed(work: W, into?: Local<boolean>): HostItem;
  /** mod_delayed_work(); `into` gets whether it was pending. */
  modDelayed(work: W, into?: Local<boolean>): HostItem;
  /** cancel_work() and cancel_delayed_work(): waits for nothing. `into`: whether it was pending. */
  cancel(work: W, into?: Local<boolean>): HostItem;
  /** cancel_work_sync() and cancel_delayed_work_sync(): it runs no more when this returns. */
  cancelSync(work: W, into?: Local<boolean>): HostItem;
  /** flush_work(): waits until the last that was queued has run. */
  flush(work: W): HostItem;
  /** flush_delayed_work(): the timer does not have to expire. */
  flushDelayed(work: W): HostItem;
  /** flush_workqueue(): waits for all that was queued; timers do not count. */
  flushAll(): HostItem;
}

const was = local<boolean>('workWas');
const item = local<string | null>('workSeen');
const flushed = local<boolean>('workFlushed');
type Asks = (t: HostThread, l: HostLocals) => WorkqueueEvent;

/** The steps of one queue. */
class Steps {
  readonly #queue: ActorId;

  constructor(queue: ActorId) {
    this.#queue = queue;
  }

  /** Asks, and is told a value. */
  asks(as: string, event: WorkqueueEvent, into?: Local<boolean>): HostItem {
    return step(as, {
      ...SOURCE,
      ...(into && { leaves: [into.name] }),
      send: () => outgoing(this.#queue, event),
      answers: { 'kwork.was': (e) => (into ? { [into.name]: e.value } : {}) },
    });
  }

  says(as: string, event: Asks): HostItem {
    return step(as, { ...SOURCE, send: (t, l) => outgoing(this.#queue, event(t, l)) });
  }

  /** Asleep until what a `kwork.flush` or a `kwork.cancel` has found is over. */
  waits(): HostItem {
    const look = (as: string): HostItem =>
      step(as, {
        ...SOURCE,
        leaves: [flushed.name],
        send: () => outgoing(this.#queue, { type: 'kwork.flushed?' }),
        answers: { 'kwork.flushed': (e) => ({ [flushed.name]: e.done }) },
      });
    return call(
      fn('wait_for_completion', SOURCE, [
        look('do_wait_for_common'),
        loop(when([flushed.is(true), [leaveLoop]]), schedule(), look('do_wait_for_common_again')),
      ]),
    );
  }

  flush(as: string, works: readonly string[], timers: boolean): HostItem {
    return call(fn(as, SOURCE, [this.says('insert_wq_barrier', () => ({ type: 'kwork.flush', works, timers })), this.waits()]));
  }

  cancelSync(work: string, into?: Local<boolean>): HostItem {
    const items = [
      this.asks('try_to_grab_pending', { type: 'kwork.cancel', work, waits: true }, into ?? was),
      this.waits(),
      this.says('enable_work', () => ({ type: 'kwork.enable', work })),
    ];
    return call(fn('cancel_work_sync', SOURCE, items, into ? { leaves: [into.name] } : {}));
  }

  /** What a worker walks: it sleeps while there is nothing to do. */
  worker(name: string, bodies: Readonly<Record<string, Body>>, env: HostEnv) {
    const next = step('process_one_work', {
      ...SOURCE,
      rests: true,
      leaves: [item.name],
      send: () => outgoing(this.#queue, { type: 'kwork.next', worker: name }),
      answers: { 'kwork.item': (e) => ({ [item.name]: e.work }) },
    });
    const end = (work: string): HostItem => this.says(`${work}_end`, () => ({ type: 'kwork.end', work }));
    const runs = Object.entries(bodies).map(
      ([work, body]) => [item.is(work), [call(bodyPath(work, body, SOURCE, env)), end(work)]] as const,
    );
    return fn('worker_thread', SOURCE, [loop(next, when(...runs, [otherwise, [schedule()]]))]);
  }
}

/**
 * A work queue of this name. Each item is what its function does, made when a run is set up, so
 * that it may queue itself.
 * @public
 */
export function workqueue<const W extends string>(
  name: string,
  works: Readonly<Record<W, Body>>,
  rest: { readonly ordered?: boolean } = {},
): Workqueue<W> {
  const { ordered = false } = restOf('workqueue', name, rest, { ordered: flag });
  checkTable(`workqueue ${name}`, works, BODY);
  const names = Object.keys(works) as W[];
  const work = nameOf('one of its work items', names);
  const steps = new Steps(`${name}:0`);
  const kindOf = (worker: string): string => `${name}_${worker}`;
  const workers: readonly (readonly [string, Readonly<Record<string, Body>>])[] = ordered
    ? [['worker', works]]
    : names.map((work) => [work, { [work]: works[work] }]);
  const workerOf = Object.fromEntries(workers.flatMap(([worker, own]) => Object.keys(own).map((work) => [work, worker])));
  const threads = workers.map(
    ([worker, own]): Part => threadPart(kindOf(worker), (env) => steps.worker(worker, own, env), { cpu: 0, bound: false }),
  );
  const input = { queue: `${name}:0`, workerOf, threads: Object.fromEntries(workers.map(([worker]) => [worker, `${kindOf(worker)}:0`])) };
  return primitive<Workqueue<W>>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per: 'host', machine: () => workqueueMachine, input: () => input }, ...threads],
      queue: (work, into) => steps.asks('queue_work', { type: 'kwork.queue', work }, into),
      queueDelayed: (work, into) => steps.asks('queue_delayed_work', { type: 'kwork.delay', work, modifies: false }, into),
      modDelayed: (work, into) => steps.asks('mod_delayed_work', { type: 'kwork.delay', work, modifies: true }, into),
      cancel: (work, into) => steps.asks('cancel_work', { type: 'kwork.cancel', work, waits: false }, into),
      cancelSync: (work, into) => steps.cancelSync(work, into),
      flush: (work) => steps.flush('flush_work', [work], false),
      flushDelayed: (work) => steps.flush('flush_delayed_work', [work], true),
      flushAll: () => steps.flush('flush_workqueue', names, false),
    },
    {
      queue: [work, maybe(INTO)],
      queueDelayed: [work, maybe(INTO)],
      modDelayed: [work, maybe(INTO)],
      cancel: [work, maybe(INTO)],
      cancelSync: [work, maybe(INTO)],
      flush: [work],
      flushDelayed: [work],
      flushAll: [],
    },
  );
}
