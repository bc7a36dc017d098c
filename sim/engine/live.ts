/**
 * The live engine: real XState actors, wired by RxJS, so that inspectors, Stately tools and RxJS
 * operators attach.
 *
 * Each actor has an `inbox$` and an `outbox$`; the sequencer gives one event to one inbox at a time
 * and reads what came out.
 */

import { Observable, Subject } from 'rxjs';
import { type Actor, type AnyMachineSnapshot, type AnyStateMachine, createActor, type InspectionEvent } from 'xstate';
import type { Outgoing } from '../../events/event.ts';
import { inputOf } from '../monitors/monitors.ts';
import { type AnyEvent, Store, type Topology } from '../store.ts';
import { refuseOpenMachines } from './closed.ts';
import { type ActorEngine, ModelError, type Reaction, UnhandledEventError } from './port.ts';
import { failureIn, microStepOf, stateName } from './reaction.ts';

export interface LiveOptions {
  /** Passed through to every actor. */
  readonly inspect?: (event: InspectionEvent) => void;
}

interface Wire {
  readonly actor: Actor<AnyStateMachine>;
  readonly inbox$: Subject<AnyEvent>;
}

export class LiveEngine implements ActorEngine {
  readonly name = 'live';
  readonly store: Store;
  readonly topology: Topology;
  readonly #options: LiveOptions;
  readonly #wires: Wire[] = [];
  /** What the actor that takes an event now has emitted. */
  readonly #outbox: Outgoing[] = [];
  #error: unknown = null;

  constructor(topology: Topology, options: LiveOptions = {}) {
    this.topology = topology;
    this.#options = options;
    this.store = new Store(topology);
    refuseOpenMachines(this.store);
  }

  start(): readonly number[] {
    const locals: number[] = [];
    for (const [slot, spec] of this.topology.actors.entries()) {
      const kind = this.store.kindOfSlot[slot]!;
      const { inspect } = this.#options;
      const actor = createActor(kind.machine, { input: inputOf(this.topology, this.store, spec, locals), ...(inspect && { inspect }) });
      const inbox$ = new Subject<AnyEvent>();
      inbox$.subscribe((event) => actor.send(event));
      outboxOf(actor).subscribe((message) => this.#outbox.push(message));
      actor.subscribe({ error: (error) => (this.#error = error) });
      actor.start();
      this.#wires.push({ actor, inbox$ });
      locals.push(this.store.local(kind, actor.getSnapshot() as AnyMachineSnapshot));
    }
    return locals;
  }

  deliver(slot: number, _local: number, eventId: number): Reaction {
    const { actor, inbox$ } = this.#wires[slot]!;
    const event = this.store.events.values[eventId]!;
    const before = actor.getSnapshot() as AnyMachineSnapshot;
    this.#outbox.length = 0;
    inbox$.next(event);
    const id = this.store.ids[slot]!;
    if (this.#error !== null) throw failureIn(id, before.value, event, this.#error);
    const after = actor.getSnapshot() as AnyMachineSnapshot;
    if (after === before && this.#outbox.length === 0 && !before.can(event))
      throw new UnhandledEventError(id, stateName(before.value), event.type);
    if (after.status !== 'active') throw new ModelError(`${id} stopped with status ${after.status}; a machine of a run never ends`);
    try {
      const sent: number[] = [];
      for (const message of this.#outbox) {
        sent.push(this.store.slot(message.to, id), this.store.stamp(this.store.sent(message.event), slot));
      }
      return { next: this.store.local(this.store.kindOfSlot[slot]!, after), sent, ...microStepOf(before, event.type) };
    } catch (error) {
      throw failureIn(id, before.value, event, error);
    }
  }

  stop(): void {
    for (const { actor, inbox$ } of this.#wires) {
      inbox$.complete();
      actor.stop();
    }
  }
}

/** The messages an actor emits, as a stream. */
const outboxOf = (actor: Actor<AnyStateMachine>): Observable<Outgoing> =>
  new Observable((subscriber) => {
    const subscription = actor.on('*', (message) => subscriber.next(message as unknown as Outgoing));
    return () => subscription.unsubscribe();
  });
