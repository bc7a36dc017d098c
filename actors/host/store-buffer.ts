/**
 * The store buffer of a CPU under `memory: tso`: stores wait in it, first in first out, and may
 * reach memory at any time. Loads of the same CPU find the newest of them.
 *
 * What waits until it is empty empties it in its own step. That is the same as drains just before
 * it: each may be taken wherever a store waits, no step forbids one, and another actor that looks
 * at memory between two of them does so before the step.
 *
 * A store that finds it full waits until the oldest has left.
 *
 * @see Sewell, Sarkar, Owens, Zappa Nardelli, Myreen: x86-TSO, CACM 53(7), 2010, section 3; Intel
 * SDM vol. 3, Store Buffer; Memory Ordering in P6 and More Recent Processor Families
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import { ACCESSES } from '../../events/kit.ts';
import type { Access, StoreBufferEvent } from '../../events/memory-order.ts';
import type { Chance } from './chance.ts';

/** A store on its way to an actor. */
export interface Waiting {
  readonly to: ActorId;
  readonly event: Access;
}

export interface StoreBufferContext {
  /** Oldest first. */
  readonly waiting: readonly Waiting[];
}

/** Stores that one CPU holds back at most. */
export const STORES_MAX = 8;

const isHolding = ({ waiting }: StoreBufferContext): boolean => waiting.length > 0;
const sent = ({ to, event }: Waiting): Outgoing => outgoing(to, event);
type Accessing = Extract<Stamped<StoreBufferEvent>, { readonly to: ActorId }>;
/** The access, with the name of the walker that it comes from. */
const passedOn = (asked: Accessing): Waiting => ({ to: asked.to, event: { ...asked.event, by: sender(asked) } });

/** The newest store to what is loaded. */
const newest = ({ waiting }: StoreBufferContext, { to, event }: Waiting): Access | undefined =>
  waiting.findLast((store) => store.to === to && store.event.field === event.field)?.event;

/** What an event leaves in the buffer, and what goes out. */
export function bufferStep(
  c: StoreBufferContext,
  event: Stamped<StoreBufferEvent>,
): { readonly waiting: readonly Waiting[]; readonly out: readonly Outgoing[] } {
  const { waiting } = c;
  switch (event.type) {
    case 'stores.drain':
      return { waiting: waiting.slice(1), out: waiting.slice(0, 1).map(sent) };
    case 'stores.fence':
      return { waiting: [], out: waiting.map(sent) };
    case 'stores.rmw':
      return { waiting: [], out: [...waiting, passedOn(event)].map(sent) };
    case 'stores.put': {
      const all = [...waiting, passedOn(event)];
      const over = Math.max(0, all.length - STORES_MAX);
      return { waiting: all.slice(over), out: all.slice(0, over).map(sent) };
    }
    case 'stores.load': {
      const own = newest(c, event);
      const value = own?.value;
      return { waiting, out: [value === undefined ? sent(passedOn(event)) : outgoing(sender(event), { type: 'cell.value', value })] };
    }
  }
}

/** What it takes to hold a store back. */
const CHANCES: readonly Chance<StoreBufferContext>[] = [
  {
    offers: ['stores.drain'],
    says: (buffer) => `no store waited in ${buffer}`,
    needs: [['nothing that runs there stores to a cell and goes on', isHolding]],
    otherwise: 'each store left it in the step that had put it there',
  },
];

export const storeBufferMachine = setup({
  types: { context: {} as StoreBufferContext, events: {} as Stamped<StoreBufferEvent>, emitted: {} as Outgoing },
  guards: { isHolding: ({ context }) => isHolding(context) },
  actions: {
    take: enqueueActions(({ context, event, enqueue }) => {
      const { waiting, out } = bufferStep(context, event);
      for (const message of out) enqueue.emit(message);
      enqueue.assign({ waiting });
    }),
    keep: assign({}),
  },
}).createMachine({
  id: 'storeBuffer',
  context: { waiting: [] },
  initial: 'fifo',
  meta: { chances: CHANCES },
  states: {
    fifo: {
      tags: 'rest',
      meta: { offers: (c: StoreBufferContext) => (isHolding(c) ? [{ type: 'stores.drain', owed: true }] : []), ns: 20 },
      on: {
        'stores.drain': { guard: 'isHolding', actions: 'take' },
        'stores.put': { actions: 'take' },
        'stores.load': { actions: 'take' },
        'stores.rmw': { actions: 'take' },
        'stores.fence': { actions: 'take' },
      },
    },
  },
});

/** The store buffer of a CPU. */
export const storeBufferOf = (cpu: ActorId): ActorId => `storeBuffer:${cpu.slice(cpu.indexOf(':') + 1)}`;

/** Waits until all that it holds has reached memory. */
export const fenceOf = (buffer: ActorId): Outgoing => outgoing(buffer, { type: 'stores.fence' });

/** Messages inside one processor: no other CPU sees what they are about. */
const INSIDE: ReadonlySet<string> = new Set(['guest.step', 'vmexit', 'loop.next']);

type OnCpu = { readonly cpu: ActorId | null; readonly runner?: { readonly cpu: ActorId } | undefined };

/**
 * The messages of a step as a CPU with a store buffer carries them out. Loads and stores go through
 * the buffer. Whatever else another CPU sees waits until the buffer is empty, as a locked
 * instruction does: it may be one, and what is no cell has no store buffer.
 */
export function ordered({ cpu, runner }: OnCpu, sent: readonly Outgoing[], fences: boolean): readonly Outgoing[] {
  const here = runner?.cpu ?? cpu;
  if (sent.length === 0 && !fences) return sent;
  if (here === null) throw new Error('a step with an access to memory, of code that runs nowhere');
  const buffer = storeBufferOf(here);
  const fence = fenceOf(buffer);
  const messages: Outgoing[] = fences ? [fence] : [];
  for (const message of sent) {
    const { to, event } = message;
    const access = to === here || INSIDE.has(event.type) ? 'none' : (ACCESSES as Readonly<Record<string, string>>)[event.type];
    if (access === 'none') messages.push(message);
    else if (access !== undefined)
      messages.push(outgoing(buffer, { type: access === 'store' ? 'stores.put' : `stores.${access}`, to, event }));
    else messages.push(fence, message);
  }
  return messages;
}
