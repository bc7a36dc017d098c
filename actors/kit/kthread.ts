/**
 * Kernel threads: created asleep, run once they are woken, stopped and parked by others.
 *
 * Its body may be an endless loop, or end; a thread that was stopped before it ran never runs its
 * body, and one that was parked stays where it is until it is unparked.
 *
 * @see kernel kernel/kthread.c, kthread(), kthread_stop(), kthread_park(), __kthread_parkme()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import { fromMemory, type HostEnv, type HostItem, type HostPath, host, toCpu } from '../host/host-env.ts';
import { kernelThreadMachine } from '../host/kernel-thread.ts';
import { schedule, setCurrentRunning, setCurrentState } from '../host/task-state.ts';
import type { Source } from '../path/path.ts';
import { type Cell, cell } from './cell.ts';
import { COUNT, checkBody, INTO, maybe, primitive, restOf, TEXT } from './checked.ts';
import { type Completion, completion } from './completion.ts';
import { fn } from './fn.ts';
import { type Local, local } from './local.ts';
import type { Part, Primitive } from './primitive.ts';

const { step, call, loop, when, stop, leaveLoop } = host;
const SOURCE = fromMemory('kernel/kthread.c, kthread(), kthread_stop(), kthread_park(), __kthread_parkme()');

/** What gives items, made when a run is set up: it may name primitives that come after it. */
type Does = (env: HostEnv) => readonly HostItem[];
/** The same with where it comes from: its steps cite that. @public */
export interface Sourced {
  /** Document, section or kernel function, version; how well that is known, if not from memory. */
  readonly source: string | Source;
  readonly does: Does;
}
/**
 * What a thread, a work item, a timer or a handler walks. Without a source of its own its steps
 * cite that of the primitive.
 * @public
 */
export type Body = Does | Sourced;

/** A body with its source. */
export const bodyOf = (
  body: Body,
  otherwise: Source,
  env: HostEnv,
): { readonly source: string | Source; readonly items: readonly HostItem[] } =>
  typeof body === 'function' ? { source: otherwise, items: body(env) } : { source: body.source, items: body.does(env) };

/** A body as a function of this name. */
export function bodyPath(name: string, body: Body, otherwise: Source, env: HostEnv): HostPath {
  const { source, items } = bodyOf(body, otherwise, env);
  return fn(name, source, items);
}

/** try_to_wake_up() of this thread, if its state is one of those that `mode` names. */
export const wakeStep = (thread: ActorId, as: string, mode: 'normal' | 'parked' = 'normal'): HostItem =>
  step(as, {
    ...fromMemory('kernel/sched/core.c, wake_up_process(), try_to_wake_up()'),
    send: () => outgoing(thread, { type: 'task.wake', mode }),
  });

/**
 * The thread may wait in these steps for good: that it sleeps there at the end of a run is no
 * deadlock.
 * @public
 */
export function mayIdle(item: HostItem): HostItem {
  switch (item.kind) {
    case 'step':
      return { ...item, rests: true };
    case 'call':
      return { ...item, path: { ...item.path, items: item.path.items.map(mayIdle) } };
    case 'loop':
      return { ...item, body: item.body.map(mayIdle) };
    case 'when':
      return { ...item, cases: item.cases.map(([test, body]) => [test, body.map(mayIdle)] as const) };
    default:
      return item;
  }
}

/** The part of a kernel thread: one actor, asleep at the start on one CPU. */
export const threadPart = (
  kind: string,
  walks: (env: HostEnv) => HostPath,
  sleepsOn: { readonly cpu: number; readonly bound: boolean },
): Part => ({
  kind,
  per: 'host',
  sleeps: () => sleepsOn,
  machine: (env) => kernelThreadMachine(kind, walks(env), env, { state: 'uninterruptible', offRq: true }),
});

/** The end of a kernel thread. */
const exitItems = (...first: readonly HostItem[]): readonly HostItem[] => [
  ...first,
  step('do_exit', { source: 'kernel/exit.c, do_exit()', send: (t) => toCpu(t, { type: 'cpu.exit' }) }),
  stop('dead'),
];

/** A kernel thread. @public */
export interface Kthread extends Primitive {
  readonly kind: string;
  /** Its actor. */
  readonly thread: ActorId;
  /** wake_up_process(): it runs, for the first time as well. */
  wakeUp(as?: string): HostItem;
  /** kthread_should_stop(), of the thread itself. */
  shouldStop(into: Local<boolean>): HostItem;
  /** kthread_should_park(), of the thread itself. */
  shouldPark(into: Local<boolean>): HostItem;
  /** kthread_parkme(): it stays parked until it is unparked. */
  parkme(): HostItem;
  /** kthread_stop(): waits until the thread has ended. */
  stop(): HostItem;
  /** kthread_park(): waits until the thread has parked itself. */
  park(): HostItem;
  /** kthread_unpark(). */
  unpark(): HostItem;
}

/** Where a kernel thread runs; anywhere unless it is bound to a CPU. @public */
export interface Runs {
  /** kthread_bind(). */
  readonly cpu?: number;
}

const shouldStop = local<boolean>('kthreadShouldStop');
const shouldPark = local<boolean>('kthreadShouldPark');

type Flags = Cell<{ should_stop: boolean; should_park: boolean }>;

/** kthread_unpark(). */
const unparkItem = (flags: Flags, thread: ActorId): HostItem =>
  call(
    fn('kthread_unpark', SOURCE, [
      flags.load('should_park', shouldPark, { as: 'test_bit' }),
      when([
        shouldPark.is(true),
        [flags.clearBit('should_park', undefined, { as: 'clear_bit' }), wakeStep(thread, 'wake_up_state', 'parked')],
      ]),
    ]),
  );

/** kthread_stop(): a flag that ends interruptible waits goes with the wake-up. */
const stopItem = (flags: Flags, thread: ActorId, exited: Completion): HostItem =>
  call(
    fn('kthread_stop', SOURCE, [
      flags.testAndSet('should_stop', undefined, { as: 'set_bit' }),
      unparkItem(flags, thread),
      step('set_tsk_thread_flag', {
        send: () => outgoing(thread, { type: 'process.signal' }),
        answers: { 'signal.sent': () => ({}) },
      }),
      wakeStep(thread, 'wake_up_process'),
      exited.wait(),
    ]),
  );

const parkmeItem = (flags: Flags, parked: Completion): HostItem =>
  call(
    fn('__kthread_parkme', SOURCE, [
      loop(
        setCurrentState('parked', 'set_special_state'),
        flags.load('should_park', shouldPark, { as: 'test_bit' }),
        when([shouldPark.is(false), [leaveLoop]]),
        parked.complete(),
        schedule(),
      ),
      setCurrentRunning(),
    ]),
  );

/** A kernel thread of this name, created and asleep. @public */
export function kthread(name: string, body: Body, rest: Runs = {}): Kthread {
  const { cpu } = restOf('kthread', name, rest, { cpu: COUNT });
  checkBody(`kthread ${name}`, body);
  const thread = `${name}:0`;
  const flags: Flags = cell(`${name}_flags`, { should_stop: false, should_park: false });
  const exited = completion(`${name}_exited`);
  const parked = completion(`${name}_parked`);
  const walks = (env: HostEnv) => {
    const threadfn = call(bodyPath('threadfn', body, SOURCE, env));
    return fn('kthread', SOURCE, [
      mayIdle(flags.load('should_stop', shouldStop, { as: 'test_bit' })),
      when([shouldStop.is(false), [mayIdle(parkmeItem(flags, parked)), threadfn]]),
      ...exitItems(exited.complete({ as: 'complete_vfork_done' })),
    ]);
  };
  const reads = (field: 'should_stop' | 'should_park', as: string) => (into: Local<boolean>) => flags.load(field, into, { as });
  return primitive<Kthread>(
    name,
    {
      kind: name,
      thread,
      parts: [threadPart(name, walks, { cpu: cpu ?? 0, bound: cpu !== undefined }), ...flags.parts, ...exited.parts, ...parked.parts],
      wakeUp: (as = 'wake_up_process') => wakeStep(thread, as),
      shouldStop: reads('should_stop', 'kthread_should_stop'),
      shouldPark: reads('should_park', 'kthread_should_park'),
      parkme: () => parkmeItem(flags, parked),
      stop: () => stopItem(flags, thread, exited),
      park: () =>
        call(
          fn('kthread_park', SOURCE, [
            flags.testAndSet('should_park', undefined, { as: 'set_bit' }),
            wakeStep(thread, 'wake_up_process'),
            parked.wait(),
          ]),
        ),
      unpark: () => unparkItem(flags, thread),
    },
    { wakeUp: [maybe(TEXT)], shouldStop: [INTO], shouldPark: [INTO], parkme: [], stop: [], park: [], unpark: [] },
  );
}
