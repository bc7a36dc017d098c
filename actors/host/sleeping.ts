/**
 * How a thread waits asleep: it asks, sleeps if it was refused, and asks again when it is woken.
 *
 * A sleeping lock begins with might_sleep(), and so does wait_event(): a point where hosts
 * reschedule that do not preempt the kernel. To ask again after a sleep is none.
 *
 * @see kernel include/linux/kernel.h, might_sleep(); kernel/locking/mutex.c, mutex_lock(),
 * __mutex_lock_common(); include/linux/wait.h, wait_event(), ___wait_event()
 */
import type { ThreadEvent } from '../../events/index.ts';
import type { Source, StepSpec } from '../path/path.ts';
import { type HostItem, type HostLocals, type HostPath, type HostThread, host, toCpu } from './host-env.ts';

const { path, step, loop, when, leaveLoop } = host;

/** What it has asked for last is granted. */
export const isGranted = (_t: HostThread, l: HostLocals): boolean => l.granted === true;

/** schedule() of a task that is not runnable any more. */
export const goToSleep = (name = 'schedule'): HostItem => step(name, { sleeps: true, send: (t) => toCpu(t, { type: 'cpu.sleep' }) });

/** A question to what is waited for, and what its answer leaves. */
export type Ask = Pick<StepSpec<HostThread, HostLocals, ThreadEvent>, 'send' | 'answers'>;

/** The step that asks, before a sleep and after one; and how well the first is known. */
interface Names {
  readonly first: string;
  readonly again: string;
  readonly known?: Partial<Source>;
}

/** The wait; `over` leaves the loop. `askAgain`: what it asks after a sleep, if that is another. */
export const sleepUntil = (
  { first, again, known }: Names,
  ask: Ask,
  over: HostItem,
  sleep: HostItem = goToSleep(),
  askAgain: Ask = ask,
): readonly HostItem[] => [step(first, { ...ask, ...known, mayResched: true }), loop(over, sleep, step(again, askAgain))];

/** A function that returns when what it asks for is granted; the answer leaves `granted`. */
export const untilGranted = (name: string, source: Source, names: Names, ask: Ask): HostPath =>
  path(name, source, sleepUntil(names, ask, when([isGranted, [leaveLoop]])), { locals: ['granted'] });
