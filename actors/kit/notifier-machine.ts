/**
 * The list of a chain of notifiers: its blocks by priority. A block that is taken out still points
 * to the one that was behind it.
 *
 * @see kernel kernel/notifier.c, notifier_chain_register(), notifier_chain_unregister()
 */
import { assign, emit, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { NotifierEvent } from '../../events/kit-waits.ts';

export interface ChainInput {
  readonly priorities: Readonly<Record<string, number>>;
}
export interface ChainContext extends ChainInput {
  readonly head: string | null;
  /** What each block points to, of those that have ever been registered. */
  readonly next: Readonly<Record<string, string | null>>;
}

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
  actions: {
    register: assign(({ context: c, event }) => (event.type === 'chain.register' ? registered(c, event.block) : {})),
    unregister: assign(({ context: c, event }) => (event.type === 'chain.unregister' ? unregistered(c, event.block) : {})),
    next: emit(({ context: c, event }) => {
      const block = event.type === 'chain.next?' && event.block !== null ? c.next[event.block]! : c.head;
      return outgoing(sender(event), { type: 'chain.block', block });
    }),
  },
}).createMachine({
  id: 'notifierChain',
  context: ({ input }) => ({ ...input, head: null, next: {} }),
  initial: 'listed',
  states: {
    listed: {
      tags: 'rest',
      on: {
        'chain.register': { actions: 'register' },
        'chain.unregister': { actions: 'unregister' },
        'chain.next?': { actions: 'next' },
      },
    },
  },
});
