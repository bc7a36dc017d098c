/**
 * A file with one descriptor, and how threads use both. A descriptor is open from the moment that
 * it is installed, for every thread of the process: one that guesses its number need not wait for
 * the thread that made it. The file lives as long as it has users: its descriptor is one, and so is
 * each system call on it that has not returned.
 *
 * Left out: descriptors of one file in several processes, dup(), RCU in the look-up.
 *
 * @see kernel fs/file.c, fd_install(), fdget(), file_close_fd(); fs/file_table.c, fput(), __fput();
 * fs/anon_inodes.c, anon_inode_getfd()
 */
import { enqueueActions, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { FileEvent } from '../../events/object.ts';
import type { Misuse } from './object-life.ts';

/** A file. @public */
export interface FileContext {
  /** Whether its descriptor is open. */
  readonly open: boolean;
  /** f_count. */
  readonly users: number;
  /** A put of a file that had no user left. */
  readonly misused?: Misuse | undefined;
}

/**
 * Files that can be opened and closed, each one at a time; `open: true` in the input: from the
 * start.
 * @public
 */
export const fileMachine = setup({
  types: {
    context: {} as FileContext,
    events: {} as Stamped<FileEvent>,
    emitted: {} as Outgoing,
    input: {} as { readonly open?: boolean } | null,
  },
  actions: {
    install: enqueueActions(({ context: { users }, event, enqueue }) => {
      enqueue.emit(outgoing(sender(event), { type: 'file.installed', done: users === 0 }));
      if (users === 0) enqueue.assign({ open: true, users: 1 });
    }),
    get: enqueueActions(({ context: { open, users }, event, enqueue }) => {
      enqueue.emit(outgoing(sender(event), { type: 'file.got', open }));
      enqueue.assign({ users: open ? users + 1 : users });
    }),
    close: enqueueActions(({ context: { open }, event, enqueue }) => {
      enqueue.emit(outgoing(sender(event), { type: 'file.closed', open }));
      enqueue.assign({ open: false });
    }),
    put: enqueueActions(({ context: { users }, event, enqueue }) => {
      enqueue.emit(outgoing(sender(event), { type: 'file.dropped', last: users === 1 }));
      enqueue.assign(users > 0 ? { users: users - 1 } : { misused: { by: sender(event), with: event.type } });
    }),
  },
}).createMachine({
  id: 'file',
  context: ({ input }) => (input?.open === true ? { open: true, users: 1 } : { open: false, users: 0 }),
  initial: 'file',
  states: {
    file: {
      tags: 'rest',
      on: {
        'file.install': { actions: 'install' },
        'file.get?': { actions: 'get' },
        'file.close': { actions: 'close' },
        'file.put': { actions: 'put' },
      },
    },
  },
});
