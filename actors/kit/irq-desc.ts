/**
 * The descriptor of an interrupt: each of its events is a section under its lock.
 *
 * @see kernel kernel/irq/chip.c, handle_edge_irq(), irq_may_run(); kernel/irq/manage.c,
 * __disable_irq(), __enable_irq(), __synchronize_hardirq(); kernel/irq/handle.c,
 * __irq_wake_thread()
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { IrqDescEvent } from '../../events/kit-waits.ts';

export interface IrqDescContext {
  /** How often it has been disabled. */
  readonly depth: number;
  /** IRQS_PENDING: it came while it could not be handled. */
  readonly pending: boolean;
  /** IRQD_IRQ_INPROGRESS. */
  readonly inProgress: boolean;
  /** IRQTF_RUNTHREAD, and threads_active. */
  readonly runThread: boolean;
  readonly threads: number;
}

const mayRun = ({ depth, inProgress }: IrqDescContext) => depth === 0 && !inProgress;
const again = ({ depth, pending }: IrqDescContext) => depth === 0 && pending;

/** What each question is answered with, by the state before it. */
const answers = (c: IrqDescContext, event: IrqDescEvent): boolean => {
  switch (event.type) {
    case 'desc.begin':
      return mayRun(c);
    case 'desc.end':
      return again(c);
    case 'desc.takeThread':
      return c.runThread;
    case 'desc.enable':
      return c.depth === 1 && c.pending;
    default:
      return event.type === 'desc.runs?' && (event.threads ? c.threads > 0 : c.inProgress);
  }
};

export const irqDescMachine = setup({
  types: { context: {} as IrqDescContext, events: {} as Stamped<IrqDescEvent>, emitted: {} as Outgoing },
  actions: {
    answer: emit(({ context: c, event }) => outgoing(sender(event), { type: 'desc.is', value: answers(c, event) })),
    begin: assign(({ context: c }) => (mayRun(c) ? { inProgress: true } : { pending: true })),
    end: assign(({ context: c }) => (again(c) ? { pending: false } : { inProgress: false })),
    wakeThread: assign(({ context: c }) => (c.runThread ? {} : { runThread: true, threads: c.threads + 1 })),
    takeThread: assign({ runThread: false }),
    threadDone: assign({ threads: ({ context: c }) => c.threads - 1 }),
    disable: assign({ depth: ({ context: c }) => c.depth + 1 }),
    enable: enqueueActions(({ context: c, event, enqueue }) => {
      if (c.depth === 0) throw new Error(`${sender(event)} enables an interrupt that is not disabled: "Unbalanced enable for IRQ"`);
      enqueue.assign({ depth: c.depth - 1, ...(c.depth === 1 && { pending: false }) });
    }),
  },
}).createMachine({
  id: 'irqDesc',
  context: { depth: 0, pending: false, inProgress: false, runThread: false, threads: 0 },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'desc.begin': { actions: ['answer', 'begin'] },
        'desc.end': { actions: ['answer', 'end'] },
        'desc.wakeThread': { actions: 'wakeThread' },
        'desc.takeThread': { actions: ['answer', 'takeThread'] },
        'desc.threadDone': { actions: 'threadDone' },
        'desc.runs?': { actions: 'answer' },
        'desc.disable': { actions: 'disable' },
        'desc.enable': { actions: ['answer', 'enable'] },
      },
    },
  },
});
