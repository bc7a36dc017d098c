/**
 * Monitors at work: after a step that changed an actor they look at, each is told its next state.
 * That is part of the step, so that runs, searches and replays see the same.
 */
import { canonical } from '../canonical.ts';
import { ModelError } from '../engine/port.ts';
import { shown } from '../scenario/issues.ts';
import type { ActorSpec, Store, Topology } from '../store.ts';
import { type ActorView, WorldView } from '../view.ts';
import { MONITOR_NEXT } from './machine.ts';
import type { Following, MonitorContext, MonitorStep } from './monitor.ts';

/** States of all monitors of one property. */
const MONITOR_STATES_MAX = 1024;

/** The actors that a monitor may look at, and no others. */
class SeenWorld extends WorldView {
  readonly #kinds: readonly string[];
  readonly #slots: readonly number[];

  constructor(store: Store, locals: readonly number[], following: Following) {
    super(store, locals);
    this.#kinds = following.monitor.looksAt;
    this.#slots = slotsOf(following, store);
  }

  override actor<C>(slot: number): ActorView<C> {
    if (!this.#slots.includes(slot)) throw new Error(`it looks at slot ${slot}, which is of no kind among its kinds`);
    return super.actor<C>(slot);
  }

  override actors<C>(kind: string): ActorView<C>[] {
    if (!this.#kinds.includes(kind))
      throw new Error(`it looks at actors of kind ${shown(kind)}; expected that among its kinds (${this.#kinds.join(', ') || 'none'})`);
    return super.actors<C>(kind);
  }
}

/** Slots of the actors that a monitor looks at: after a step that changes one, it looks again. */
function slotsOf({ monitor, who }: Following, { kindOfSlot, ids }: Store): readonly number[] {
  return ids.flatMap((id, slot) => (who.includes(id) || monitor.looksAt.includes(kindOfSlot[slot]!.name) ? [slot] : []));
}

function stateOf(property: string, value: unknown): string {
  try {
    return canonical(value);
  } catch (error) {
    throw new ModelError(
      `property ${property}: its monitor's next() gives ${shown(value)}; expected plain data: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

function answered(
  { property, monitor, who }: Following,
  state: unknown,
  world: WorldView,
  views: readonly ActorView<never>[],
  step: MonitorStep | null,
): unknown {
  try {
    return monitor.next(state as never, world, views, step);
  } catch (error) {
    const about = who.length > 0 ? ` for ${who.join(' and ')}` : '';
    throw new ModelError(`property ${property}: its monitor${about} throws: ${error instanceof Error ? error.message : shown(error)}`, {
      cause: error,
    });
  }
}

/** The state of a monitor after a look. @throws ModelError where it breaks a rule of monitors */
function nextOf(following: Following, state: unknown, store: Store, locals: readonly number[], step: MonitorStep | null): unknown {
  const { property, who } = following;
  const world = new SeenWorld(store, locals, following);
  const views = who.map((id) => world.actor<never>(store.slotOf.get(id)!));
  const before = canonical(state);
  const next = answered(following, state, world, views, step);
  const text = stateOf(property, next);
  const again = stateOf(property, answered(following, state, world, views, step));
  if (again !== text)
    throw new ModelError(
      `property ${property}: its monitor's next() gives ${text}, and ${again} when it is asked again; expected the same for the same state, world and step: it must remember nothing but its state`,
    );
  if (canonical(state) !== before)
    throw new ModelError(`property ${property}: its monitor's next() changes the state that it is given; expected a new one`);
  return next;
}

/** What an actor of a topology is started with, given the local states of all before it. */
export function inputOf({ monitors = {} }: Topology, store: Store, { id, input }: ActorSpec, locals: readonly number[]): unknown {
  const following = monitors[id];
  if (following === undefined) return input;
  const { who, state } = input as MonitorContext;
  return { who, state: nextOf(following, state, store, locals, null) };
}

interface Seat {
  readonly slot: number;
  readonly following: Following;
  /** Slots that it looks at. */
  readonly seen: readonly number[];
  /** By its state, what it sees and the step: the message that it is told, -1 for none. */
  readonly known: Map<string, number>;
}

/** The state that a step has led to. */
interface After {
  /** Slots that have changed, if only for a while, and their local states before. */
  readonly touched: readonly number[];
  readonly before: readonly number[];
  local(slot: number): number;
}

export class Monitors {
  readonly #store: Store;
  readonly #seats: readonly Seat[];

  /** Null where there are none: then a step costs nothing more. */
  static of(store: Store, { monitors = {} }: Topology): Monitors | null {
    return Object.keys(monitors).length > 0 ? new Monitors(store, monitors) : null;
  }

  private constructor(store: Store, monitors: Readonly<Record<string, Following>>) {
    this.#store = store;
    this.#seats = Object.entries(monitors).map(([id, following]) => ({
      slot: store.slotOf.get(id)!,
      following,
      seen: slotsOf(following, store),
      known: new Map(),
    }));
  }

  /** Tells each monitor its next state, where that is another one. */
  look(
    { touched, before, local }: After,
    choice: { readonly slot: number; readonly event: number },
    tell: (slot: number, event: number) => void,
  ): void {
    const changed = touched.filter((slot, at) => local(slot) !== before[at]);
    for (const seat of this.#seats) {
      if (!changed.some((slot) => seat.seen.includes(slot))) continue;
      const event = this.#told(seat, local, choice);
      if (event >= 0) tell(seat.slot, event);
    }
  }

  #told(seat: Seat, local: After['local'], choice: { readonly slot: number; readonly event: number }): number {
    const { slot, following, seen, known } = seat;
    const own = local(slot);
    const sights = seen.map(local);
    const step = following.monitor.seesStep ? `${choice.slot},${choice.event}` : '';
    const key = `${own} ${step} ${sights.join()}`;
    let event = known.get(key);
    if (event === undefined) {
      event = this.#compute(seat, own, sights, choice);
      known.set(key, event);
    }
    return event;
  }

  #compute(
    { slot, following, seen }: Seat,
    own: number,
    sights: readonly number[],
    choice: { readonly slot: number; readonly event: number },
  ): number {
    const store = this.#store;
    const { locals: table } = store.kindOfSlot[slot]!;
    const { state } = table.values[own]!.context as MonitorContext;
    const locals: number[] = new Array(store.ids.length).fill(0);
    for (const [at, one] of seen.entries()) locals[one] = sights[at]!;
    // A copy: what a property does to it is no change of the message.
    const { type, ...rest } = structuredClone(store.events.values[choice.event]!);
    const step = following.monitor.seesStep ? { actor: store.ids[choice.slot]!, event: { type, ...rest } } : null;
    const next = nextOf(following, state, store, locals, step);
    if (canonical(next) === canonical(state)) return -1;
    if (table.size > MONITOR_STATES_MAX)
      throw new ModelError(
        `property ${following.property}: its monitors have more than ${MONITOR_STATES_MAX} states, the last ${canonical(next)}; expected few: a monitor that counts has to stop at a bound`,
      );
    return store.event({ type: MONITOR_NEXT, state: next } as never);
  }
}
