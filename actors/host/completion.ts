/**
 * What interrupts a pCPU: its own vectors, and devices that tell a CPU by an interrupt that a
 * command is done. The handler of a device asks its driver, which sets what its threads wait for
 * and wakes them.
 *
 * A CPU knows no thread that waits: whom a wake-up is for, and whether there is anything to wake
 * for, is the driver's to know.
 *
 * @see kernel include/linux/wait.h, wake_up(); drivers/crypto/ccp/psp-dev.c, psp_irq_handler()
 */
import type { ActorId } from '../../events/event.ts';
import { entryOf, HOST_INTERRUPTS, handlerOf } from './interrupt.ts';

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

/** Interrupts that arrive are remembered whatever the CPU does. */
const ARRIVALS = {
  'irq.reschedule': { actions: 'raiseReschedule' },
  'irq.call_function': { actions: 'raiseCall' },
  'csd.queue': { actions: 'queueCall' },
  'nmi.stop': { target: '.stopped', actions: 'stop' },
  'rq.waiting': { actions: 'setWaiting' },
  'cpu.context': { actions: 'setContext' },
  'cpu.needResched?': { actions: 'answerResched' },
  'cpu.offline?': { actions: 'refuseOffline' },
  'cpu.stopped?': { actions: 'answerRunning' },
  interrupt: { guard: 'canInterrupt', actions: 'raiseDevice' },
  'irq.raise': { actions: 'raiseWalked' },
} as const;

/**
 * The chart of a pCPU on a host with these devices: what arrives, the ways into the handlers, where
 * the CPU looks at its interrupts between two steps, and the handlers. Devices come after the IPIs
 * and before the tick: a decision, as hardware goes by the vector.
 */
export const interruptsOf = (completions: readonly Completion[]) => ({
  arrivals: {
    ...byName(completions, (one) => [`irq.${one.name}`, { actions: { type: 'raiseCompletion', params: one } as const }]),
    ...ARRIVALS,
  },
  entries: [
    entryOf('reschedule', HOST_INTERRUPTS.reschedule),
    entryOf('call_function', HOST_INTERRUPTS.call_function),
    ...completions.map((one) => entryOf(one.name, one.handler)),
    { guard: 'isWalked', target: '#pcpu.irq.handler', actions: ['drainStores', 'enterHandler'] } as const,
    entryOf('timer', HOST_INTERRUPTS.timer),
    entryOf('device', HOST_INTERRUPTS.device),
  ],
  handlers: {
    [HOST_INTERRUPTS.reschedule]: handlerOf('ackReschedule'),
    [HOST_INTERRUPTS.call_function]: handlerOf('runCalls'),
    ...byName(completions, (one) => [one.handler, handlerOf({ type: 'complete', params: one } as const)]),
    [HOST_INTERRUPTS.timer]: handlerOf('ackTimer'),
    [HOST_INTERRUPTS.device]: handlerOf('ackDevice'),
  },
});
