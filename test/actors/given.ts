/**
 * Machines by their pure transition function: given a state, when an event comes, then this is sent
 * and that is the state.
 */
import { type AnyMachineSnapshot, type AnyStateMachine, initialTransition, transition } from 'xstate';
import type { Outgoing } from '../../events/event.ts';

interface AnyEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** What an event did. */
export interface Then<C> {
  readonly state: unknown;
  readonly context: C;
  readonly sent: readonly { readonly to: string; readonly event: AnyEvent }[];
  /** False where the machine has no transition for the event. */
  readonly handled: boolean;
  readonly and: Given<C>;
}

/** Messages without their wrapping: `to: type` and the fields that are left. */
export const told = (sent: readonly { readonly to: string; readonly event: AnyEvent }[]): string[] =>
  sent.map(({ to, event }) => `${to} ${event.type}`);

export class Given<C> {
  readonly #machine: AnyStateMachine;
  readonly #snapshot: AnyMachineSnapshot;

  private constructor(machine: AnyStateMachine, snapshot: AnyMachineSnapshot) {
    this.#machine = machine;
    this.#snapshot = snapshot;
  }

  /** A machine in its initial state. */
  static start<C>(machine: AnyStateMachine, input: unknown = undefined): Given<C> {
    return new Given(machine, initialTransition(machine, input as never)[0] as AnyMachineSnapshot);
  }

  /** A machine in any state. */
  static standing<C>(machine: AnyStateMachine, value: unknown, context: C): Given<C> {
    return new Given(machine, machine.resolveState({ value: value as never, context }) as AnyMachineSnapshot);
  }

  get state(): unknown {
    return this.#snapshot.value;
  }

  get context(): C {
    return this.#snapshot.context as C;
  }

  has(tag: string): boolean {
    return this.#snapshot.hasTag(tag as never);
  }

  /** After these events, each of which must be handled. */
  after(...events: readonly AnyEvent[]): Given<C> {
    return events.reduce<Given<C>>((given, event) => {
      const { handled, and } = given.when(event);
      if (!handled) throw new Error(`${event.type} is not handled in ${JSON.stringify(given.state)}`);
      return and;
    }, this);
  }

  when(event: AnyEvent): Then<C> {
    const [next, actions] = transition(this.#machine, this.#snapshot, event as never);
    const sent = (actions as readonly { readonly type: string; readonly params: unknown }[])
      .filter((action) => action.type === 'xstate.emit')
      .map((action) => (action.params as { readonly event: Outgoing<AnyEvent> }).event)
      .map(({ to, event: message }) => ({ to, event: message }));
    const snapshot = next as AnyMachineSnapshot;
    return {
      state: snapshot.value,
      context: snapshot.context as C,
      sent,
      handled: this.#snapshot.can(event),
      and: new Given<C>(this.#machine, snapshot),
    };
  }

  /** What it offers, by type. */
  offers(): AnyEvent[] {
    const metas = Object.values(
      this.#snapshot.getMeta() as Record<string, { readonly offers?: (context: C) => readonly AnyEvent[] } | undefined>,
    );
    return metas.flatMap((meta) => meta?.offers?.(this.context) ?? []).filter((event) => this.#snapshot.can(event));
  }
}
