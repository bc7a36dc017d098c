/** Who holds a lock that is for many readers or one writer, and who waits for it. */
import type { ActorId } from '../../events/event.ts';
import { refuseUnlock } from '../host/bad-unlock.ts';

export interface Holders {
  readonly writer: ActorId | null;
  /** Each time that it is held for reading. */
  readonly readers: readonly ActorId[];
}
export interface Waiter {
  readonly id: ActorId;
  readonly writes: boolean;
}

export const FREE: Holders = { writer: null, readers: [] };
export const isFree = ({ writer, readers }: Holders): boolean => writer === null && readers.length === 0;

export const held = <C extends Holders>(c: C, by: ActorId, writes: boolean): C =>
  writes ? { ...c, writer: by } : { ...c, readers: [...c.readers, by].sort() };

/** @throws BadUnlockError if it does not hold it so */
export function released<C extends Holders>(c: C, by: ActorId, writes: boolean): C {
  const at = c.readers.indexOf(by);
  if (writes ? c.writer !== by : at < 0)
    refuseUnlock(by, writes ? (c.writer === null ? [] : [c.writer]) : c.readers, `holds it for ${writes ? 'writing' : 'reading'}`);
  return writes ? { ...c, writer: null } : { ...c, readers: c.readers.filter((_, place) => place !== at) };
}
