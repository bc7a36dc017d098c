/**
 * Vocabulary of a store buffer: accesses to memory on their way from a CPU, and what empties it.
 * Only a host with `memory: tso` has one.
 */
import { type ActorId, type Delivery, type EventOf, type Stamped, sender } from './event.ts';
import type { CellValue } from './kit.ts';

/** A message to the actor that stands for the memory; `by`: the walker whose access it is. */
export interface Access {
  readonly type: string;
  readonly field?: string;
  readonly value?: CellValue;
  readonly by?: ActorId;
}

/** An event that a store buffer may have passed on. */
export type Relayed<E> = Stamped<E> & { readonly by?: ActorId };

/** Whose access it is. */
export const accessor = (event: Relayed<{ readonly type: string }>): ActorId => event.by ?? sender(event);

export type StoreBufferEvent = EventOf<{
  /** Offer: the oldest store reaches memory. */
  'stores.drain': object;
  /** A plain store: it waits here, behind those before it. */
  'stores.put': { to: ActorId; event: Access };
  /** A plain load: of what waits here, else of memory. */
  'stores.load': { to: ActorId; event: Access };
  /** A locked instruction: it waits until nothing is left here. */
  'stores.rmw': { to: ActorId; event: Access };
  /** MFENCE, and whatever else waits until nothing is left here. */
  'stores.fence': object;
}>;

export const MEMORY_ORDER_EVENTS = {
  'stores.drain': 'offer',
  'stores.put': 'bus',
  'stores.load': 'bus',
  'stores.rmw': 'bus',
  'stores.fence': 'bus',
} as const satisfies Readonly<Record<StoreBufferEvent['type'], Delivery>>;
