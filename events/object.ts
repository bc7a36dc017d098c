/**
 * Vocabulary of what comes into being in a run and goes again: objects, files that processes hold
 * open, and places in a pool.
 */
import type { Delivery, EventOf } from './event.ts';

/** To an actor that can be absent: it is there from now on; it is gone. @public */
export type ObjectEvent = EventOf<{
  'object.create': object;
  'object.destroy': object;
  /** Something in it is read or written, beside what else a step does. */
  'object.use': object;
}>;

/** What a file can be told and asked. @public */
export type FileEvent = EventOf<{
  /** anon_inode_getfd(): a file, and a descriptor of it; both are there at once. */
  'file.install': object;
  /** fdget(): one more user of the file, if the descriptor is open. */
  'file.get?': object;
  /** file_close_fd(): the descriptor is gone; the file may have users yet. */
  'file.close': object;
  /** fput(): one user less. */
  'file.put': object;
}>;
/** What a file answers. @public */
export type FileAnswer = EventOf<{
  /** Not done: the file that was there has users yet, and the scenario has no other (EMFILE). */
  'file.installed': { done: boolean };
  /** Whether the descriptor was open: else EBADF. */
  'file.got': { open: boolean };
  'file.closed': { open: boolean };
  /** Whether it had no other user: `release` of the file is due. */
  'file.dropped': { last: boolean };
}>;

/** What a pool of places can be told and asked. @public */
export type PoolEvent = EventOf<{ 'pool.take': object; 'pool.give': { at: number } }>;
/** What a pool answers: the lowest place that was free; null if there was none. @public */
export type PoolAnswer = EventOf<{ 'pool.taken': { at: number | null } }>;

export const OBJECT_EVENTS = {
  'object.create': 'bus',
  'object.destroy': 'bus',
  'object.use': 'bus',
  'file.install': 'bus',
  'file.installed': 'bus',
  'file.get?': 'bus',
  'file.got': 'bus',
  'file.close': 'bus',
  'file.closed': 'bus',
  'file.put': 'bus',
  'file.dropped': 'bus',
} as const satisfies Record<(ObjectEvent | FileEvent | FileAnswer)['type'], Delivery>;

/** How messages of a pool travel: for the catalogue of a mechanism that has one. @public */
export const POOL_EVENTS = {
  'pool.take': 'bus',
  'pool.taken': 'bus',
  'pool.give': 'bus',
} as const satisfies Record<(PoolEvent | PoolAnswer)['type'], Delivery>;
