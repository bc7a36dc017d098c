/**
 * Interrupts of a pCPU: what waits in the IRR of the local APIC, when the context lets it in, and
 * how a handler ends.
 *
 * @see kernel arch/x86/kernel/apic/, arch/x86/include/asm/idtentry.h
 */
import type { Letter } from '../../events/event.ts';

/**
 * `timer` is the tick, `device` an interrupt that nothing models; others are completions
 * (completion.ts).
 */
export type Interrupt = string;

/** The handlers that every host has. */
export const HOST_INTERRUPTS = {
  reschedule: 'sysvec_reschedule_ipi',
  call_function: 'sysvec_call_function',
  timer: 'sysvec_apic_timer_interrupt',
  device: 'common_interrupt',
} as const;

interface Interruptible {
  readonly letter: Letter;
  readonly irr: readonly Interrupt[];
}

/** A step is owed where one stays possible. */
export const EXEC = { type: 'exec', owed: true };
export const execOnly = () => [EXEC];

export const raised = (irr: readonly Interrupt[], interrupt: Interrupt): readonly Interrupt[] =>
  irr.includes(interrupt) ? irr : [...irr, interrupt].sort();
export const acknowledged = (irr: readonly Interrupt[], interrupt: Interrupt): readonly Interrupt[] =>
  irr.filter((pending) => pending !== interrupt);

/** The interrupt waits, and the context lets it in. */
export const isPending = ({ context: { irr, letter } }: { readonly context: Interruptible }, interrupt: Interrupt): boolean =>
  irr.includes(interrupt) && letter !== 'I' && letter !== 'X' && letter !== 'G';

/** The transition into the handler of an interrupt. */
export const entryOf = <const I extends Interrupt, const H extends string>(interrupt: I, handler: H) =>
  ({ guard: { type: 'isPending', params: interrupt }, target: `#pcpu.irq.${handler}`, actions: 'drainStores' }) as const;

/** A handler does all its work in one step, and goes back to what it interrupted. */
export const handlerOf = <const A>(action: A) =>
  ({
    meta: { offers: execOnly, ns: 300 },
    on: {
      exec: [
        { guard: 'isIdle', target: '#pcpu.idle', actions: ['drainStores', action] },
        { target: '#pcpu.task', actions: ['drainStores', action] },
      ],
    },
  }) as const;
