/** The shape of every message between two actors, and of the addresses they are sent to. */

/**
 * `kind:name`, for example `pcpu:0`, `vcpu:vm0/0`, `thread:qemu0/vcpu0`. An actor never knows its
 * own.
 * @public
 */
export type ActorId = string;

/** Turns a map of payloads by type into a discriminated union. @public */
export type EventOf<M> = { [K in keyof M & string]: { readonly type: K } & Readonly<M[K]> }[keyof M & string];

/**
 * An event as a machine receives it: the engine stamps who sent it. An offer that the sequencer
 * delivers has no sender.
 * @public
 */
export type Stamped<E> = E & { readonly from?: ActorId };

/**
 * What a machine emits: a message and where it goes. Machines do nothing else to the outside.
 * @public
 */
export interface Outgoing<E extends { readonly type: string } = { readonly type: string }> {
  readonly type: 'send';
  readonly to: ActorId;
  readonly event: E;
}

/** Addresses an event. @public */
export const outgoing = <E extends { readonly type: string }>(to: ActorId, event: E): Outgoing<E> => ({ type: 'send', to, event });

/**
 * Who sent the event.
 * @throws Error if it has no sender: only an offer has none, and an offer is never answered.
 * @public
 */
export const sender = (event: { readonly type: string; readonly from?: ActorId }): ActorId => {
  if (event.from === undefined) throw new Error(`${event.type} has no sender: only the engine delivers messages`);
  return event.from;
};

/**
 * How a message travels. `bus`: hardware answering an instruction, delivered at once inside the
 * step of the asking actor. `queued`: stays in flight, its delivery is a choice of its own.
 * `latched`: queued, but one that is in flight already takes a second of the same content in, as
 * the IRR of a local APIC has one bit for a vector. `offer`: an alternative that an actor declares.
 * @public
 */
export type Delivery = 'bus' | 'queued' | 'latched' | 'offer';

/**
 * What may be interposed before a micro-step: U user mode, P preemptible kernel, R voluntary
 * reschedule point, L spinlock held (preemption off unless the host is `rt`), N preemption off, B
 * softirqs off as well, I interrupts off, G guest mode, X inside one instruction: nothing on this
 * CPU gets in between.
 * @public
 */
export type Letter = 'U' | 'P' | 'R' | 'L' | 'N' | 'B' | 'I' | 'G' | 'X';
