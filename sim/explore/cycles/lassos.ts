/**
 * Liveness over all schedules: after the search, the cycles that a fair schedule can repeat forever
 * while something stays owed.
 *
 * Fair: what is owed (an offer that says so, a delivery) and always possible is done at some time
 * (`fairness.ts`). Offers that are not owed (migrate, interrupt, a disturbance) need not be made,
 * and a cycle has none: they happen finitely often. A state in which nothing owed can be done may
 * last: what an `eventually` property still asks for there is never done.
 */
import { Debts, ENDED, type Lasso, type Lasts, neverTrue, QUIET, watchesOf } from '../../debts.ts';
import { hasHalted } from '../../end.ts';
import { type CpuInCycle, type CycleEvidence, judgeCycle, type Property } from '../../property.ts';
import type { Search, Searched } from '../request.ts';
import { Successors } from '../space/successors.ts';
import { Components } from './components.ts';
import { isEdge, NO_CUT, type Part } from './fairness.ts';
import { CpuMoves } from './moves.ts';
import { Owed } from './owed.ts';
import { coverOf, fitsIn, listsWithin } from './sub-cycles.ts';
import { type CycleStep, Turn, type Wanted } from './turn.ts';

export interface LassoFinding extends CycleEvidence {
  readonly property: string;
  /** Up to where the cycle begins, or to the end of a run that ends. */
  readonly stem: readonly string[];
  /** One turn; empty where the run ends. */
  readonly cycle: readonly string[];
  readonly lasso: Lasso | null;
  /**
   * All states in which a cycle that violates the property may be entered: of this cycle, and of
   * all others.
   */
  readonly members: readonly number[];
}

export interface LassoReport {
  readonly findings: readonly LassoFinding[];
  /** Components that a fair schedule can stay in forever. */
  readonly fair: number;
  readonly bytes: number;
  readonly stopped: boolean;
  /** Properties of cycles that can look in too many ways to ask about each. */
  readonly undecided: readonly string[];
  /** One turn from another state of the component, for a caller that knows a better way there. */
  turnFrom(finding: LassoFinding, entry: number): { readonly labels: readonly string[]; readonly evidence: CycleEvidence };
}

/** Where a property is violated: a component, and the first of its states to come to. */
interface Found extends Part {
  readonly evidence: CycleEvidence;
  readonly entry: number;
  /** Steps that a turn has; and more of them, for where a turn with these alone is no evidence. */
  readonly wanted?: readonly Wanted[];
  readonly cover?: readonly Wanted[];
}

export class LassoSearch {
  readonly #searched: Searched;
  readonly #properties: readonly Property[];
  readonly #successors: Successors;
  readonly #components: Components;
  readonly #moves: CpuMoves;
  /**
   * States that may last and can owe something: a run ends there, or nothing owed can be done. In
   * the order of their distance.
   */
  readonly #ended: readonly number[];
  readonly #owed = new Map<string, Owed>();
  /** By property, in no order. */
  readonly #found = new Map<string, Found[]>();
  readonly #undecided = new Set<string>();
  #fair = 0;
  #bytes = 0;

  constructor(searched: Searched, properties: readonly Property[]) {
    this.#searched = searched;
    this.#properties = properties;
    this.#successors = new Successors(searched.world, searched.space, searched.expanded);
    this.#components = new Components(this.#successors);
    this.#moves = new CpuMoves(searched);
    const lasting = [...searched.ended];
    for (let state = 0; state < searched.expanded; state++) if (this.#successors.isQuiet(state)) lasting.push(state);
    this.#ended = lasting.filter((state) => !this.#isHalted(state)).sort((a, b) => a - b);
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
      for (const whole of this.#components.fairIn(component, NO_CUT)) {
        this.#fair++;
        const running = whole.members.filter((state) => !this.#isHalted(state));
        for (const part of this.#fairParts(running, whole)) this.#judge(part, debts);
      }
    }
    const findings = this.#properties.flatMap((property) => this.#findingOf(property) ?? []);
    const turnFrom: LassoReport['turnFrom'] = ({ property }, entry) => {
      const found = this.#found.get(property)!.find(({ members }) => members.includes(entry))!;
      const steps = this.#turnOf(property, found, entry);
      return { labels: this.#labels(steps), evidence: this.#evidenceOf(property, found, steps) };
    };
    const { stopped } = this.#components;
    return { findings, fair: this.#fair, bytes: this.#bytes, stopped, undecided: [...this.#undecided], turnFrom };
  }

  #judge(part: Part, debts: readonly Debts[]): void {
    for (const each of debts) this.#judgeDebts(each, part);
    for (const [id, owed] of this.#owed) this.#judgeOwed(id, owed, part);
    for (const property of this.#properties) if (property.cycle) this.#judgeCycle(property, part);
  }

  #keep(id: string, found: Found): void {
    const known = this.#found.get(id);
    if (known) known.push(found);
    else this.#found.set(id, [found]);
  }

  #turnOf(id: string, found: Found, entry: number): readonly CycleStep[] {
    const steps = new Turn(this.#successors, found, found.wanted).from(entry);
    if (found.cover === undefined || judgeCycle(this.#propertyOf(id), this.#moves.cpusOf(steps)) !== null) return steps;
    return new Turn(this.#successors, found, found.cover).from(entry);
  }

  #propertyOf(id: string): Property {
    return this.#properties.find((each) => each.id === id)!;
  }

  #judgeDebts(debts: Debts, whole: Part): void {
    for (const slot of debts.slots) {
      const local = (state: number) => this.#searched.space.rows[state * this.#searched.space.columns + slot]!;
      const owing = whole.members.filter((state) => debts.of(slot, local(state)) !== null);
      for (const part of this.#fairParts(owing, whole)) {
        const entry = first(part.members);
        this.#keep(debts.property.id, { ...part, evidence: { message: debts.of(slot, local(entry))! }, entry });
      }
    }
  }

  #judgeOwed(id: string, owed: Owed, whole: Part): void {
    const some = whole.members.filter((state) => owed.has(state));
    for (const part of this.#fairParts(some, whole))
      this.#keep(id, { ...part, evidence: { message: owed.message }, entry: owed.firstOf(part.members)! });
  }

  /** The fair parts of some states of a part that is fair. */
  *#fairParts(some: readonly number[], whole: Part): Generator<Part> {
    if (some.length === whole.members.length) yield whole;
    else yield* this.#components.fairWithin(some, whole.cut);
  }

  #judgeCycle(property: Property, part: Part): void {
    const steps = this.#stepsWithin(part);
    const whole = this.#moves.cpusOf(steps);
    if (judgeCycle(property, whole) !== null) {
      this.#keepCycle(property, part, steps);
      return;
    }
    const lists = listsWithin(this.#moves.differentOf(steps), whole);
    if (lists === null) this.#undecided.add(property.id);
    for (const list of lists ?? []) if (judgeCycle(property, list) !== null) this.#judgeWithin(property, part, list);
  }

  /** Looks for fair cycles with this list of CPUs in a part that has more. */
  #judgeWithin(property: Property, { members, cut }: Part, list: readonly CpuInCycle[]): void {
    const { columns } = this.#successors.space;
    const allows = (place: number, alternative: number): boolean =>
      fitsIn(list, this.#moves.of({ state: Math.floor(place / columns), column: place % columns, alternative }));
    for (const part of this.#components.fairWithin(members, { ...cut, allows })) {
      const steps = this.#stepsWithin(part);
      // A list with fewer is one that is asked about as well.
      if (judgeCycle(property, this.#moves.cpusOf(steps)) !== null) this.#keepCycle(property, part, steps);
    }
  }

  #keepCycle(property: Property, part: Part, steps: readonly CycleStep[]): void {
    const cpus = this.#moves.cpusOf(steps);
    const isWaiting = (step: CycleStep) => this.#moves.of(step)?.waits === true;
    // A turn shows the wait that the evidence is about, where there is one.
    const wanted = steps.some(isWaiting) ? [isWaiting] : [];
    const cover = coverOf(cpus).map((isCovered) => (step: CycleStep) => isCovered(this.#moves.of(step)));
    this.#keep(property.id, { ...part, evidence: judgeCycle(property, cpus)!, entry: first(part.members), wanted, cover });
  }

  #stepsWithin({ members, cut }: Part): CycleStep[] {
    const inside = new Set(members);
    return members.flatMap((state) => {
      const { columns, alternatives, targets } = this.#successors;
      this.#successors.expand(state);
      return columns.flatMap((column, i) =>
        inside.has(targets[i]!) && isEdge(this.#successors, i, cut) ? [{ state, column, alternative: alternatives[i]! }] : [],
      );
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

  #findingOf(property: Property): LassoFinding | null {
    const owed = this.#owed.get(property.id);
    const all = this.#found.get(property.id);
    const ended = owed ? this.#neverTrue(owed) : property.owes ? this.#endsOwing(property) : null;
    if (ended) return { property: property.id, cycle: [], lasso: null, members: [], ...ended };
    if (!all) return null;
    // The one that is reached in the fewest steps: states are numbered in the order of their
    // distance.
    const found = all.reduce((nearest, one) => (one.entry < nearest.entry ? one : nearest));
    const { entry } = found;
    const steps = this.#turnOf(property.id, found, entry);
    const stem = owed ? this.#labels(owed.wayTo(entry)) : this.#searched.labelsTo(entry);
    const evidence = this.#evidenceOf(property.id, found, steps);
    const lasso = { from: stem.length, length: steps.length };
    return { property: property.id, ...evidence, stem, cycle: this.#labels(steps), lasso, members: all.flatMap((one) => one.members) };
  }

  #lasts(state: number): Lasts {
    return this.#successors.isQuiet(state) ? QUIET : ENDED;
  }

  /** The shortest run to a state that may last without the property ever having come true. */
  #neverTrue(owed: Owed): Pick<LassoFinding, 'message' | 'stem'> | null {
    const end = owed.firstOf(this.#ended);
    return end === null ? null : { message: neverTrue(this.#lasts(end)), stem: this.#labels(owed.wayTo(end)) };
  }

  /** The shortest run to a state that may last with an actor in a state that has to be left. */
  #endsOwing(property: Property): Pick<LassoFinding, 'message' | 'stem'> | null {
    const { world, labelsTo } = this.#searched;
    const debts = new Debts(property, world.store);
    for (const state of this.#ended) {
      const message = debts.atEnd(this.#rowOf(state), this.#lasts(state));
      if (message !== null) return { message, stem: labelsTo(state) };
    }
    return null;
  }

  /**
   * Evidence that one turn of the cycle is a violation: of an actor, where one owes something; else
   * of the CPUs in the turn, or in all of the cycle.
   */
  #evidenceOf(id: string, found: Found, steps: readonly CycleStep[]): CycleEvidence {
    return judgeCycle(this.#propertyOf(id), this.#moves.cpusOf(steps)) ?? found.evidence;
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
