/**
 * Coverage: what a search took of all that a scenario's programs and machines hold, and what could
 * not happen in it at all. It is read off the memory of the engine, which has every reaction that
 * was ever taken, and knows those that were only looked at.
 */
import type { AnyMachineSnapshot, AnyStateNode } from 'xstate';
import type { Chance } from '../../../actors/host/chance.ts';
import { MICRO_STEP_EVENTS } from '../../../events/index.ts';
import type { MemoEngine } from '../../engine/memo.ts';
import { topologyOf } from '../../host/topology.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import { type Kind, Store, type Topology } from '../../store.ts';
import { type Branch, chartOf, type Hole, type Item, itemOf, type KindChart, type NodeChart } from './chart.ts';
import { Operations } from './operations.ts';

export interface Coverage {
  /** Whether the search was complete: what it did not take can never be taken. */
  readonly whole: boolean;
  readonly neverTaken: readonly Hole[];
  /**
   * Sentences: what could not happen, and why. Nothing is known to be impossible where it is not
   * whole.
   */
  readonly impossible: readonly string[];
}

/** The offers that an actor has no chance to make unless something holds. */
interface ActorChance {
  readonly actor: string;
  readonly chance: Chance<unknown>;
  readonly key: string;
}

const nodesOf = (snapshot: AnyMachineSnapshot): readonly AnyStateNode[] => snapshot._nodes;
const chancesOf = ({ machine }: Kind): readonly Chance<unknown>[] =>
  (machine.root.meta as { readonly chances?: readonly Chance<unknown>[] } | undefined)?.chances ?? [];

/** What an engine does not know of its search. */
export interface Seen {
  /** What one actor was given counts for all of its kind: the search does not tell them apart. */
  readonly alike?: boolean;
  /**
   * Local states, by slot, in which an actor was given all that can be given there, before the
   * engine was there.
   */
  readonly also?: (slot: number) => ReadonlySet<number>;
  /**
   * Local states, by slot, in which the search started: an actor that was given nothing has stayed
   * there.
   */
  readonly start?: readonly number[];
}

/** Items, and which of them were taken. What several searches took can be put into one. */
export class Ledger {
  readonly items: ReadonlyMap<string, Item>;
  /** Keys of items and of chances. */
  readonly taken = new Set<string>();
  readonly #charts: readonly KindChart[];
  readonly #operations: Operations;
  readonly #chances: readonly ActorChance[];
  readonly #allow: readonly string[];

  constructor(
    scenario: ResolvedScenario,
    topology: Topology = topologyOf(scenario),
    { kinds, kindOfSlot, ids }: Store = new Store(topology),
  ) {
    const isOwn = (kind: Kind): boolean => scenario.model !== undefined || kind.origin !== null;
    const { catalogue } = topology;
    this.#charts = kinds.map((kind) => chartOf(kind, isOwn(kind), catalogue));
    this.#operations = new Operations(scenario, topology);
    this.#allow = scenario.allow;
    const offers = kinds.flatMap((kind) =>
      kind.machine.events
        .filter((type) => scenario.allow.includes(type) || (isOwn(kind) && catalogue[type] === 'offer'))
        .map((name) => itemOf({ kind: kind.name, what: 'offer', name }, kind.name)),
    );
    const items = [...this.#charts.flatMap((chart) => chart.items), ...this.#operations.items, ...offers];
    this.items = new Map(items.map((item) => [item.key, item]));
    this.#chances = kindOfSlot.flatMap((kind, slot) =>
      chancesOf(kind).map((chance, at) => ({ actor: ids[slot]!, chance, key: `chance ${ids[slot]!} ${at}` })),
    );
  }

  /** Takes what a search met. */
  note(engine: MemoEngine, { alike = false, also, start }: Seen = {}): this {
    const { kinds, kindOfSlot, ids } = engine.store;
    for (const kind of kinds) {
      const reader = new Reader(this.#charts[kind.index]!, kind, this.taken);
      engine.eachReaction(kind.index, (local, event, next) => {
        const given = engine.store.events.values[event]!;
        reader.read(local, given, next);
        this.taken.add(`offer ${kind.name} ${given.type}`);
        if (MICRO_STEP_EVENTS.includes(given.type))
          for (const key of this.#operations.at(kind.name, kind.locals.values[local]!, given.type)) this.taken.add(key);
      });
      for (const [local, snapshot] of kind.locals.values.entries()) if (engine.isReached(kind.index, local)) reader.stand(snapshot);
    }
    for (const { actor, chance, key } of this.#chances) {
      const slot = ids.indexOf(actor);
      const { index, locals } = kindOfSlot[slot]!;
      const look = (local: number, event: number) => this.#lookAt(chance, key, locals.values[local]!, engine, event);
      engine.eachGiven(slot, look);
      if (start !== undefined) this.#standIn(chance, key, locals.values[start[slot]!]!);
      const known = also?.(slot);
      if (alike || known !== undefined) engine.eachReaction(index, (local, event) => (alike || known!.has(local)) && look(local, event));
    }
    return this;
  }

  #lookAt(chance: Chance<unknown>, key: string, snapshot: AnyMachineSnapshot, engine: MemoEngine, event: number): void {
    if (this.taken.has(key)) return;
    if (chance.offers.includes(engine.store.events.values[event]!.type)) this.taken.add(key);
    this.#standIn(chance, key, snapshot);
  }

  /** What of a chance holds where its actor stands. */
  #standIn({ needs }: Chance<unknown>, key: string, { context, value }: AnyMachineSnapshot): void {
    for (const [at, [, holds]] of needs.entries())
      if (!this.taken.has(`${key} ${at}`) && holds(context as unknown, value)) this.taken.add(`${key} ${at}`);
  }

  add(taken: Iterable<string>): this {
    for (const key of taken) this.taken.add(key);
    return this;
  }

  coverage(whole: boolean): Coverage {
    return {
      whole,
      neverTaken: holesIn(this.items, this.taken).map(({ kind, what, name }) => ({ kind, what, name })),
      impossible: whole ? this.#impossible() : [],
    };
  }

  #impossible(): string[] {
    const without = this.#chances.filter(({ key }) => !this.taken.has(key));
    const chances = without.map(({ actor, chance: { says, needs, otherwise }, key }) => {
      const [reason] = needs.find((_, at) => !this.taken.has(`${key} ${at}`)) ?? [otherwise];
      return `${says(actor)}: ${reason}`;
    });
    const kinds = (type: string) => [...this.items.values()].filter(({ what, name }) => what === 'offer' && name === type);
    const offers = this.#allow.filter((type) => kinds(type).every(({ key }) => !this.taken.has(key)));
    return [...chances, ...offers.map((type) => `${type} is allowed and was never possible: no actor ever offered it`)];
  }
}

/** What an engine met, as a ledger. */
export const ledgerOf = (scenario: ResolvedScenario, engine: MemoEngine, seen: Seen = {}): Ledger =>
  new Ledger(scenario, engine.topology, engine.store).note(engine, seen);

/** Items that were never taken, but for those that could not be since another one was not. */
export function holesIn(items: ReadonlyMap<string, Item>, taken: ReadonlySet<string>): Item[] {
  const isHole = (key: string): boolean => items.has(key) && !taken.has(key);
  return [...items.values()].filter(({ key, after }) => isHole(key) && !after.some(isHole));
}

/** Marks what the actors of one kind took. */
class Reader {
  readonly #chart: KindChart;
  readonly #kind: Kind;
  readonly #taken: Set<string>;
  /** Branches of a state for one event that are all taken, or none of them an item. */
  readonly #settled = new Set<readonly Branch[]>();

  constructor(chart: KindChart, kind: Kind, taken: Set<string>) {
    this.#chart = chart;
    this.#kind = kind;
    this.#taken = taken;
  }

  stand(snapshot: AnyMachineSnapshot): void {
    for (const node of nodesOf(snapshot)) {
      const { step, runsOn } = this.#chart.nodes.get(node) ?? {};
      if (step && runsOn === null) this.#taken.add(step);
    }
  }

  read(local: number, event: { readonly type: string }, next: number): void {
    const { values } = this.#kind.locals;
    const open: (readonly Branch[])[] = [];
    for (const node of nodesOf(values[local]!)) {
      const chart = this.#chart.nodes.get(node);
      if (chart === undefined) continue;
      this.#run(chart, event.type);
      const branches = chart.branches.get(event.type);
      if (branches !== undefined && !this.#settled.has(branches)) open.push(branches);
    }
    if (open.length === 0) return;
    const [first] = open;
    const after = nodesOf(values[next]!);
    const landed = open.length === 1 ? first!.find(({ lands }) => lands !== null && after.includes(lands)) : undefined;
    if (landed) this.#take(landed.key);
    else this.#ask(values[local]!, event, open);
    for (const branches of open) if (branches.every(({ key }) => key === null || this.#taken.has(key))) this.#settled.add(branches);
  }

  #run({ step, runsOn }: NodeChart, type: string): void {
    if (step !== null && runsOn?.includes(type)) this.#taken.add(step);
  }

  /** Where neither the state nor the next one tells, XState says which transition it takes. */
  #ask(snapshot: AnyMachineSnapshot, event: { readonly type: string }, open: readonly (readonly Branch[])[]): void {
    const definitions = this.#kind.machine.getTransitionData(snapshot, event);
    for (const branches of open) for (const { key, definition } of branches) if (definitions.includes(definition)) this.#take(key);
  }

  #take(key: string | null): void {
    if (key !== null) this.#taken.add(key);
  }
}

/** How many local states the actors of each kind came into. */
export const localStatesOf = (engine: MemoEngine): Readonly<Record<string, number>> =>
  Object.fromEntries(engine.store.kinds.map(({ name, index }) => [name, engine.reachedLocals(index).length]));
