/**
 * Liveness over all schedules: after the search, the cycles that a fair schedule can repeat for ever while something stays owed.
 *
 * Fair: a CPU that can always be stepped is stepped at some time, and a message is delivered at some time. Nobody is bound to make an
 * offer (preempt, migrate, interrupt, a disturbance), and a cycle has none: they happen finitely often. For weak fairness it is enough to
 * look at whole components: what is always possible in one and never done in it is so in each part of it.
 */
import { Debts, type Lasso, watchesOf } from '../debts.ts';
import { hasHalted, NEVER_CAME_TRUE } from '../end.ts';
import { type CpuInCycle, type CycleEvidence, judgeCycle, type Property } from '../property.ts';
import { Components } from './components.ts';
import type { Search } from './explorer.ts';
import { isFair } from './fairness.ts';
import { Owed } from './owed.ts';
import type { StateSpace } from './state-space.ts';
import { Successors } from './successors.ts';
import { type CycleStep, Turn } from './turn.ts';
import type { WorldStep } from './world-step.ts';

/** A finished search, as far as liveness needs it. */
export interface Searched {
  readonly world: WorldStep;
  readonly space: StateSpace;
  /** How many states were expanded. */
  readonly expanded: number;
  /** States in which a run ends by itself. */
  readonly ended: readonly number[];
  labelsTo(state: number): string[];
}

export interface LassoFinding extends CycleEvidence {
  readonly property: string;
  /** Up to where the cycle begins, or to the end of a run that ends. */
  readonly stem: readonly string[];
  /** One turn; empty where the run ends. */
  readonly cycle: readonly string[];
  readonly lasso: Lasso | null;
  /** All states in which a cycle that violates the property may be entered: of this cycle, and of all others. */
  readonly members: readonly number[];
}

export interface LassoReport {
  readonly findings: readonly LassoFinding[];
  /** Components that a fair schedule can stay in for ever. */
  readonly fair: number;
  readonly bytes: number;
  readonly stopped: boolean;
  /** One turn from another state of the component, for whoever knows a better way there. */
  turnFrom(finding: LassoFinding, entry: number): { readonly labels: readonly string[]; readonly evidence: CycleEvidence };
}

/** Where a property is violated: a component, and the first of its states to come to. */
interface Found {
  readonly evidence: CycleEvidence;
  readonly members: readonly number[];
  readonly entry: number;
  readonly wanted: ((step: CycleStep) => boolean) | null;
}

export class LassoSearch {
  readonly #searched: Searched;
  readonly #properties: readonly Property[];
  readonly #successors: Successors;
  readonly #components: Components;
  /** States in which a run ends that can owe something, in the order of their distance. */
  readonly #ended: readonly number[];
  readonly #owed = new Map<string, Owed>();
  /** By property, in no order. */
  readonly #found = new Map<string, Found[]>();
  #fair = 0;
  #bytes = 0;

  constructor(searched: Searched, properties: readonly Property[]) {
    this.#searched = searched;
    this.#properties = properties;
    this.#successors = new Successors(searched.world, searched.space, searched.expanded);
    this.#components = new Components(this.#successors);
    this.#ended = searched.ended.filter((state) => !this.#isHalted(state)).sort((a, b) => a - b);
  }

  *run(): Search<LassoReport> {
    const { world } = this.#searched;
    for (const watch of watchesOf(this.#properties, world.store)) {
      const owed = new Owed(watch, this.#successors);
      yield* owed.run();
      this.#owed.set(watch.property.id, owed);
    }
    const components = yield* this.#components.all();
    this.#bytes = this.#components.bytes;
    const debts = this.#properties.filter(({ owes }) => owes).map((property) => new Debts(property, world.store));
    for (const component of components) {
      if (!isFair(this.#successors, component)) continue;
      this.#fair++;
      const running = component.filter((state) => !this.#isHalted(state));
      for (const members of this.#fairParts(running, component)) {
        for (const each of debts) this.#judgeDebts(each, members);
        for (const [id, owed] of this.#owed) this.#judgeOwed(id, owed, members);
        for (const property of this.#properties) if (property.cycle) this.#judgeCycle(property, members);
      }
    }
    const findings = this.#properties.flatMap((property) => this.#findingOf(property) ?? []);
    const turnFrom: LassoReport['turnFrom'] = ({ property }, entry) => {
      const found = this.#found.get(property)!.find(({ members }) => members.includes(entry))!;
      const steps = this.#turnOf(found, entry);
      return { labels: this.#labels(steps), evidence: this.#evidenceOf(property, found, steps) };
    };
    return { findings, fair: this.#fair, bytes: this.#bytes, stopped: this.#components.stopped, turnFrom };
  }

  #keep(id: string, found: Found): void {
    const known = this.#found.get(id);
    if (known) known.push(found);
    else this.#found.set(id, [found]);
  }

  #turnOf({ members, wanted }: Found, entry: number): readonly CycleStep[] {
    return new Turn(this.#successors, new Set(members), wanted).from(entry);
  }

  #judgeDebts(debts: Debts, members: readonly number[]): void {
    for (const slot of debts.slots) {
      const local = (state: number) => this.#searched.space.rows[state * this.#searched.space.columns + slot]!;
      const owing = members.filter((state) => debts.of(slot, local(state)) !== null);
      for (const part of this.#fairParts(owing, members)) {
        const entry = first(part);
        this.#keep(debts.property.id, { evidence: { message: debts.of(slot, local(entry))! }, members: part, entry, wanted: null });
      }
    }
  }

  #judgeOwed(id: string, owed: Owed, members: readonly number[]): void {
    for (const part of this.#fairParts(
      members.filter((state) => owed.has(state)),
      members,
    )) {
      this.#keep(id, { evidence: { message: owed.message }, members: part, entry: owed.firstOf(part)!, wanted: null });
    }
  }

  *#fairParts(some: readonly number[], members: readonly number[]): Generator<readonly number[]> {
    if (some.length === 0) return;
    if (some.length === members.length) yield members;
    else for (const part of this.#components.within(some)) if (isFair(this.#successors, part)) yield part;
  }

  #judgeCycle(property: Property, members: readonly number[]): void {
    const steps = this.#stepsWithin(members);
    const evidence = judgeCycle(property, this.#cpusOf(steps));
    if (evidence === null) return;
    const isWaiting = (step: CycleStep) => this.#isWaiting(step);
    // A turn shows the wait that the evidence is about, where there is one.
    const wanted = steps.some(isWaiting) ? isWaiting : null;
    this.#keep(property.id, { evidence, members, entry: first(members), wanted });
  }

  #stepsWithin(members: readonly number[]): CycleStep[] {
    const inside = new Set(members);
    return members.flatMap((state) => {
      const { columns, alternatives, targets } = this.#successors;
      this.#successors.expand(state);
      return columns.flatMap((column, i) => (inside.has(targets[i]!) ? [{ state, column, alternative: alternatives[i]! }] : []));
    });
  }

  #rowOf(state: number): Int32Array {
    const row = new Int32Array(this.#searched.space.columns);
    this.#searched.space.read(state, row);
    return row;
  }

  /** A machine that has halted owes nothing. */
  #isHalted(state: number): boolean {
    return hasHalted(this.#searched.world.store, this.#rowOf(state));
  }

  /** What a step of a CPU does to itself; null for a delivery. */
  #moveOf({ state, column, alternative }: CycleStep): CpuInCycle | null {
    const { world } = this.#searched;
    if (column >= world.actors) return null;
    const row = this.#rowOf(state);
    const trace = world.run(row, column, world.alternatives(column, row[column]!)[alternative]!);
    return { id: world.store.ids[column]!, moves: trace.changed, waits: (trace.yields || !trace.changed) && !trace.computes };
  }

  #isWaiting(step: CycleStep): boolean {
    return this.#moveOf(step)?.waits === true;
  }

  #cpusOf(steps: readonly CycleStep[]): CpuInCycle[] {
    const cpus = new Map<string, CpuInCycle>();
    for (const step of steps) {
      const move = this.#moveOf(step);
      if (!move) continue;
      const known = cpus.get(move.id);
      cpus.set(move.id, known ? { id: move.id, moves: known.moves || move.moves, waits: known.waits || move.waits } : move);
    }
    return [...cpus.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  #findingOf(property: Property): LassoFinding | null {
    const owed = this.#owed.get(property.id);
    const all = this.#found.get(property.id);
    const ended = owed ? this.#neverTrue(owed) : property.owes ? this.#endsOwing(property) : null;
    if (ended) return { property: property.id, cycle: [], lasso: null, members: [], ...ended };
    if (!all) return null;
    // The one that is reached in the fewest steps: states are numbered in the order of their distance.
    const found = all.reduce((nearest, one) => (one.entry < nearest.entry ? one : nearest));
    const { entry } = found;
    const steps = this.#turnOf(found, entry);
    const stem = owed ? this.#labels(owed.wayTo(entry)) : this.#searched.labelsTo(entry);
    const evidence = this.#evidenceOf(property.id, found, steps);
    const lasso = { from: stem.length, length: steps.length };
    return { property: property.id, ...evidence, stem, cycle: this.#labels(steps), lasso, members: all.flatMap((one) => one.members) };
  }

  /** The shortest run that ends without the property ever having come true. */
  #neverTrue(owed: Owed): Pick<LassoFinding, 'message' | 'stem'> | null {
    const end = owed.firstOf(this.#ended);
    return end === null ? null : { message: NEVER_CAME_TRUE, stem: this.#labels(owed.wayTo(end)) };
  }

  /** The shortest run that ends with an actor in a state that has to be left. */
  #endsOwing(property: Property): Pick<LassoFinding, 'message' | 'stem'> | null {
    const { world, labelsTo } = this.#searched;
    const debts = new Debts(property, world.store);
    for (const state of this.#ended) {
      const message = debts.atEnd(this.#rowOf(state));
      if (message !== null) return { message, stem: labelsTo(state) };
    }
    return null;
  }

  /** Evidence that one turn of the cycle is a violation: of an actor, where one owes something; else of the CPUs in the turn, or in all of the cycle. */
  #evidenceOf(id: string, found: Found, steps: readonly CycleStep[]): CycleEvidence {
    const property = this.#properties.find((each) => each.id === id)!;
    return judgeCycle(property, this.#cpusOf(steps)) ?? found.evidence;
  }

  #labels(steps: readonly CycleStep[]): string[] {
    const { world } = this.#searched;
    return steps.map(({ state, column, alternative }) => {
      const value = this.#rowOf(state)[column]!;
      return world.label(column, value, world.alternatives(column, value)[alternative]!);
    });
  }
}

const first = (states: readonly number[]): number => states.reduce((least, state) => Math.min(least, state));
