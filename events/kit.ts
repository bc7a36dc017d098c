/** Vocabulary of the primitives that modules are built from: what threads ask shared memory. */
import type { Delivery, EventOf } from './event.ts';

/** What a field of a cell holds. @public */
export type CellValue = string | number | boolean | null;

/** One access to one field; the field is as wide as one access is. @public */
export type CellEvent = EventOf<{
  'cell.load': { field: string };
  'cell.store': { field: string; value: CellValue };
  /** Locked: gives back what was there. */
  'cell.xchg': { field: string; value: CellValue };
  /** Locked: stores only where `expected` is; gives back what was there. */
  'cell.cmpxchg': { field: string; expected: CellValue; value: CellValue };
  /** Locked: gives back the sum. */
  'cell.add': { field: string; value: number };
}>;

/** What a cell answers. @public */
export type CellAnswer = EventOf<{ 'cell.value': { value: CellValue } }>;

/** A spinlock: it answers in the same step. @public */
export type SpinEvent = EventOf<{ 'spin.lock': object; 'spin.unlock': object }>;
/** What a spinlock answers. @public */
export type SpinAnswer = EventOf<{ 'spin.locked': { acquired: boolean } }>;

/** What primitives answer threads and guests. */
export type KitAnswer = CellAnswer | SpinAnswer;
export type KitEvent = CellEvent | SpinEvent | KitAnswer;

/**
 * How a processor carries out what is asked of a primitive whose actor tells `by` whom it is asked.
 * A plain store may wait in a store buffer, a plain load finds what waits there, a locked
 * instruction waits until nothing does. `none`: it is no access to memory. What does not stand here
 * waits until nothing does, and then goes its own way.
 */
export const ACCESSES: Readonly<Partial<Record<KitEvent['type'], 'load' | 'store' | 'rmw' | 'none'>>> = {
  'cell.load': 'load',
  'cell.store': 'store',
  'cell.xchg': 'rmw',
  'cell.cmpxchg': 'rmw',
  'cell.add': 'rmw',
  'spin.lock': 'rmw',
  'spin.unlock': 'store',
};

export const KIT_EVENTS = {
  'cell.load': 'bus',
  'cell.store': 'bus',
  'cell.xchg': 'bus',
  'cell.cmpxchg': 'bus',
  'cell.add': 'bus',
  'cell.value': 'bus',
  'spin.lock': 'bus',
  'spin.unlock': 'bus',
  'spin.locked': 'bus',
} as const satisfies Readonly<Record<KitEvent['type'], Delivery>>;
