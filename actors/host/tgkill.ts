/**
 * A signal to one thread: it is pending, and then the thread is woken, if it sleeps and the signal
 * ends its wait.
 *
 * @see kernel kernel/signal.c, do_tkill(), send_signal_locked(), signal_wake_up_state()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import { type HostItem, type HostLocals, type HostThread, host } from './host-env.ts';

const { step, when } = host;

/** The local that says that the thread sleeps, and the step that wakes it. */
interface Names {
  readonly wakes: string;
  readonly wake: string;
}

/** The system call, up to its return to user mode. */
export const tgkillItems = (target: (t: HostThread, l: HostLocals) => ActorId, { wakes, wake }: Names): readonly HostItem[] => [
  step('tgkill', {
    mode: 'kernel',
    leaves: [wakes],
    send: (t, l) => outgoing(target(t, l), { type: 'process.signal' }),
    answers: { 'signal.sent': (e) => ({ [wakes]: e.wakes }) },
  }),
  when([
    (_t, l) => (l as Readonly<Record<string, unknown>>)[wakes] === true,
    [step(wake, { send: (t, l) => outgoing('sched', { type: 'sched.wake', thread: target(t, l) }) })],
  ]),
  step('sysret', { mode: 'user' }),
];
