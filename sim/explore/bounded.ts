/**
 * Search in the order of deviations from the in-order run: the least deviating schedule first. With limits it covers all schedules
 * within them; without, the first violation it meets is the shortest in the order disturbances, preemptions, switches, steps.
 *
 * A state is a row and the pCPU stepped last, for the price of the next choice hangs on it; it is kept at its least price.
 */
import { MemoEngine } from '../engine/memo.ts';
import { propertyOf } from '../properties/index.ts';
import { PropertyWatch } from '../property.ts';
import type { PlainWorld } from '../restore.ts';
import { DEADLOCK, deadlockIn } from '../run.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { topologyOf } from '../topology.ts';
import { type Deviations, deviationOf, NO_DEVIATIONS, plus, sumOf } from './deviations.ts';
import type { Progress, Search } from './explorer.ts';
import { Heap } from './heap.ts';
import { WorldStep } from './world-step.ts';

export interface BoundedLimits {
  readonly deviations?: number;
  readonly preemptions?: number;
  readonly switches?: number;
}

export interface BoundedOptions {
  readonly scenario: ResolvedScenario;
  readonly limits: BoundedLimits;
  readonly states: number;
  readonly from?: PlainWorld;
  /** Stop as soon as these are found; null: search on. */
  readonly until?: readonly string[] | null;
}

export interface BoundedFinding extends Deviations {
  readonly property: string;
  readonly message: string;
  readonly labels: readonly string[];
}

export interface BoundedReport {
  /** Every state within the limits was expanded. */
  readonly exhausted: boolean;
  /** No schedule was cut by a limit: the verdict holds for all schedules. */
  readonly closed: boolean;
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  readonly findings: readonly BoundedFinding[];
}

interface Node extends Deviations {
  readonly row: readonly number[];
  /** Column of the pCPU stepped last; -1 at the start. */
  readonly last: number;
  readonly steps: number;
  readonly parent: Node | null;
  readonly label: string;
}

const STEPS = 4096;
const EACH = 512;
const TURN_STATES = 4096;

export class BoundedSearch {
  readonly #options: BoundedOptions;
  readonly world: WorldStep;
  readonly #always: readonly PropertyWatch[];
  readonly #queue = new Heap<Node>();
  readonly #seen = new Set<string>();
  readonly #findings: BoundedFinding[] = [];
  #transitions = 0;
  #unchanged = 0;
  #cut = false;

  constructor(options: BoundedOptions) {
    this.#options = options;
    this.world = new WorldStep(new MemoEngine(topologyOf(options.scenario)), options.from);
    this.#always = options.scenario.properties.always.map((id) => new PropertyWatch(propertyOf(id), this.world.store));
  }

  *run(): Search<BoundedReport> {
    const { states, until } = this.#options;
    this.#push({ row: this.world.initial, last: -1, steps: 0, parent: null, label: '', ...NO_DEVIATIONS });
    let ended = true;
    for (let node = this.#queue.pop(); node; node = this.#queue.pop()) {
      const key = this.#keyOf(node);
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      if (!this.#breaks(node)) this.#expand(node);
      const enough = until?.every((id) => this.#findings.some(({ property }) => property === id)) === true;
      const stop = this.#seen.size % TURN_STATES === 0 ? yield this.#progress() : false;
      if (enough || stop || this.#seen.size >= states) {
        ended = this.#queue.size === 0;
        break;
      }
    }
    return {
      exhausted: ended,
      closed: ended && !this.#cut,
      states: this.#seen.size,
      transitions: this.#transitions,
      unchanged: this.#unchanged,
      findings: this.#findings,
    };
  }

  #progress(): Progress {
    return { states: this.#seen.size, frontier: this.#queue.size, transitions: this.#transitions, bytes: 0 };
  }

  #expand(node: Node): void {
    const world = this.world;
    const goesOn = node.last >= 0 && this.#canGoOn(node);
    for (let column = 0; column < node.row.length; column++) {
      for (const event of world.alternatives(column, node.row[column]!)) {
        const next = this.#apply(node.row, column, event);
        if (next === null) this.#unchanged++;
        else this.#follow(node, next, column, event, goesOn);
      }
    }
  }

  #follow(node: Node, row: readonly number[], column: number, event: number, goesOn: boolean): void {
    const world = this.world;
    this.#transitions++;
    const exec = world.isExec(column, node.row[column]!, event);
    const kind = column >= world.actors ? 'deliver' : exec ? 'exec' : 'offer';
    const offer = kind === 'offer' ? world.store.events.values[event]!.type : '';
    const cost = plus(node, deviationOf(kind, offer, goesOn, exec && column === node.last));
    const { deviations, preemptions, switches } = this.#options.limits;
    if (sumOf(cost) > (deviations ?? Infinity) || cost.preemptions > (preemptions ?? Infinity) || cost.switches > (switches ?? Infinity)) {
      this.#cut = true;
      return;
    }
    const label = world.label(column, node.row[column]!, event);
    this.#push({ row, last: exec ? column : node.last, steps: node.steps + 1, parent: node, label, ...cost });
  }

  /** The row after a step; null if nothing changed. */
  #apply(before: readonly number[], column: number, event: number): number[] | null {
    const { writes, sends } = this.world.run(before, column, event);
    const row = Array.from({ length: this.world.columns }, (_, i) => before[i] ?? 0);
    for (const [at, value] of writes) row[at] = value;
    for (let i = 0; i < sends.length; i += 2) {
      const channel = sends[i]!;
      row[channel] = this.world.lists.put([...this.world.lists.values[row[channel]!]!, sends[i + 1]!]);
    }
    return row.some((value, i) => value !== (before[i] ?? 0)) ? row : null;
  }

  /** Whether the pCPU stepped last has a step that changes something. */
  #canGoOn({ row, last }: Node): boolean {
    const moves = this.world.alternatives(last, row[last]!).filter((event) => this.world.isExec(last, row[last]!, event));
    return moves.some((event) => this.#apply(row, last, event) !== null);
  }

  #push(node: Node): void {
    const { deviations, preemptions, switches } = this.#options.limits;
    const bounded = deviations !== undefined || preemptions !== undefined || switches !== undefined;
    const price = (node.disturbances * EACH + node.preemptions) * EACH + node.switches;
    this.#queue.push((bounded ? sumOf(node) * EACH ** 3 + price : price) * STEPS + Math.min(node.steps, STEPS - 1), node);
  }

  #keyOf({ row, last }: Node): string {
    // Columns that are empty everywhere else may appear later: trailing zeros do not count.
    let length = row.length;
    while (length > this.world.actors && row[length - 1] === 0) length--;
    return String.fromCharCode(last + 1, ...row.slice(0, length));
  }

  #breaks(node: Node): boolean {
    const locals = node.row.slice(0, this.world.actors);
    let broke = false;
    for (const watch of this.#always) {
      const message = watch.look(locals, null);
      if (message !== null) {
        this.#report(watch.property.id, message, node);
        broke = true;
      }
    }
    const empty = node.row.every((value, column) => this.world.alternatives(column, value).length === 0);
    const deadlock = !broke && empty ? deadlockIn(this.world.store, locals) : null;
    if (deadlock !== null) this.#report(DEADLOCK, deadlock, node);
    return broke || deadlock !== null;
  }

  #report(property: string, message: string, node: Node): void {
    if (this.#findings.some((finding) => finding.property === property)) return;
    const labels: string[] = [];
    for (let at = node; at.parent; at = at.parent) labels.push(at.label);
    const { disturbances, preemptions, switches } = node;
    this.#findings.push({ property, message, labels: labels.reverse(), disturbances, preemptions, switches });
  }
}
