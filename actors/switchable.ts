/**
 * The half of every host task that the context switch talks to: save, restore, run the preempt notifiers.
 *
 * @see kernel kernel/sched/core.c, prepare_task_switch(), finish_task_switch(); virt/kvm/kvm_main.c, kvm_sched_out(), kvm_sched_in()
 */
import { emit, enqueueActions } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../events/event.ts';
import type { ThreadEvent } from '../events/index.ts';
import type { HostLocals, HostThread } from './paths/env.ts';
import { toCpu } from './paths/env.ts';
import { expand, type Region } from './paths/expand.ts';
import { kvmSchedIn, kvmSchedOut } from './paths/kvm-run.ts';
import type { Flow, Path } from './paths/path.ts';

type Args = { readonly context: HostThread; readonly event: Stamped<ThreadEvent> };

/** S2 runs with interrupts off, S5 with the preempt count still raised. */
const SCHED_OUT: Flow = { mode: 'kernel', preempt: 1, spin: 0, irqs: false, insn: false };
const SCHED_IN: Flow = { ...SCHED_OUT, irqs: true };

/** The `notify` region of a machine. */
export function notifyRegion(machine: string): Region<HostThread, ThreadEvent> {
  const notifiers = (path: Path<HostThread, HostLocals, ThreadEvent>, from: Flow) =>
    expand<HostThread, HostLocals, ThreadEvent>(path, {
      root: `${machine}.notify`,
      frame: 'notify',
      stepEvent: 'notify.step',
      from,
      home: { target: 'none', send: (t) => toCpu(t, { type: 'sched.done' }) },
    });
  const out = notifiers(kvmSchedOut, SCHED_OUT);
  const into = notifiers(kvmSchedIn, SCHED_IN);
  const isHooked = ({ context }: Args) => context.notifier !== null;
  const answerDone = emit(({ event }: Args): Outgoing => outgoing(sender(event), { type: 'sched.done' }));
  const park = enqueueActions(({ event, enqueue }) => {
    const e = event as Args['event'];
    enqueue.emit(outgoing(sender(e), { type: 'sched.swappedOut' }) as never);
    enqueue.assign({ cpu: null, letter: e.type === 'sched.swapOut' ? e.letter : null } as never);
  });
  const unpark = enqueueActions(({ context, event, enqueue }) => {
    const cpu = sender(event as Args['event']);
    enqueue.emit(outgoing(cpu, { type: 'cpu.context', letter: (context as unknown as HostThread).letter! }) as never);
    enqueue.assign({ cpu, letter: null } as never);
  });
  const region = {
    initial: 'none',
    states: {
      none: {
        on: {
          'sched.out': [{ guard: isHooked, target: out.entry }, { actions: answerDone }],
          'sched.swapOut': { actions: park },
          'sched.swapIn': [{ guard: isHooked, target: into.entry, actions: unpark }, { actions: [unpark, answerDone] }],
        },
      },
      ...out.states,
      ...into.states,
    },
  };
  return region as unknown as Region<HostThread, ThreadEvent>;
}
