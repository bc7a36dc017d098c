/**
 * Breadth-first search over orbits: of all states that differ by a renaming of interchangeable actors one is expanded. What is kept
 * is the state that was really reached, so that the way to it is a schedule as it stands.
 */
import { MemoEngine } from '../engine/memo.ts';
import { propertyOf } from '../properties/index.ts';
import { PropertyWatch } from '../property.ts';
import { DEADLOCK, deadlockIn } from '../run.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { topologyOf } from '../topology.ts';
import type { Search } from './explorer.ts';
import { Symmetry, SymmetryError } from './symmetry.ts';
import { WorldStep } from './world-step.ts';

export interface OrbitFinding {
  readonly property: string;
  readonly message: string;
  readonly labels: readonly string[];
}

export interface OrbitReport {
  readonly exhausted: boolean;
  /** Orbits. */
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  readonly findings: readonly OrbitFinding[];
  /** Most states that one orbit stands for. */
  readonly factor: number;
}

interface Node {
  readonly row: readonly number[];
  readonly parent: Node | null;
  readonly label: string;
}

const TURN_STATES = 512;

export class OrbitSearch {
  readonly world: WorldStep;
  readonly #scenario: ResolvedScenario;
  readonly #states: number;
  readonly #symmetry: Symmetry;
  readonly #always: readonly PropertyWatch[];
  readonly #seen = new Set<string>();
  readonly #queue: Node[] = [];
  readonly #findings: OrbitFinding[] = [];
  #transitions = 0;
  #unchanged = 0;

  /** @throws SymmetryError if the model has no symmetry, or too much */
  constructor(scenario: ResolvedScenario, states: number) {
    const topology = topologyOf(scenario);
    this.#scenario = scenario;
    this.#states = states;
    this.world = new WorldStep(new MemoEngine(topology));
    this.#symmetry = new Symmetry(this.world, topology.interchangeable ?? []);
    this.#always = this.#scenario.properties.always.map((id) => new PropertyWatch(propertyOf(id), this.world.store));
  }

  *run(): Search<OrbitReport> {
    this.#meet({ row: this.world.initial, parent: null, label: '' });
    let at = 0;
    for (; at < this.#queue.length && this.#seen.size < this.#states; at++) {
      if (!this.#breaks(this.#queue[at]!)) this.#expand(this.#queue[at]!);
      const stop = at % TURN_STATES === 0 ? yield this.#progress(at) : false;
      if (stop) break;
    }
    return {
      exhausted: at >= this.#queue.length,
      states: this.#seen.size,
      transitions: this.#transitions,
      unchanged: this.#unchanged,
      findings: this.#findings,
      factor: this.#symmetry.factor,
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
        const { writes, sends } = this.world.run(row, column, event);
        if (sends.length > 0) throw new SymmetryError('queued messages are not permuted; search without --reduce symmetry');
        const next = row.map((old, at) => writes.get(at) ?? old);
        if (next.every((value2, at) => value2 === row[at])) {
          this.#unchanged++;
          continue;
        }
        this.#transitions++;
        this.#meet({ row: next, parent: node, label: this.world.label(column, value, event) });
      }
    }
  }

  /** Properties treat interchangeable actors alike, so one state speaks for its orbit. */
  #breaks(node: Node): boolean {
    const { row } = node;
    let broke = false;
    for (const watch of this.#always) {
      const message = watch.look(row, null);
      if (message === null) continue;
      broke = true;
      this.#report(watch.property.id, message, node);
    }
    const deadlock = row.every((value, column) => this.world.alternatives(column, value).length === 0)
      ? deadlockIn(this.world.store, row)
      : null;
    if (deadlock !== null) this.#report(DEADLOCK, deadlock, node);
    return broke;
  }

  #report(property: string, message: string, node: Node): void {
    if (this.#findings.some((finding) => finding.property === property)) return;
    const labels: string[] = [];
    for (let at = node; at.parent; at = at.parent) labels.push(at.label);
    this.#findings.push({ property, message, labels: labels.reverse() });
  }
}
