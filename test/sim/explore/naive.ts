/**
 * The oracle: a search that shares nothing with the explorer but the machines. States are strings,
 * every reaction is XState's documented transition(), a step is written down as the design has it.
 */
import { type AnyMachineSnapshot, initialTransition, transition } from 'xstate';
import type { Outgoing } from '../../../events/event.ts';
import { MICRO_STEP_EVENTS } from '../../../events/index.ts';
import {
  canonical,
  channelLaneA,
  channelLaneB,
  digestOf,
  hexOf,
  queueLaneA,
  queueLaneB,
  slotLaneA,
  slotLaneB,
} from '../../../sim/canonical.ts';
import { microStepOf } from '../../../sim/engine/reaction.ts';
import { askingOf, type Topology } from '../../../sim/store.ts';
import type { WorldView } from '../../../sim/view.ts';

interface AnyEvent {
  readonly type: string;
}
interface AnyOffer extends AnyEvent {
  readonly owed?: boolean | 'strong';
}

/** A local state by its text. */
interface Local {
  readonly text: string;
  readonly snapshot: AnyMachineSnapshot;
}

/** Actors by slot; queues by `from to` in order of first use, as texts of events. */
export interface NaiveState {
  readonly locals: readonly Local[];
  readonly queues: ReadonlyMap<string, readonly string[]>;
}

export interface NaiveStep {
  readonly label: string;
  readonly kind: 'deliver' | 'exec' | 'offer';
  readonly offer: string;
  /** A fair schedule takes it if it stays possible. */
  readonly owed: boolean;
  /** It takes it also if it is possible again and again. */
  readonly strong: boolean;
  readonly slot: number;
  readonly next: NaiveState;
  readonly changed: boolean;
  readonly yields: boolean;
  /** For a delivery the queue it is from. */
  readonly queue: string;
  /** Queues that messages have joined, in order of sending. */
  readonly joined: readonly string[];
  /** Some state said that it gets on although nothing may have changed. */
  readonly computes: boolean;
  /** Slots of those that ran program code. */
  readonly programs: readonly number[];
  /** Slots of schedulers that were chosen, or passed a micro-step on. */
  readonly passed: readonly number[];
  /** It breaks a rule of models. */
  readonly breaks: boolean;
}

/** Events given to actors in one step before it counts as a livelock on the bus. */
const BUS_MAX = 10_000;

interface Reaction {
  readonly next: Local;
  readonly sent: readonly Outgoing<AnyEvent>[];
  readonly yields: boolean;
  readonly idles: boolean;
  readonly computes: boolean;
  readonly isHandled: boolean;
}

/** Hears of each event that an actor is given, with the state that it was in. */
export type Heard = (slot: number, snapshot: AnyMachineSnapshot, event: { readonly type: string }) => void;

export class Naive {
  readonly #topology: Topology;
  readonly #heard: Heard;
  readonly #slotOf: ReadonlyMap<string, number>;
  readonly #reactions = new Map<string, Reaction>();
  readonly #locals = new Map<string, Local>();
  readonly #numbers = new Map<string, number>();
  readonly #digests = new Map<string, { readonly a: number; readonly b: number }>();

  constructor(topology: Topology, heard: Heard = () => {}) {
    this.#topology = topology;
    this.#heard = heard;
    this.#slotOf = new Map(topology.actors.map(({ id }, slot) => [id, slot]));
  }

  start(): NaiveState {
    const locals = this.#topology.actors.map(({ kind, input }) =>
      this.#local(initialTransition(this.#topology.machines[kind]!, input as never)[0] as AnyMachineSnapshot),
    );
    return { locals, queues: new Map() };
  }

  /** Whether what an actor does is the scheduler's own. */
  schedules(slot: number): boolean {
    const { actors, machines } = this.#topology;
    return (machines[actors[slot]!.kind]!.root.meta as { readonly schedules?: true } | undefined)?.schedules === true;
  }

  keyOf({ locals, queues }: NaiveState): string {
    const flight = [...queues].filter(([, events]) => events.length > 0).sort(([a], [b]) => (a < b ? -1 : 1));
    const parts = [...locals.map(({ text }) => text), '|', ...flight.flatMap(([name, events]) => [name, ...events])];
    return parts.map((part) => this.#number(part)).join();
  }

  /** The digest as docs/journal-format.md has it. */
  digestOf({ locals, queues }: NaiveState): string {
    let [a, b] = [0, 0];
    for (const [slot, { text }] of locals.entries()) {
      const local = this.#digest(text);
      a = (a + slotLaneA(local.a, slot)) | 0;
      b = (b + slotLaneB(local.b, slot)) | 0;
    }
    for (const [name, events] of queues) {
      if (events.length === 0) continue;
      const [from, to] = name.split(' ').map(Number) as [number, number];
      let [queueA, queueB] = [0, 0];
      for (const event of events) {
        queueA = queueLaneA(queueA, this.#digest(event).a);
        queueB = queueLaneB(queueB, this.#digest(event).b);
      }
      a = (a + channelLaneA(queueA, from, to)) | 0;
      b = (b + channelLaneB(queueB, from, to)) | 0;
    }
    return hexOf(a, b);
  }

  /** Every alternative, carried out. */
  steps(state: NaiveState): NaiveStep[] {
    const { actors } = this.#topology;
    const steps: NaiveStep[] = [];
    for (const [name, [head, ...rest]] of state.queues) {
      if (head === undefined) continue;
      const [from, to] = name.split(' ').map(Number) as [number, number];
      const event = JSON.parse(head) as AnyEvent;
      const before = { ...state, queues: new Map(state.queues).set(name, rest) };
      const label = `deliver(${event.type}, ${actors[from]!.id}, ${actors[to]!.id})`;
      const { idles: _, ...done } = this.#carryOut(state, before, to, event);
      steps.push({ label, kind: 'deliver', offer: '', owed: true, strong: false, slot: to, queue: name, ...done });
    }
    for (const [slot, { snapshot }] of state.locals.entries()) {
      for (const { owed = false, ...event } of offersOf(snapshot)) {
        const { type, ...payload } = event;
        const label = `${type}(${[actors[slot]!.id, ...Object.values(payload)].map(String).join(', ')})`;
        const kind = type === 'exec' || type === 'pick' ? 'exec' : 'offer';
        const { idles, ...done } = this.#carryOut(state, state, slot, event);
        const breaks = done.breaks || (kind === 'exec' && !done.changed && !idles);
        steps.push({ label, kind, offer: type, owed: owed !== false, strong: owed === 'strong', slot, queue: '', ...done, breaks });
      }
    }
    return steps;
  }

  /** What properties look at. */
  viewOf({ locals }: NaiveState): WorldView {
    const { actors } = this.#topology;
    const view = (slot: number) => {
      const { value, context } = locals[slot]!.snapshot;
      return { id: actors[slot]!.id, value, context: context as unknown };
    };
    return {
      actors: (kind: string) => actors.flatMap((actor, slot) => (actor.kind === kind ? [view(slot)] : [])),
      actor: view,
    } as unknown as WorldView;
  }

  #carryOut(state: NaiveState, before: NaiveState, slot: number, event: AnyEvent) {
    const locals = [...before.locals];
    const queues = new Map(before.queues);
    const bus: [number, AnyEvent][] = [[slot, event]];
    const joined: string[] = [];
    const programs: number[] = [];
    const passed: number[] = this.schedules(slot) ? [slot] : [];
    let [yields, idles, computes, breaks, given] = [false, false, false, false, 0];
    for (let next = bus.shift(); next; next = bus.shift()) {
      const [to, message] = next;
      if (given > BUS_MAX) {
        breaks = true;
        break;
      }
      this.#heard(to, locals[to]!.snapshot, message);
      const reaction = this.#react(to, locals[to]!, message);
      if (!this.schedules(to) && message.type !== 'notify.step' && (given === 0 || isMicroStep(message))) programs.push(to);
      given++;
      yields ||= reaction.yields;
      idles ||= reaction.idles;
      computes ||= reaction.computes;
      breaks ||= !reaction.isHandled;
      locals[to] = reaction.next;
      for (const { to: receiver, event: sent } of reaction.sent) {
        const stamped = { ...sent, from: this.#topology.actors[to]!.id };
        const at = this.#slotOf.get(receiver)!;
        const name = `${to} ${at}`;
        const delivery = this.#topology.catalogue[sent.type];
        if (isMicroStep(sent) && this.schedules(to)) passed.push(to);
        const waiting = queues.get(name) ?? [];
        if (delivery === 'latched' && waiting.includes(canonical(stamped))) continue;
        if (delivery === 'queued' || delivery === 'latched') {
          queues.set(name, [...waiting, canonical(stamped)]);
          joined.push(name);
        } else bus.push([at, stamped]);
      }
    }
    const after = { locals, queues };
    breaks ||= locals.some(({ snapshot }) => askingOf(snapshot) !== null);
    return { next: after, changed: this.keyOf(after) !== this.keyOf(state), yields, idles, computes, joined, programs, passed, breaks };
  }

  #react(slot: number, local: Local, event: AnyEvent): Reaction {
    const { kind } = this.#topology.actors[slot]!;
    const key = `${kind} ${local.text} ${canonical(event)}`;
    let reaction = this.#reactions.get(key);
    if (!reaction) {
      const [next, actions] = transition(this.#topology.machines[kind]!, local.snapshot, event);
      const sent = (actions as readonly { readonly type: string; readonly params: unknown }[])
        .filter(({ type }) => type === 'xstate.emit')
        .map(({ params }) => (params as { readonly event: Outgoing<AnyEvent> }).event);
      const { yields, idles, computes } = microStepOf(local.snapshot, event.type);
      const isHandled = local.snapshot.can(event);
      reaction = { next: this.#local(next as AnyMachineSnapshot), sent, yields, idles, computes, isHandled };
      this.#reactions.set(key, reaction);
    }
    return reaction;
  }

  /** Texts are shared by content, snapshots need not be: the machines are closed. */
  #local(snapshot: AnyMachineSnapshot): Local {
    const text = canonical({ context: snapshot.context as unknown, value: snapshot.value as unknown });
    const known = this.#locals.get(text);
    if (known && known.snapshot.machine === snapshot.machine) return known;
    const local = { text, snapshot };
    this.#locals.set(text, local);
    return local;
  }

  #number(text: string): number {
    const number = this.#numbers.get(text) ?? this.#numbers.size;
    this.#numbers.set(text, number);
    return number;
  }

  #digest(text: string): { readonly a: number; readonly b: number } {
    const known = this.#digests.get(text) ?? digestOf(text);
    this.#digests.set(text, known);
    return known;
  }
}

const isMicroStep = ({ type }: AnyEvent): boolean => MICRO_STEP_EVENTS.includes(type);

function offersOf(snapshot: AnyMachineSnapshot): AnyOffer[] {
  const metas = Object.values(snapshot.getMeta() as Record<string, { readonly offers?: (c: unknown) => readonly AnyOffer[] } | undefined>);
  return metas.flatMap((meta) => meta?.offers?.(snapshot.context) ?? []).filter((event) => snapshot.can(event));
}
