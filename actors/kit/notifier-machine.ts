/**
 * What a chain of notifiers is: a list of blocks by priority, who walks it, and who changes it. A
 * block that is taken out still points to the one that was behind it.
 *
 * @see kernel kernel/notifier.c, notifier_chain_register(), notifier_chain_unregister()
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { NotifierEvent } from '../../events/kit-waits.ts';

export interface ChainInput {
  readonly priorities: Readonly<Record<string, number>>;
}
export interface ChainContext extends ChainInput {
  readonly head: string | null;
  /** What each block points to, of those that have ever been registered. */
  readonly next: Readonly<Record<string, string | null>>;
  /** Who walks it, and who changes it, if anyone has its lock. */
  readonly readers: readonly ActorId[];
  readonly writer: ActorId | null;
  /** Who was refused; all are woken when the lock is dropped. */
  readonly waiters: readonly ActorId[];
  /** Grace periods: who waits for which readers. */
  readonly grace: Readonly<Record<ActorId, readonly ActorId[]>>;
}

const without = (ids: readonly ActorId[], id: ActorId) => ids.filter((one) => one !== id);
const withOne = (ids: readonly ActorId[], id: ActorId) => [...without(ids, id), id].sort();
const wake = (thread: ActorId) => outgoing(thread, { type: 'task.wake', mode: 'normal' });

/** The blocks of the list, from its head. */
function listed({ head, next }: ChainContext): readonly string[] {
  const blocks: string[] = [];
  for (let block = head; block !== null; block = next[block]!) blocks.push(block);
  return blocks;
}

/** The list with other pointers at one place: behind a block, or at its head. */
const pointing = (c: ChainContext, behind: string | undefined, to: string | null): Partial<ChainContext> =>
  behind === undefined ? { head: to } : { next: { ...c.next, [behind]: to } };

function registered(c: ChainContext, block: string): Partial<ChainContext> {
  const blocks = listed(c);
  if (blocks.includes(block)) throw new Error(`${block} is registered already: notifier_chain_register() fails with -EEXIST`);
  const before = blocks.filter((one) => c.priorities[one]! >= c.priorities[block]!).at(-1);
  const behind = before === undefined ? c.head : c.next[before]!;
  const linked = { ...c, next: { ...c.next, [block]: behind } };
  return { next: linked.next, ...pointing(linked, before, block) };
}

function unregistered(c: ChainContext, block: string): Partial<ChainContext> {
  const blocks = listed(c);
  const at = blocks.indexOf(block);
  if (at < 0) throw new Error(`${block} is not registered: notifier_chain_unregister() fails with -ENOENT`);
  return pointing(c, blocks[at - 1], c.next[block]!);
}

export const chainMachine = setup({
  types: { context: {} as ChainContext, events: {} as Stamped<NotifierEvent>, emitted: {} as Outgoing, input: {} as ChainInput },
  guards: {
    isFree: ({ context: c, event }) => event.type === 'chain.enter' && c.writer === null && (!event.exclusive || c.readers.length === 0),
    isOver: ({ context: c, event }) => c.grace[sender(event)] === undefined,
  },
  actions: {
    register: assign(({ context: c, event }) => (event.type === 'chain.register' ? registered(c, event.block) : {})),
    unregister: assign(({ context: c, event }) => (event.type === 'chain.unregister' ? unregistered(c, event.block) : {})),
    next: emit(({ context: c, event }) => {
      const block = event.type === 'chain.next?' && event.block !== null ? c.next[event.block]! : c.head;
      return outgoing(sender(event), { type: 'chain.block', block });
    }),
    enter: assign(({ context: c, event }) => {
      if (event.type !== 'chain.enter') return {};
      const waiters = without(c.waiters, sender(event));
      return event.exclusive ? { writer: sender(event), waiters } : { readers: withOne(c.readers, sender(event)), waiters };
    }),
    wait: enqueueActions(({ context: c, event, enqueue }) => {
      enqueue.assign({ waiters: withOne(c.waiters, sender(event)) });
      enqueue.emit(outgoing(sender(event), { type: 'task.state', state: 'uninterruptible' }));
    }),
    waitForGrace: emit(({ event }) => outgoing(sender(event), { type: 'task.state', state: 'uninterruptible' })),
    answerDone: emit(({ event }) => outgoing(sender(event), { type: 'chain.done', done: true })),
    answerNot: emit(({ event }) => outgoing(sender(event), { type: 'chain.done', done: false })),
    leave: enqueueActions(({ context: c, event, enqueue }) => {
      const who = sender(event);
      const grace = Object.entries(c.grace).map(([thread, readers]) => [thread, without(readers, who)] as const);
      const over = grace.filter(([, readers]) => readers.length === 0).map(([thread]) => thread);
      for (const thread of [...c.waiters, ...over]) enqueue.emit(wake(thread));
      enqueue.assign({
        readers: without(c.readers, who),
        writer: c.writer === who ? null : c.writer,
        waiters: [],
        grace: Object.fromEntries(grace.filter(([, readers]) => readers.length > 0)),
      });
    }),
    synchronize: assign(({ context: c, event }) => (c.readers.length === 0 ? {} : { grace: { ...c.grace, [sender(event)]: c.readers } })),
  },
}).createMachine({
  id: 'notifierChain',
  context: ({ input }) => ({ ...input, head: null, next: {}, readers: [], writer: null, waiters: [], grace: {} }),
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'chain.register': { actions: 'register' },
        'chain.unregister': { actions: 'unregister' },
        'chain.next?': { actions: 'next' },
        'chain.enter': [{ guard: 'isFree', actions: ['enter', 'answerDone'] }, { actions: ['wait', 'answerNot'] }],
        'chain.leave': { actions: 'leave' },
        'chain.synchronize': { actions: 'synchronize' },
        'chain.synced?': [{ guard: 'isOver', actions: 'answerDone' }, { actions: ['waitForGrace', 'answerNot'] }],
      },
    },
  },
});
