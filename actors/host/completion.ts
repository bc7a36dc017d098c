/**
 * Devices that tell a CPU by an interrupt that a command is done: the handler wakes the thread that
 * sleeps on it.
 *
 * @see kernel kernel/sched/completion.c, complete(); include/linux/wait.h, wake_up()
 */
import type { ActorId } from '../../events/event.ts';
import { entryOf, handlerOf } from './interrupt.ts';

/** A device that tells a CPU by an interrupt that a command is done. @public */
export interface Completion {
  /** What waits in the IRR, and the end of the message `irq.NAME` that brings it. */
  readonly name: string;
  /** The interrupt handler, by the kernel's name. */
  readonly handler: string;
}

type WaiterField = `${string}Waiter`;

/**
 * The fields of a CPU that say, for each completion, which thread sleeps on it while the interrupt
 * is pending.
 */
export type Waiters = Readonly<Record<WaiterField, ActorId | null | undefined>>;

/** The field of one completion. */
export const waiterOf = ({ name }: Completion): WaiterField => `${name}Waiter`;

/** The fields as a CPU starts with them. */
export const noWaiters = (completions: readonly Completion[]): Waiters =>
  Object.fromEntries(completions.map((completion) => [waiterOf(completion), null]));

/** The field, with the thread that the message of the interrupt names. */
export const waiterIn = (message: object, completion: Completion): Waiters => ({
  [waiterOf(completion)]: (message as { readonly waiter: ActorId }).waiter,
});

const byName = <V>(completions: readonly Completion[], entryFor: (completion: Completion) => readonly [string, V]) =>
  Object.fromEntries(completions.map(entryFor)) as Readonly<Record<string, V>>;

/** What completions add to the chart of a pCPU. */
export const completionChart = (completions: readonly Completion[]) => ({
  /** The interrupt is remembered, whatever the CPU does. */
  arrivals: byName(completions, (one) => [`irq.${one.name}`, { actions: { type: 'raiseCompletion', params: one } as const }]),
  /** The ways into the handlers, where the CPU looks at its interrupts between two steps. */
  entries: completions.map((one) => entryOf(one.name, one.handler)),
  handlers: byName(completions, (one) => [one.handler, handlerOf({ type: 'complete', params: one } as const)]),
});
