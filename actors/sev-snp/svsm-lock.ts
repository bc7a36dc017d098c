/**
 * PVALIDATE_LOCK of an SVSM: readers, or one writer.
 *
 * Left out: fairness; a writer that waits keeps no reader out.
 *
 * @see coconut-svsm, kernel/src/protocols/core.rs; kernel/src/locking/rwlock.rs
 */
import { assign, emit, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { SvsmEvent } from '../../events/sev-snp/svsm.ts';

export interface SvsmLockContext {
  readonly writer: ActorId | null;
  readonly readers: readonly ActorId[];
}

export const svsmLockMachine = setup({
  types: { context: {} as SvsmLockContext, events: {} as Stamped<SvsmEvent>, emitted: {} as Outgoing },
  guards: {
    isTaken: ({ context: c, event }) => event.type === 'svsm.lock' && (c.writer !== null || (event.write && c.readers.length > 0)),
  },
  actions: {
    take: assign(({ context: c, event }) =>
      event.type === 'svsm.lock' && event.write ? { writer: sender(event) } : { readers: [...c.readers, sender(event)].sort() },
    ),
    drop: assign(({ context: c, event }) => ({
      writer: c.writer === event.from ? null : c.writer,
      readers: c.readers.filter((reader) => reader !== event.from),
    })),
    grant: emit(({ event }) => outgoing(sender(event), { type: 'svsm.locked', granted: true })),
    refuse: emit(({ event }) => outgoing(sender(event), { type: 'svsm.locked', granted: false })),
  },
}).createMachine({
  id: 'svsmLock',
  context: { writer: null, readers: [] },
  initial: 'serving',
  states: {
    serving: {
      tags: 'rest',
      on: {
        'svsm.lock': [{ guard: 'isTaken', actions: 'refuse' }, { actions: ['take', 'grant'] }],
        'svsm.unlock': { actions: 'drop' },
      },
    },
  },
});
