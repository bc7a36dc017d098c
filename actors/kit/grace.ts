/**
 * Grace periods: readers that enter and leave, and threads and callbacks that wait until all have
 * left that were inside when the grace period began. One is under way at a time; who comes
 * meanwhile waits for the next.
 *
 * A grace period ends by an offer of its own, some time after the last such reader has left.
 *
 * @see kernel kernel/rcu/tree.c, synchronize_rcu(), call_rcu(); kernel/rcu/srcutree.c,
 * __synchronize_srcu(); Documentation/RCU/Design/Requirements/Requirements.rst, "Grace-Period
 * Guarantee"
 */
import { emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { GraceEvent } from '../../events/kit.ts';

/** A callback: what it tells which actor. */
export interface Callback {
  readonly to: ActorId;
  readonly event: { readonly type: string; readonly [field: string]: unknown };
}
interface Batch {
  readonly threads: readonly ActorId[];
  readonly callbacks: readonly Callback[];
}
/** Whom a reader is counted by: RCU by the thread, SRCU by the index that it was given. */
type Token = ActorId | 0 | 1;

export interface GraceInput {
  /** srcu_idx, which each grace period of an SRCU flips; null for RCU. */
  readonly index: 0 | 1 | null;
}
export interface GraceContext extends GraceInput {
  /** Each section that is entered and not left. */
  readonly readers: readonly Token[];
  /** The grace period that is under way. */
  readonly current: (Batch & { readonly waitsFor: readonly Token[] }) | null;
  readonly next: Batch;
  /** Threads whose grace period is over, and who have not asked since. */
  readonly over: readonly ActorId[];
}

const SCHEDULER: ActorId = 'sched';
const NONE: Batch = { threads: [], callbacks: [] };
const isEmpty = ({ threads, callbacks }: Batch): boolean => threads.length === 0 && callbacks.length === 0;
const byName = (a: Token, b: Token): number => (`${a}` < `${b}` ? -1 : 1);
const added = <V extends Token>(list: readonly V[], one: V): readonly V[] => [...list, one].sort(byName);
function withoutOne(readers: readonly Token[], token: Token): readonly Token[] {
  const at = readers.indexOf(token);
  return readers.filter((_, place) => place !== at);
}

type Args = { readonly context: GraceContext; readonly event: Stamped<GraceEvent> };
const tokenOf = ({ context: c, event }: Args): Token =>
  event.type === 'grace.leave' && event.index !== undefined ? event.index : (c.index ?? sender(event));

/** Begins the next grace period, if any waits for one; it waits for the readers of now. */
function begun(c: Pick<GraceContext, 'index' | 'readers' | 'next'>): Partial<GraceContext> {
  if (isEmpty(c.next)) return { current: null };
  return {
    current: { ...c.next, waitsFor: [...new Set(c.readers)] },
    next: NONE,
    ...(c.index !== null && { index: c.index === 0 ? 1 : 0 }),
  };
}

/** Who waits, waits for the grace period that begins next, and for one that has not begun. */
function joined(c: GraceContext, more: Partial<Batch>): Partial<GraceContext> {
  const next = { ...c.next, ...more };
  return c.current === null ? begun({ ...c, next }) : { next };
}

export const graceMachine = setup({
  types: { context: {} as GraceContext, events: {} as Stamped<GraceEvent>, emitted: {} as Outgoing, input: {} as GraceInput },
  guards: {
    isOver: ({ context: c, event }) => c.over.includes(sender(event)),
    waits: ({ context: c, event }) => [...(c.current?.threads ?? []), ...c.next.threads].includes(sender(event)),
    canEnd: ({ context: c }) => c.current?.waitsFor.length === 0,
  },
  actions: {
    enter: enqueueActions((args) => args.enqueue.assign({ readers: added(args.context.readers, tokenOf(args)) })),
    answerIndex: emit(({ context: c, event }) => outgoing(sender(event), { type: 'grace.index', index: c.index ?? 0 })),
    leave: enqueueActions((args) => {
      const { context: c, event, enqueue } = args;
      const token = tokenOf(args);
      if (!c.readers.includes(token)) throw new Error(`${sender(event)} leaves a section that no reader has entered`);
      const readers = withoutOne(c.readers, token);
      const waitsFor = c.current?.waitsFor.filter((one) => readers.includes(one)) ?? [];
      enqueue.assign({ readers, current: c.current && { ...c.current, waitsFor } });
    }),
    wait: enqueueActions(({ context: c, event, enqueue }) => {
      enqueue.assign(joined(c, { threads: added(c.next.threads, sender(event)) }));
    }),
    call: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type === 'grace.call') enqueue.assign(joined(c, { callbacks: [...c.next.callbacks, event.callback] }));
    }),
    end: enqueueActions(({ context: c, enqueue }) => {
      const { threads, callbacks } = c.current!;
      for (const { to, event } of callbacks) enqueue.emit(outgoing(to, event));
      for (const thread of threads) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      enqueue.assign({ over: [...c.over, ...threads].sort(), ...begun(c) });
    }),
    forget: enqueueActions(({ context: c, event, enqueue }) => {
      enqueue.assign({ over: c.over.filter((thread) => thread !== sender(event)) });
    }),
    grant: emit(({ event }) => outgoing(sender(event), { type: 'grace.over', over: true })),
    refuse: emit(({ event }) => outgoing(sender(event), { type: 'grace.over', over: false })),
  },
}).createMachine({
  id: 'grace',
  context: ({ input }) => ({ ...input, readers: [], current: null, next: NONE, over: [] }),
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      meta: {
        offers: ({ current }: GraceContext) => (current?.waitsFor.length === 0 ? [{ type: 'grace.end', owed: true }] : []),
      },
      on: {
        'grace.read': { actions: 'enter' },
        'grace.enter': { actions: ['enter', 'answerIndex'] },
        'grace.leave': { actions: 'leave' },
        'grace.synchronize': [
          { guard: 'isOver', actions: ['forget', 'grant'] },
          { guard: 'waits', actions: 'refuse' },
          { actions: ['wait', 'refuse'] },
        ],
        'grace.call': { actions: 'call' },
        'grace.end': { guard: 'canEnd', actions: 'end' },
      },
    },
  },
});

/** Fields of the context whose lists are sets. */
export const GRACE_SETS: readonly string[] = ['readers', 'current', 'next', 'over'];
