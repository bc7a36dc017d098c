/**
 * One step, written once: carry out a choice, deliver the bus messages it causes first in first
 * out, latch, say what changed, hold the rules. The sequencer adds records to it, a search adds
 * what the step read and wrote. The loop of `explore/kernel.ts` keeps a copy.
 */
import { type ActorEngine, ModelError } from './engine/port.ts';
import { Monitors } from './monitors/monitors.ts';
import { askingOf, type Store } from './store.ts';

export type AlternativeKind = 'deliver' | 'exec' | 'offer';

/** An alternative that is to be carried out. */
export interface Choice {
  readonly kind: AlternativeKind;
  /** Whose offer it is, or who receives the message. */
  readonly slot: number;
  /** The offer, or the message. */
  readonly event: number;
  /** `deliver`: the queue whose head it is, as the world numbers them; else -1. */
  readonly queue: number;
}

/**
 * The world that a step is carried out in, as the step has left it so far. It notes what happens to
 * it.
 */
export interface StepWorld {
  /** What errors call the step. */
  stepName(): string;
  local(slot: number): number;
  /** `event`: what the actor was given. */
  /** `by`: the slot that has changed it by a message of its own, no answer; -1 if none has. */
  change(slot: number, next: number, cause: number, by: number): void;
  /** Messages in flight from one actor to another, oldest first. */
  inFlight(from: number, to: number): readonly number[];
  /** Takes the head of a queue out to deliver it. @returns the cause of what its delivery does */
  takeHead(choice: Choice): number;
  /** A bus message is under way. @returns the cause of what its delivery does */
  deliver(to: number, event: number, cause: number): number;
  /**
   * An actor sends a queued message; `joins` is false for a latched one that is in flight already.
   */
  send(from: number, to: number, event: number, cause: number, joins: boolean): void;
  /** Whether any queue holds other messages than before the step. */
  isFlightChanged(): boolean;
  label(choice: Choice): string;
}

/** What a step did. */
export interface StepEffect {
  /** Some local state, or some queue, is another one than before the step. */
  readonly changed: boolean;
  /** Nominal cost in ns. */
  readonly ns: number;
  /** Events that actors were given. */
  readonly deliveries: number;
  /** Some state said `idles`: it may change nothing. */
  readonly idles: boolean;
  /** Some state said `yields`: the CPU only waits for others. */
  readonly yields: boolean;
  /** Some state said `computes`: the CPU gets on although nothing may have changed. */
  readonly computes: boolean;
  /**
   * Slots of the actors whose program code ran; none where only the scheduler or the environment
   * did something. Valid until the next step.
   */
  readonly stepped: readonly number[];
}

/** The meta of a state that is a micro-step. */
interface PlaceLike {
  readonly step?: string;
}

/** Events given to actors in one step before it counts as a livelock on the bus. */
const BUS_MAX = 10_000;

/**
 * Whether a message that is sent joins a queue: a latched one is in flight between the same two
 * actors at most once.
 */
export const joins = (store: Store, queue: readonly number[], event: number): boolean =>
  store.latched[event] !== 1 || !queue.includes(event);

/** Empties an array and keeps its room, which setting its length to 0 would not. */
function clear(list: number[]): void {
  while (list.length > 0) list.pop();
}

/** Carries steps out, one at a time. */
export class Stepper {
  /** Slots whose local state the last step changed, if only for a while. */
  readonly touched: number[] = [];
  /** Their local states before it. */
  readonly before: number[] = [];
  readonly #engine: ActorEngine;
  readonly #store: Store;
  readonly #monitors: Monitors | null;
  readonly #stepped: number[] = [];
  /** Events to be given to actors; only the first `#queued` entries count. */
  #queued = 0;
  readonly #slots: number[] = [];
  readonly #events: number[] = [];
  readonly #causes: number[] = [];

  constructor(engine: ActorEngine) {
    this.#engine = engine;
    this.#store = engine.store;
    this.#monitors = Monitors.of(engine.store, engine.topology);
  }

  /**
   * Carries out a choice.
   * @throws ModelError if the model breaks a rule of steps
   * @throws UnhandledEventError if an actor does not take what it is given
   */
  take(world: StepWorld, choice: Choice, cause: number): StepEffect {
    this.#queued = 0;
    clear(this.touched);
    clear(this.before);
    clear(this.#stepped);
    this.#push(choice.slot, choice.event, choice.kind === 'deliver' ? world.takeHead(choice) : cause);
    const effect = this.#drain(world, choice);
    if (!effect.changed && choice.kind === 'exec' && !effect.idles)
      throw new ModelError(`${world.label(choice)} changes nothing; a step that only waits must say idles${this.#stoodAt(world)}`);
    return effect;
  }

  /** Where those stand whose code has run, and what to write there. */
  #stoodAt(world: StepWorld): string {
    const { ids, kindOfSlot } = this.#store;
    const places = this.#stepped.flatMap((slot) => {
      const metas = Object.values(kindOfSlot[slot]!.locals.values[world.local(slot)]!.getMeta() as Record<string, PlaceLike | undefined>);
      const at = metas.find((meta) => meta?.step !== undefined)?.step;
      if (at === undefined) return [];
      const name = at.slice(at.lastIndexOf('.') + 1);
      return [`${ids[slot]!} in ${at}, as step('${name}', { idles: true, … })`];
    });
    return places.length > 0 ? `: ${places.join('; ')}` : '';
  }

  #drain(world: StepWorld, choice: Choice): StepEffect {
    const engine = this.#engine;
    const store = this.#store;
    const slots = this.#slots;
    const events = this.#events;
    const causes = this.#causes;
    let ns = 0;
    let idles = false;
    let yields = false;
    let computes = false;
    let monitors = this.#monitors;
    for (let at = 0; at < this.#queued; at++) {
      if (at > BUS_MAX) throw new ModelError(`the actors still answer each other after ${BUS_MAX} bus messages in ${world.stepName()}`);
      const slot = slots[at]!;
      const event = events[at]!;
      const cause = causes[at]!;
      const local = world.local(slot);
      const reaction = engine.deliver(slot, local, event);
      if (store.runsProgram(slot, event, at === 0)) this.#stepped.push(slot);
      ns += reaction.costNs;
      idles ||= reaction.idles;
      yields ||= reaction.yields;
      computes ||= reaction.computes;
      if (reaction.next !== local) this.#change(world, slot, local, reaction.next, at);
      const { sent } = reaction;
      for (let i = 0; i < sent.length; i += 2) this.#emit(world, slot, sent[i]!, sent[i + 1]!, cause);
      if (monitors === null || at + 1 < this.#queued) continue;
      this.#tell(world, monitors, choice);
      monitors = null;
    }
    const changed = this.#look(world) || world.isFlightChanged();
    return { changed, ns, deliveries: this.#queued, idles, yields, computes, stepped: this.#stepped };
  }

  /** What the step has done is over: monitors look at it, and are told what they remember. */
  #tell(world: StepWorld, monitors: Monitors, choice: Choice): void {
    const { touched, before } = this;
    const cause = this.#causes[0]!;
    const local = (slot: number): number => world.local(slot);
    monitors.look({ touched, before, local }, choice, (slot, event) => this.#push(slot, event, world.deliver(slot, event, cause)));
  }

  /**
   * Asserts that the asking actor has its answer.
   * @returns whether any local state is another one than before the step
   */
  #look(world: StepWorld): boolean {
    const store = this.#store;
    let changed = false;
    for (let i = 0; i < this.touched.length; i++) {
      const slot = this.touched[i]!;
      const local = world.local(slot);
      if (local !== this.before[i]) changed = true;
      const { asking, locals } = store.kindOfSlot[slot]!;
      if (asking[local] === 1) {
        const frame = askingOf(locals.values[local]!);
        throw new ModelError(`${store.ids[slot]!} asked in its ${frame} frame and got no answer within ${world.stepName()}`);
      }
    }
    return changed;
  }

  #change(world: StepWorld, slot: number, local: number, next: number, at: number): void {
    if (!this.touched.includes(slot)) {
      this.touched.push(slot);
      this.before.push(local);
    }
    world.change(slot, next, this.#causes[at]!, this.#changer(slot, at));
  }

  /** The slot that sent the message; -1 if none did, or if it answers what this one has asked. */
  #changer(slot: number, at: number): number {
    const { senders } = this.#store;
    const by = senders[this.#events[at]!]!;
    for (let i = 0; by >= 0 && i < at; i++) if (this.#slots[i] === by && senders[this.#events[i]!] === slot) return -1;
    return by;
  }

  #emit(world: StepWorld, from: number, to: number, event: number, cause: number): void {
    const store = this.#store;
    if (store.queued[event] === 1) world.send(from, to, event, cause, joins(store, world.inFlight(from, to), event));
    else this.#push(to, event, world.deliver(to, event, cause));
  }

  #push(slot: number, event: number, cause: number): void {
    const at = this.#queued++;
    this.#slots[at] = slot;
    this.#events[at] = event;
    this.#causes[at] = cause;
  }
}
