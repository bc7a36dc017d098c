/**
 * Devices that tell a CPU by an interrupt that a command is done: the handler asks the device's
 * driver, which sets what its threads wait for and wakes them.
 *
 * A CPU knows no thread that waits: whom a wake-up is for, and whether there is anything to wake
 * for, is the driver's to know.
 *
 * @see kernel include/linux/wait.h, wake_up(); drivers/crypto/ccp/psp-dev.c, psp_irq_handler()
 */
import type { ActorId } from '../../events/event.ts';
import { entryOf, handlerOf } from './interrupt.ts';

/** A device that tells a CPU by an interrupt that a command is done. @public */
export interface Completion {
  /** What waits in the IRR, and the end of the message `irq.NAME` that brings it. */
  readonly name: string;
  /** The interrupt handler, by the kernel's name. */
  readonly handler: string;
  /** The actor that the handler tells, by the message `NAME.interrupt`. */
  readonly driver: ActorId;
}

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
