/**
 * Breadth-first search over orbits: of all states that differ by a renaming of interchangeable
 * actors one is expanded. What is kept is the state that was really reached, so that the way to it
 * is a schedule as it stands.
 */
import { endOf } from '../../end.ts';
import { MemoEngine } from '../../engine/memo.ts';
import { topologyOf } from '../../host/topology.ts';
import { propertyOf } from '../../properties/index.ts';
import { PropertyWatch } from '../../property.ts';
import { DeadEnds } from '../../rows/dead-ends.ts';
import { WorldStep } from '../../rows/world-step.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { Search } from '../request.ts';
import { type IsSeen, labelsAlong, runLocal } from '../space/local.ts';
import { Symmetry, SymmetryError } from './symmetry.ts';

export interface OrbitFinding {
  readonly property: string;
  readonly message: string;
  readonly labels: readonly string[];
}

export interface OrbitReport {
  readonly exhausted: boolean;
  /** Whether it is known of every state that was met if it is a deadlock. */
  readonly deadlocks: boolean;
  /** Orbits. */
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  readonly findings: readonly OrbitFinding[];
  /** `sometimes` properties that did not come true. */
  readonly missed: readonly string[];
  /** Most states that one orbit stands for. */
  readonly factor: number;
  /**
   * How often a state was gone through in a local step, and not kept; absent where all are kept.
   */
  readonly passed?: number;
}

interface Node {
  readonly row: readonly number[];
  readonly parent: Node | null;
  /** Of the step that led here, and of the local steps that ran on after it. */
  readonly labels: readonly string[];
}

const TURN_STATES = 64;

export class OrbitSearch {
  readonly world: WorldStep;
  readonly #states: number;
  readonly #symmetry: Symmetry;
  readonly #deadEnds: DeadEnds;
  readonly #always: readonly PropertyWatch[];
  readonly #sometimes: readonly PropertyWatch[];
  readonly #met = new Set<string>();
  readonly #seen = new Set<string>();
  readonly #queue: Node[] = [];
  readonly #findings: OrbitFinding[] = [];
  readonly #local: boolean;
  #transitions = 0;
  #unchanged = 0;
  #passed = 0;

  /**
   * `local`: local steps run on.
   * @throws SymmetryError if the model has no symmetry, or too much
   */
  constructor(scenario: ResolvedScenario, states: number, local = false) {
    const topology = topologyOf(scenario);
    this.#states = states;
    this.#local = local;
    this.world = new WorldStep(new MemoEngine(topology));
    this.#symmetry = new Symmetry(this.world, topology.interchangeable ?? []);
    this.#deadEnds = new DeadEnds(this.world);
    const watch = (ids: readonly string[]) => ids.map((id) => new PropertyWatch(propertyOf(id), this.world.store));
    this.#always = watch(scenario.properties.always);
    this.#sometimes = watch(scenario.properties.sometimes);
  }

  /** A state of each orbit that was found, in the order of the search. */
  get kept(): readonly (readonly number[])[] {
    return this.#queue.map(({ row }) => row);
  }

  *run(): Search<OrbitReport> {
    this.#meet({ row: this.world.initial, parent: null, labels: [] });
    let at = 0;
    for (; at < this.#queue.length && this.#seen.size < this.#states; at++) {
      if (!this.#breaks(this.#queue[at]!)) this.#expand(this.#queue[at]!);
      if (at % TURN_STATES !== 0) continue;
      this.#symmetry.verify();
      if (yield this.#progress(at)) break;
    }
    this.#symmetry.verify();
    return {
      exhausted: at >= this.#queue.length,
      deadlocks: this.#deadEnds.undecided === 0,
      states: this.#seen.size,
      transitions: this.#transitions,
      unchanged: this.#unchanged,
      findings: this.#findings,
      missed: this.#sometimes.flatMap(({ property }) => (this.#met.has(property.id) ? [] : [property.id])),
      factor: this.#symmetry.factor,
      ...(this.#local && { passed: this.#passed }),
    };
  }

  #progress(at: number) {
    return { states: this.#seen.size, frontier: this.#queue.length - at, transitions: this.#transitions, bytes: 0 };
  }

  #meet(node: Node): void {
    const orbit = this.#symmetry.leastOf(node.row);
    if (this.#seen.has(orbit)) return;
    this.#seen.add(orbit);
    this.#queue.push(node);
  }

  #expand(node: Node): void {
    const { row } = node;
    for (const [column, value] of row.entries()) {
      for (const event of this.world.alternatives(column, value)) {
        const trace = this.world.run(row, column, event);
        if (!trace.changed) {
          this.#unchanged++;
          continue;
        }
        this.#transitions++;
        const next = this.world.after(row, trace);
        this.#meet(this.#runOn({ row: next, parent: node, labels: [this.world.label(column, value, event)] }));
      }
    }
  }

  #runOn(node: Node): Node {
    if (!this.#local || this.#isSeen(node.row, node.row)) return node;
    const { row, passed } = runLocal(this.world, node.row, this.#isSeen);
    this.#passed += passed;
    return { ...node, row, labels: [...node.labels, ...labelsAlong(this.world, node.row, row)] };
  }

  /** What properties look at: actors, not queues. */
  #localsOf(row: readonly number[]): readonly number[] {
    return row.length === this.world.actors ? row : row.slice(0, this.world.actors);
  }

  readonly #isSeen: IsSeen = (_, row) => {
    // A state that is gone through speaks for its orbit as one that is kept does.
    const sees = (watch: PropertyWatch) => this.#evidenceOf(watch, row) !== null;
    return this.#always.some(sees) || this.#sometimes.some(sees);
  };

  /**
   * Whether a run ends here. One state speaks for its orbit, as long as properties treat
   * interchangeable actors alike.
   */
  #breaks(node: Node): boolean {
    const { row } = node;
    let isOver = false;
    for (const watch of this.#sometimes)
      if (!this.#met.has(watch.property.id) && this.#evidenceOf(watch, row) !== null) this.#met.add(watch.property.id);
    for (const watch of this.#always) {
      const message = this.#evidenceOf(watch, row);
      if (message === null) continue;
      isOver = true;
      this.#report(watch.property.id, message, node);
    }
    if (isOver) return true;
    const end = endOf(this.world.store, row, {
      alternatives: this.world.countOf(row),
      isDead: () => this.#deadEnds.isDeadIfNoneProgresses(row),
    });
    if (end?.broken) this.#report(end.broken.property, end.broken.message, node);
    return end !== null;
  }

  /**
   * @throws SymmetryError if the property tells interchangeable actors apart: then the states of an
   * orbit are not alike
   */
  #evidenceOf(watch: PropertyWatch, row: readonly number[]): string | null {
    const evidence = watch.look(this.#localsOf(row), null);
    for (const image of this.#symmetry.imagesOf(row)) {
      if ((watch.look(this.#localsOf(image), null) === null) === (evidence === null)) continue;
      throw new SymmetryError(`${watch.property.id} tells interchangeable actors apart`);
    }
    return evidence;
  }

  #report(property: string, message: string, node: Node): void {
    if (this.#findings.some((finding) => finding.property === property)) return;
    const labels: string[] = [];
    for (let at = node; at.parent; at = at.parent) labels.unshift(...at.labels);
    this.#findings.push({ property, message, labels });
  }
}
