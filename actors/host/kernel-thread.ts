/**
 * Kernel threads, and handlers of interrupts: whatever of the kernel walks on a CPU and belongs to
 * no process.
 *
 * A handler runs on top of what its CPU runs, with hardirqs or softirqs counted in its preempt
 * count, so that nothing in it may sleep. No interrupt gets into a handler.
 *
 * @see kernel kernel/kthread.c, kthread(); kernel/softirq.c, irq_enter_rcu(), irq_exit_rcu()
 */
import { setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import type { HandlerEvent } from '../../events/sched.ts';
import { expand } from '../path/expand.ts';
import { expandedWith, type HostCode, type HostLocals, type HostPath, type HostThread, toCpu } from './host-env.ts';
import { notifyRegion, SWITCHED } from './switchable.ts';
import { WAKES } from './thread-signals.ts';

const NOBODY: HostThread = {
  process: 'kthreadd',
  program: 0,
  loops: null,
  pc: 0,
  cpu: null,
  letter: 'P',
  notifier: null,
  signal: null,
  asking: null,
  frames: { code: {}, notify: {} },
};
const KERNEL = { mode: 'kernel', preempt: 0, spin: 0, irqs: true, insn: false } as const;

/** A kernel thread of this name that walks the path; it sleeps until it is woken. */
export function kernelThreadMachine(id: string, path: HostPath, env: HostCode = {}, begins: Partial<HostThread> = {}) {
  const code = expand<HostThread, HostLocals, ThreadEvent>(path, {
    root: `${id}.code`,
    frame: 'code',
    stepEvent: 'step',
    from: KERNEL,
    announce: (t, letter) => toCpu(t, { type: 'cpu.context', letter }),
    ...expandedWith(env),
  });
  return setup({
    types: { context: {} as HostThread, events: {} as Stamped<ThreadEvent>, emitted: {} as Outgoing },
  }).createMachine({
    id,
    type: 'parallel',
    meta: { switched: SWITCHED },
    context: { ...NOBODY, ...begins },
    on: WAKES,
    states: { code: { initial: code.initial, states: code.states }, notify: notifyRegion(id, null) },
  });
}

/** What a handler is: that of an interrupt runs with interrupts off, one of a softirq does not. */
export type Handles = 'hardirq' | 'softirq';

/** What walks the handler of an interrupt on one CPU. */
export function handlerMachine(id: string, path: HostPath, how: Handles, env: HostCode = {}) {
  const { states, entry } = expand<HostThread, HostLocals, ThreadEvent>(path, {
    root: id,
    frame: 'code',
    stepEvent: 'step',
    from: { ...KERNEL, preempt: 1, irqs: how === 'softirq' },
    home: { target: 'none', send: (t) => toCpu(t, { type: 'irq.done' }) },
    ...expandedWith(env),
  });
  return setup({
    types: {
      context: {} as HostThread,
      events: {} as Stamped<ThreadEvent | HandlerEvent>,
      emitted: {} as Outgoing,
      input: {} as { readonly cpu: ActorId },
    },
  }).createMachine({
    id,
    context: ({ input }) => ({ ...NOBODY, cpu: input.cpu }),
    initial: 'none',
    states: { none: { tags: 'rest', on: { 'irq.enter': entry } }, ...states },
  });
}

/** To the CPU of an interrupt: it is raised there. */
export const raiseOn = (cpu: ActorId, irq: string): Outgoing => outgoing(cpu, { type: 'irq.raise', irq });
