/**
 * The half of every host task that the context switch talks to: save, restore, run the preempt
 * notifiers.
 *
 * @see kernel kernel/sched/core.c, prepare_task_switch(), finish_task_switch();
 * virt/kvm/kvm_main.c, kvm_sched_out(), kvm_sched_in()
 */
import { emit, enqueueActions } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import { expand, type Region } from '../path/expand.ts';
import type { Flow, Path } from '../path/path.ts';
import type { HostCode, HostEnv, HostLocals, HostThread, Notifiers } from './host-env.ts';
import { expandedWith, toCpu } from './host-env.ts';

/**
 * What the context switch reads and writes of a task, and nothing else of it: fields of its
 * context, its region, and the frame of that region.
 */
export const SWITCHED = {
  context: ['cpu', 'letter', 'notifier', 'notifyResume', 'tif'],
  region: 'notify',
  frame: 'notify',
} as const;

type Args = { readonly context: HostThread; readonly event: Stamped<ThreadEvent> };

/** S2 runs with interrupts off, S5 with the preempt count still raised. */
const SCHED_OUT: Flow = { mode: 'kernel', preempt: 1, spin: 0, irqs: false, insn: false };
const SCHED_IN: Flow = { ...SCHED_OUT, irqs: true };

/**
 * The `notify` region of a machine. Without paths its tasks never register a notifier. `rseq`: a
 * switch away sets TIF_NOTIFY_RESUME.
 * @see kernel include/linux/rseq.h, rseq_preempt(), rseq_set_notify_resume(); kernel/sched/core.c,
 * prepare_task_switch()
 */
export function notifyRegion(
  machine: string,
  paths: Notifiers | null,
  { rseq = false, ...code }: HostCode & Partial<Pick<HostEnv, 'rseq'>> = {},
): Region<HostThread, ThreadEvent> {
  const notifiers = (path: Path<HostThread, HostLocals, ThreadEvent>, from: Flow) =>
    expand<HostThread, HostLocals, ThreadEvent>(path, {
      root: `${machine}.notify`,
      frame: 'notify',
      stepEvent: 'notify.step',
      from,
      ...expandedWith(code),
      home: { target: 'none', send: (t) => toCpu(t, { type: 'sched.done' }) },
    });
  const out = paths && notifiers(paths.out, SCHED_OUT);
  const into = paths && notifiers(paths.into, SCHED_IN);
  const isHooked = ({ context }: Args) => context.notifier !== null;
  const answerDone = emit(({ event }: Args): Outgoing => outgoing(sender(event), { type: 'sched.done' }));
  const park = enqueueActions(({ context, event, enqueue }) => {
    const e = event as Args['event'];
    const { tif } = context as unknown as HostThread;
    enqueue.emit(outgoing(sender(e), { type: 'sched.swappedOut', ...(tif && { tif }) }) as never);
    const saved = e.type === 'sched.swapOut' ? e.letter : null;
    // rseq_preempt(). In user mode the way back from the interrupt does the work at once.
    const notify = rseq && saved !== 'U' && { notifyResume: true };
    enqueue.assign({ cpu: null, letter: saved, ...notify } as never);
  });
  const unpark = enqueueActions(({ context, event, enqueue }) => {
    const e = event as Args['event'];
    const cpu = sender(e);
    const { letter, tif } = context as unknown as HostThread;
    enqueue.emit(outgoing(cpu, { type: 'cpu.context', letter: letter! }) as never);
    const core = e.type === 'sched.swapIn' ? e.core : undefined;
    if (core !== undefined) enqueue.emit(outgoing(core.id, { type: 'core.switchTo', previous: core.previous, next: tif ?? [] }) as never);
    enqueue.assign({ cpu, letter: null } as never);
  });
  const region = {
    initial: 'none',
    states: {
      none: {
        on: {
          'sched.out': [...(out ? [{ guard: isHooked, target: out.entry }] : []), { actions: answerDone }],
          'sched.swapOut': { actions: park },
          'sched.swapIn': [...(into ? [{ guard: isHooked, target: into.entry, actions: unpark }] : []), { actions: [unpark, answerDone] }],
        },
      },
      ...out?.states,
      ...into?.states,
    },
  };
  return region as unknown as Region<HostThread, ThreadEvent>;
}
