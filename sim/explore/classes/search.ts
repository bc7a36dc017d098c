/**
 * Breadth-first search over classes: a state is a program part and the configurations of the
 * scheduler that it can be in by steps of the scheduler alone. It is expanded in all of them, as
 * far as a step can tell them apart.
 *
 * The search finds the same program parts as one over all states, as configurations that reach each
 * other without a step of a program do what each of them does. docs/large-spaces.md has the
 * conditions, and what checks them.
 */
import type { MemoEngine } from '../../engine/memo.ts';
import { propertyOf } from '../../properties/index.ts';
import { PropertyWatch } from '../../property.ts';
import { LOOK, MUST_CHANGE, SENDS, StepTrie, UNCHANGED } from '../../rows/step-trie.ts';
import { WorldStep } from '../../rows/world-step.ts';
import type { Progress, Search } from '../request.ts';
import { RUN_ENDS, type StateSpace } from '../space/state-space.ts';
import { Verdicts } from '../space/verdicts.ts';
import { Arrivals } from './arrivals.ts';
import { Classes } from './classes.ts';
import { ComponentGraph } from './component-graph.ts';
import { DeadMembers } from './dead-members.ts';
import { Lookup } from './lookup.ts';
import { Names, renameable } from './names.ts';
import type { ClassOptions } from './options.ts';
import { Parts } from './parts.ts';
import { inTurns, tries } from './pause.ts';
import { type Group, IN_STEP, leafFrom, type Planned, Plans } from './plan.ts';
import { ClassRows } from './rows.ts';
import { Sights } from './sights.ts';
import { type ClassStep, ClassSteps } from './steps.ts';
import { Taken } from './taken.ts';
import type { ClassView, Target } from './view.ts';

/** States expanded between two turns of the caller. */
const TURN_STATES = 1 << 9;

/** A state, and its program part. */
interface Place {
  readonly state: number;
  readonly program: ArrayLike<number>;
}

export class ClassSearch {
  readonly world: WorldStep;
  readonly parts: Parts;
  readonly steps: ClassSteps;
  readonly graph: ComponentGraph;
  readonly verdicts: Verdicts;
  readonly sights: Sights;
  /** All properties of the search. */
  readonly watches: readonly PropertyWatch[];
  readonly classes: Classes;
  readonly rows: ClassRows;
  readonly lookup: Lookup;
  readonly dead: DeadMembers;
  /** A step was taken that no run takes: it was found out afterwards that none comes there. */
  isOverTaken = false;
  head = 0;
  unchanged = 0;
  readonly #options: ClassOptions;
  readonly #left = new Map<number, ClassView>();
  readonly #arrivals: Arrivals;
  readonly #taken = new Taken();
  readonly #leaves: Planned[] = [];
  readonly #plans = new Plans();
  #met = 0;

  constructor(options: ClassOptions, engine: MemoEngine) {
    this.#options = options;
    const { scenario } = options;
    this.world = new WorldStep(engine, options.from ?? null);
    this.parts = new Parts(this.world);
    this.verdicts = new Verdicts(this.world, scenario, true, () => 0);
    this.steps = new ClassSteps(
      this.parts,
      new StepTrie(this.world, (column, value, before) => this.verdicts.wants(column, value, before)),
    );
    const ids = [...scenario.properties.always, ...scenario.properties.sometimes];
    this.watches = ids.map((id) => new PropertyWatch(propertyOf(id), this.world.store));
    this.sights = new Sights(this.parts, scenario);
    this.graph = new ComponentGraph(this.parts, this.steps);
    const interchangeable = this.world.engine.topology.interchangeable ?? [];
    const groups = { none: [], cpus: renameable(this.parts, interchangeable), all: interchangeable }[options.renames];
    const renames = groups.length > 0 || options.renames === 'all';
    this.classes = new Classes(this.graph, this.parts, renames ? new Names(this.parts, groups) : null);
    this.rows = new ClassRows(this.classes, this.parts);
    this.lookup = new Lookup(this.graph, this.parts, this.steps);
    this.dead = new DeadMembers(this.graph, this.parts);
    this.#arrivals = new Arrivals(this);
  }

  get space(): StateSpace {
    return this.rows.space;
  }

  get names(): Names | null {
    return this.classes.names;
  }

  get progress(): Progress {
    const { count, bytes } = this.space;
    return {
      states: count,
      frontier: count - this.head,
      transitions: this.rows.transitions,
      bytes,
      depth: count > 0 ? this.space.depthOf(Math.min(this.head, count - 1)) : 0,
    };
  }

  /**
   * Expands until all is expanded, or a budget is used up.
   * @returns the budget
   */
  *run(): Search<'states' | 'bytes' | 'stopped' | null> {
    const { states, fits, isTimed } = this.#options.budget;
    const cut = yield* inTurns(this, () => this.#begin());
    if (cut) return cut;
    for (; this.head < this.space.count; this.head++) {
      if (this.space.count >= states) return 'states';
      if (this.head % TURN_STATES === TURN_STATES - 1) {
        if (fits && !fits(this.space.growth(TURN_STATES * 64))) return 'bytes';
        if (isTimed) this.world.engine.verifySome(Number.POSITIVE_INFINITY);
        const stop = yield this.progress;
        if (stop) return stop === 'bytes' ? stop : 'stopped';
      }
      if (this.verdicts.reached.size !== this.#met) this.#forget();
      if (this.space.ends[this.head] === RUN_ENDS || tries(this, this.#expandHead)) continue;
      const why = yield* inTurns(this, this.#expandHead);
      if (why) return why;
    }
    return null;
  }

  readonly #expandHead = (): void => this.#expand(this.head);

  /** A property that has come true once is no longer looked for. */
  #forget(): void {
    this.#met = this.verdicts.reached.size;
    if (this.sights.drop(this.verdicts.reached))
      for (const view of this.classes.views) {
        view.alike = [];
        view.isEvident = undefined;
        view.isUniform = undefined;
      }
    // What has to be looked at is another now.
    this.lookup.forget();
    this.steps.trie.clear('a property came true');
  }

  #begin(): void {
    const { configuration, program } = this.parts.split(this.world.initial);
    this.steps.fit();
    const first = this.graph.put(configuration, program);
    if (this.names !== null && !this.classes.isAnyName(first, program)) {
      if (this.#options.renames === 'all') this.names.refuseFirst();
      this.classes.names = null;
    }
    this.#arrivals.enter(first, program, -1);
  }

  /** The members of a state's class in which no run ends. */
  openViewOf(state: number): ClassView {
    return this.#left.get(state) ?? this.viewOf(state);
  }

  /** Whether a run ends in a state, or it was not expanded. */
  isOver(state: number): boolean {
    return state >= this.head || this.space.ends[state] === RUN_ENDS;
  }

  viewOf(state: number): ClassView {
    return this.classes.viewNamed(this.space.rows[this.space.at(state)]!);
  }

  /** All that may pause comes first: what is noted and added is done once. */
  #expand(state: number): void {
    const program = this.rows.read(state);
    const place = { state, program };
    const view = this.viewOf(state);
    this.takeMoves(view, program);
    const leaves = this.#leaves;
    leaves.length = 0;
    for (const group of this.lookup.groupsOf(view, program))
      leaves.push(this.#plans.leafOf(group, program) ?? this.#learn(view, place, group));
    const offered = this.lookup.offeredIn(view, program, this.#taken);
    const targets = this.#targetsOf(view, offered);
    const dead = this.dead.goesOn(view, leaves, offered) ? [] : this.dead.deadIn(view, program, this.lookup.takenIn(view, program));
    if (dead.length > 0) this.#expandWithout(dead, view, place);
    else {
      this.#arrivals.lookAmong(view, program, state, dead);
      for (let i = 0; i < leaves.length; i++) this.#followLeaf(view, place, leaves[i]!);
      this.#followAll(view, place, offered, targets);
      this.#noteEnds(view, place);
    }
    this.#arrivals.endBeside(view, program, state, dead);
  }

  #followLeaf(view: ClassView, place: Place, { outcomes, unchanged, begin }: Planned): void {
    const { code } = this.#plans;
    this.unchanged += unchanged;
    for (let i = 0, at = begin; i < outcomes.length; i++) {
      const { step, subset, target } = outcomes[i]!;
      const length = code[at++]!;
      if (length === IN_STEP) this.#arrive(view, place, step, subset, target);
      else {
        this.rows.set(code, at, at + length);
        this.#arrivals.arrive(target, place.state, (step.flags & LOOK) !== 0);
        this.rows.unset(code, at, at + length);
        at += length;
      }
    }
  }

  /** What the steps of a group come to. */
  #learn(view: ClassView, place: Place, group: Group): Planned {
    const taken = this.lookup.takenBy(group.entries, view, place.program);
    const leaf = leafFrom(view, taken, (step, subset) => this.#targetOf(view, step, subset));
    return this.#plans.hang(group, this.lookup.read, place.program, leaf);
  }

  /** Some members of a class are dead: a run goes on from the others only. */
  #expandWithout(dead: readonly number[], view: ClassView, place: Place): void {
    const left = this.classes.ofMembers(view.members.filter((id) => !dead.includes(id)));
    const taken = left.members.length === 0 ? new Taken() : this.lookup.takenIn(left, place.program);
    const targets = this.#targetsOf(left, taken);
    this.isOverTaken = true;
    this.#arrivals.lookAmong(view, place.program, place.state, dead);
    for (const configuration of dead) this.#endIn(place, configuration);
    this.#left.set(place.state, left);
    if (left.members.length === 0) this.space.ends[place.state] = RUN_ENDS;
    this.#followAll(left, place, taken, targets);
    this.#noteEnds(left, place);
  }

  /** Takes the scheduler's own steps in a class that a run comes to. */
  takeMoves(view: ClassView, program: ArrayLike<number>): void {
    if (!view.isTaken) for (const id of view.members) this.graph.take(id, program);
    view.isTaken = true;
  }

  #endIn({ state, program }: Place, configuration: number): void {
    this.verdicts.checkEnd(state, this.localsOf(configuration, program));
    this.verdicts.ends(state);
  }

  /** Members in which nothing is left to do. */
  #noteEnds(view: ClassView, place: Place): void {
    for (const id of view.idle) if (this.world.countOf(this.rowOf(id, place.program)) === 0) this.#endIn(place, id);
  }

  rowOf(configuration: number, program: ArrayLike<number>): number[] {
    return this.parts.join(this.graph.partOf(configuration), program);
  }

  localsOf(configuration: number, program: ArrayLike<number>): number[] {
    return this.parts.join(this.graph.partOf(configuration), program, this.world.actors);
  }

  /** Where steps lead; null for one that changes nothing. */
  #targetsOf(view: ClassView, { steps, subsets }: Taken): readonly (Target | null)[] {
    return steps.map((step, i) => ((step.flags & UNCHANGED) !== 0 ? null : this.#targetOf(view, step, subsets[i]!)));
  }

  #followAll(view: ClassView, place: Place, { steps, subsets }: Taken, targets: readonly (Target | null)[]): void {
    for (const [i, target] of targets.entries()) {
      if (target === null) this.unchanged++;
      else this.#arrive(view, place, steps[i]!, subsets[i]!, target);
    }
  }

  /** Where a step leads from the members of a subset. */
  #targetOf(view: ClassView, step: ClassStep, subset: number): Target {
    const known = view.targetOf(subset, step);
    if (known !== undefined) return known;
    this.rows.apply(step, this.#joined);
    const target = this.classes.target(view, { step, subset, program: this.rows.next });
    this.rows.takeBack(step);
    return target;
  }

  readonly #joined = (list: number, message: number): number => this.steps.trie.joined(list, message);

  #arrive(view: ClassView, { state, program }: Place, step: ClassStep, subset: number, target: Target): void {
    this.rows.apply(step, this.#joined);
    if ((step.flags & SENDS) !== 0 && (step.flags & MUST_CHANGE) !== 0 && this.rows.isUnchanged()) {
      const still = view.subsets[subset]!.find((id) => this.graph.after(id, step, program) === id);
      if (still !== undefined) this.#refuse(still, program, step);
    }
    this.#arrivals.arrive(target, state, (step.flags & LOOK) !== 0);
    this.rows.takeBack(step);
  }

  /** The step must change something: to learn it again raises the error. */
  #refuse(id: number, program: ArrayLike<number>, { reads }: ClassStep): void {
    const row = this.rowOf(id, program);
    const column = reads[0]!;
    for (const event of this.world.alternatives(column, row[column]!)) this.world.run(row, column, event);
  }
}
