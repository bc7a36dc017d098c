/**
 * Sleeping locks: the thread asks, is queued if it was refused, sleeps, and looks whether it was
 * granted the lock when it is woken. A signal may end the wait: then it leaves the queue, unless it
 * was granted the lock meanwhile.
 */
import type { Outgoing } from '../../events/event.ts';
import { fatalSignalPending, type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { type Ask, goToSleep, isGranted, sleepUntil } from '../host/sleeping.ts';
import { endsWait } from '../host/task-state.ts';
import type { Source } from '../path/path.ts';
import { fn } from './fn.ts';
import type { Local } from './local.ts';

const { step, call, when, note, leaveLoop } = host;

type Says = (t: HostThread, l: HostLocals) => Outgoing;

/** A signal that ends the wait, and the local that says whether the lock is held. */
export interface Ends {
  readonly signal: (t: HostThread) => boolean;
  readonly interruptible?: true;
  readonly into: Local<boolean>;
}
/** Of the functions that are killable, and of those that are interruptible. */
export const FATAL = { signal: fatalSignalPending } as const;
export const ANY = { signal: (t: HostThread) => endsWait(t, 'interruptible'), interruptible: true } as const;

/** The steps of one function that takes such a lock; each leaves `granted`. */
interface Waits {
  readonly first: string;
  readonly ask: Ask;
  /** Once woken. */
  readonly again: readonly [as: string, ask: Ask];
  /** Leaves the queue. */
  readonly cancel: Ask;
}

/** The function, as a call. `ends` says what ends the wait; without it no signal does. */
export function waitItem(as: string, source: Source, { first, ask, again, cancel }: Waits, ends?: Ends): HostItem {
  const over = when([isGranted, [leaveLoop]], ...(ends ? [[ends.signal, [step('cancel_wait', cancel), leaveLoop]] as const] : []));
  const wait = sleepUntil({ first, again: again[0] }, ask, over, goToSleep(), again[1]);
  if (!ends) return call(fn(as, source, wait, { locals: ['granted'] }));
  const { interruptible, into } = ends;
  const items = [
    ...(interruptible ? [note(() => ({ interruptible }))] : []),
    ...wait,
    note((_t, l) => ({ granted: undefined, interruptible: undefined, [into.name]: l.granted === true })),
  ];
  return call(fn(as, source, items, { locals: ['granted', 'interruptible'], leaves: [into.name] }));
}

const asks = (send: Says): Ask => ({ send, answers: { 'queued.granted': (e) => ({ granted: e.granted }) } });

/** One function that takes a lock with a queue; `cancel` is answered like `ask`. */
interface Down extends Readonly<Record<'ask' | 'again' | 'cancel', Says>> {
  readonly as: string;
  readonly source: Source;
}
export const downItem = ({ as, source, ask, again, cancel }: Down, ends?: Ends): HostItem =>
  waitItem(as, source, { first: 'trylock', ask: asks(ask), again: ['woken', asks(again)], cancel: asks(cancel) }, ends);

/** A trylock: one step. `into` gets whether it is held. */
export const tryItem = (as: string, source: Source, ask: Says, into: Local<boolean>): HostItem =>
  step(as, {
    ...source,
    leaves: [into.name],
    send: ask,
    answers: { 'queued.granted': (e) => ({ [into.name]: e.granted }) },
  });
