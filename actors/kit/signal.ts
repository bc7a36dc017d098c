/**
 * Signals: to a thread that has a handler for them, and SIGKILL, which nothing handles.
 *
 * A signal that is pending already is not sent again. A thread sees it where it looks: in waits that
 * it ends, and on the way to user mode.
 *
 * @see kernel kernel/signal.c, do_tkill(), complete_signal(), signal_wake_up_state();
 * kernel/entry/common.c, exit_to_user_mode_loop()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import { fromMemory, type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { tgkillItems } from '../host/tgkill.ts';
import { fn } from './fn.ts';

const { step, call, when } = host;
const SOURCE = fromMemory('kernel/signal.c, do_tkill(), complete_signal(), signal_wake_up_state()');
const HANDLED = fromMemory('kernel/entry/common.c, exit_to_user_mode_loop(); arch/x86/kernel/signal.c, arch_do_signal_or_restart()');

type Threads<V> = V | ((t: HostThread, l: HostLocals) => V);
const of = <V>(threads: Threads<V>, t: HostThread, l: HostLocals): V =>
  typeof threads === 'function' ? (threads as (t: HostThread, l: HostLocals) => V)(t, l) : threads;

/** The thread at a place among those of a process: `thread:PROCESS/PLACE`. @public */
export const threadOf = (hostProcess: string, place: string | number): ActorId => `thread:${hostProcess}/${place}`;

/** tgkill() of a signal that the thread has a handler for: from user mode, and back to it. @public */
export const tgkill = (thread: Threads<ActorId>): HostItem =>
  call(
    fn(
      'do_tkill',
      SOURCE,
      tgkillItems((t, l) => of(thread, t, l), { wakes: 'wakesTarget', wake: 'signal_wake_up_state' }),
    ),
  );

/** SIGKILL to these threads: all of a process, as kill() sends it. From user mode, and back. @public */
export const sigkill = (threads: Threads<readonly ActorId[]>): HostItem =>
  call(
    fn('do_send_sig_info', SOURCE, [
      step('kill', { mode: 'kernel' }),
      step('complete_signal', {
        send: (t, l) => of(threads, t, l).map((thread) => outgoing(thread, { type: 'process.kill', wakes: true })),
      }),
      step('sysret', { mode: 'user' }),
    ]),
  );

/** On the way to user mode: a signal that has come is handled, and what its handler does. @public */
export const handleSignal = (...handler: readonly HostItem[]): HostItem =>
  when([
    (t) => t.sigpending === true,
    [
      step('arch_do_signal_or_restart', { ...HANDLED, set: () => ({ sigpending: undefined }) }),
      ...handler,
      step('rt_sigreturn', { ...HANDLED, ns: 50 }),
    ],
  ]);

/** signal_pending(), of a thread that waits for none in KVM_RUN: a test for `when`. @public */
export const isSignalPending = (t: HostThread): boolean => t.signal !== null || t.sigpending === true;
