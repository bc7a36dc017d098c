/**
 * Sleeping locks with a queue: the thread asks, is queued if it was refused, sleeps, and looks
 * whether it was granted the lock when it is woken. A signal may end the wait: then it leaves the
 * queue, unless it was granted the lock meanwhile.
 */
import type { Outgoing } from '../../events/event.ts';
import { type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { goToSleep } from '../host/sleeping.ts';
import type { Source } from '../path/path.ts';
import type { Local } from './local.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;

type Says = (t: HostThread, l: HostLocals) => Outgoing;

/** One function that takes such a lock. */
interface Down {
  readonly as: string;
  readonly source: Source;
  readonly ask: Says;
  /** Whether it was granted, once woken. */
  readonly again: Says;
  /** Leaves the queue; answered like `ask`. */
  readonly cancel: Says;
}
/** The signal that ends the wait, and the local that says whether the lock is held. */
interface Endable {
  readonly ends: (t: HostThread) => boolean;
  readonly interruptible: boolean;
  readonly into: Local<boolean>;
}

const answers = { 'queued.granted': (e: { readonly granted: boolean }) => ({ granted: e.granted }) };

export function downItem({ as, source, ask, again, cancel }: Down, endable?: Endable): HostItem {
  const isGranted = (_t: HostThread, l: HostLocals): boolean => l.granted === true;
  const over = endable
    ? when([isGranted, [leaveLoop]], [endable.ends, [step('cancel_wait', { send: cancel, answers }), leaveLoop]])
    : when([isGranted, [leaveLoop]]);
  const wait = [
    step('trylock', { send: ask, answers, mayResched: true }),
    loop(over, goToSleep(), step('woken', { send: again, answers })),
  ];
  if (!endable) return call(path(as, source, wait, { locals: ['granted'] }));
  const { interruptible, into } = endable;
  const items = [
    ...(interruptible ? [note(() => ({ interruptible: true as const }))] : []),
    ...wait,
    note((_t, l) => ({ [into.name]: l.granted === true, granted: undefined, interruptible: undefined })),
  ];
  return call({ ...path(as, source, items, { locals: ['granted', 'interruptible'] }), leaves: [into.name] });
}

/** A trylock: one step. `into` gets whether it is held. */
export const tryItem = (as: string, source: Source, ask: Says, into: Local<boolean>): HostItem =>
  step(as, {
    ...source,
    leaves: [into.name],
    send: ask,
    answers: { 'queued.granted': (e) => ({ [into.name]: e.granted }) },
  });
