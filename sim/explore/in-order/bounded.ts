/**
 * Search in the order of deviations from the in-order run: the least deviating schedule first. With
 * limits it covers all schedules within them; without, the first violation it meets is the shortest
 * in the order disturbances, preemptions, switches, steps.
 *
 * A state is a row and what the in-order run would do there, as the price of the next choice
 * depends on it. It is expanded at its least price, and again at a higher one that leaves more of
 * what a limit counts: with at most 2 preemptions, 3 switches may lead further than 1 preemption.
 */
import { endOf } from '../../end.ts';
import { MemoEngine } from '../../engine/memo.ts';
import { topologyOf } from '../../host/topology.ts';
import { propertyOf } from '../../properties/index.ts';
import { PropertyWatch } from '../../property.ts';
import type { PlainWorld } from '../../restore.ts';
import { DeadEnds } from '../../rows/dead-ends.ts';
import { WorldStep } from '../../rows/world-step.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { Deviations, Limits, Progress, Search } from '../request.ts';
import { NO_DEVIATIONS, plus, sumOf } from './deviations.ts';
import { Heap } from './heap.ts';
import { type Next, Pricing } from './pricing.ts';

export interface BoundedOptions {
  readonly scenario: ResolvedScenario;
  readonly limits: Limits;
  readonly states: number;
  readonly from?: PlainWorld;
  /** Stop as soon as these are found; null: search on. */
  readonly until?: readonly string[] | null;
  /** A state that is looked for besides, under a name that `until` may have. */
  readonly goal?: { readonly name: string; readonly at: (row: readonly number[]) => boolean };
  /** Whose numbers rows are made of, where `goal` has to know them. */
  readonly world?: WorldStep;
}

export interface BoundedFinding extends Deviations {
  readonly property: string;
  readonly message: string;
  readonly labels: readonly string[];
}

export interface BoundedReport {
  /** Every state within the limits was expanded. */
  readonly exhausted: boolean;
  /** What stopped the search before that: the budget of states, or the caller. */
  readonly limit: 'states' | 'stopped' | null;
  /** Whether it is known of every state that was met if it is a deadlock. */
  readonly deadlocks: boolean;
  /** No schedule was cut by a limit: the verdict holds for all schedules. */
  readonly closed: boolean;
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  readonly findings: readonly BoundedFinding[];
  /** `sometimes` properties that did not come true. */
  readonly missed: readonly string[];
}

interface Node extends Deviations {
  readonly row: readonly number[];
  /** What the in-order run remembers. */
  readonly order: number;
  readonly steps: number;
  readonly parent: Node | null;
  readonly label: string;
}

const STEPS = 4096;
const EACH = 512;
const TURN_STATES = 256;
/** The largest code unit of a string. */
const UNIT_MAX = 0xffff;

/** What a schedule has spent of each limit. */
type Prices = readonly number[];

export class BoundedSearch {
  readonly #options: BoundedOptions;
  readonly world: WorldStep;
  readonly #pricing: Pricing;
  readonly #deadEnds: DeadEnds;
  readonly #always: readonly PropertyWatch[];
  readonly #sometimes: readonly PropertyWatch[];
  readonly #met = new Set<string>();
  readonly #queue = new Heap<Node>();
  /** What each state was expanded at, in what the limits count. */
  readonly #seen = new Map<string, readonly Prices[]>();
  readonly #findings: BoundedFinding[] = [];
  #expansions = 0;
  #transitions = 0;
  #unchanged = 0;
  #cut = false;
  /** Entries of `#seen` that stand for a state which another entry stands for as well. */
  #aliases = 0;

  constructor(options: BoundedOptions) {
    this.#options = options;
    const { scenario, from } = options;
    this.world = options.world ?? new WorldStep(new MemoEngine(topologyOf(scenario)), from);
    this.#pricing = new Pricing(this.world);
    this.#deadEnds = new DeadEnds(this.world);
    const watch = (ids: readonly string[]) => ids.map((id) => new PropertyWatch(propertyOf(id), this.world.store));
    this.#always = watch(scenario.properties.always);
    this.#sometimes = watch(scenario.properties.sometimes);
  }

  *run(): Search<BoundedReport> {
    const { states, until } = this.#options;
    this.#push({ row: this.world.initial, order: this.#pricing.start, steps: 0, parent: null, label: '', ...NO_DEVIATIONS });
    let limit: BoundedReport['limit'] = null;
    for (let node = this.#queue.pop(); node; node = this.#queue.pop()) {
      if (!this.#visit(node)) continue;
      const enough = until?.every((id) => this.#findings.some(({ property }) => property === id)) === true;
      const stop = ++this.#expansions % TURN_STATES === 0 ? yield this.#progress() : false;
      if (this.#queue.size > 0) limit = enough || stop ? 'stopped' : this.#states >= states ? 'states' : null;
      if (limit !== null) break;
    }
    return {
      exhausted: limit === null,
      limit,
      deadlocks: this.#deadEnds.undecided === 0,
      closed: limit === null && !this.#cut,
      states: this.#states,
      transitions: this.#transitions,
      unchanged: this.#unchanged,
      findings: this.#findings,
      missed: this.#sometimes.flatMap(({ property }) => (this.#met.has(property.id) ? [] : [property.id])),
    };
  }

  #progress(): Progress {
    return { states: this.#states, frontier: this.#queue.size, transitions: this.#transitions, bytes: 0 };
  }

  get #states(): number {
    return this.#seen.size - this.#aliases;
  }

  /** False if the node is known. */
  #visit(node: Node): boolean {
    const isNew = this.#enter(node, node.order);
    if (isNew === null) return false;
    if (this.#ends(node)) return true;
    const next = this.#pricing.next(node.row, node.order);
    if (next.order === node.order) {
      this.#expand(node, next, isNew);
      return true;
    }
    // Only polls lie between the two entries: they stand for one state.
    if (isNew) this.#aliases++;
    const isNewToo = this.#enter(node, next.order);
    if (isNewToo !== null) this.#expand(node, next, isNewToo);
    return isNewToo !== null;
  }

  /**
   * Whether the state is new; null if it was expanded at no higher a price in all that is limited.
   */
  #enter(node: Node, order: number): boolean | null {
    const key = this.#keyOf(node.row, order);
    const known = this.#seen.get(key);
    const prices = this.#limited(node).map(([price]) => price);
    if (known?.some((other) => other.every((price, i) => price <= prices[i]!))) return null;
    this.#seen.set(key, known ? [...known, prices] : [prices]);
    return known === undefined;
  }

  /** `[price, limit]` of all that is limited. */
  #limited(cost: Deviations): readonly (readonly [number, number])[] {
    const { deviations, preemptions, switches } = this.#options.limits;
    const all = [
      [sumOf(cost), deviations],
      [cost.preemptions, preemptions],
      [cost.switches, switches],
    ] as const;
    return all.flatMap(([price, limit]) => (limit === undefined ? [] : [[price, limit] as const]));
  }

  #expand(node: Node, next: Next, isNew: boolean): void {
    const { world } = this;
    for (let column = 0; column < node.row.length; column++) {
      for (const event of world.alternatives(column, node.row[column]!)) {
        const price = this.#pricing.costOf(node.row, next, column, event);
        const cost = plus(node, price);
        const follow = () => this.#pricing.follow(node.row, next, column, event, price);
        const isBeyond = this.#limited(cost).some(([spent, limit]) => spent > limit);
        const { changed, row, order } = isBeyond ? world.engine.lookAhead(follow) : follow();
        if (isNew && changed) this.#transitions++;
        if (isNew && !changed) this.#unchanged++;
        if (!changed) {
          // A step that changes nothing costs nothing: it is within the limits.
          if (isBeyond) follow();
        } else if (isBeyond) {
          this.#cut = true;
        } else {
          const label = world.label(column, node.row[column]!, event);
          this.#push({ row, order, steps: node.steps + 1, parent: node, label, ...cost });
        }
      }
    }
  }

  #push(node: Node): void {
    const bounded = this.#limited(node).length > 0;
    const price = (node.disturbances * EACH + node.preemptions) * EACH + node.switches;
    this.#queue.push((bounded ? sumOf(node) * EACH ** 3 + price : price) * STEPS + Math.min(node.steps, STEPS - 1), node);
  }

  #keyOf(row: readonly number[], order: number): string {
    // Columns that are empty everywhere else may appear later: trailing zeros do not count.
    let length = row.length;
    while (length > this.world.actors && row[length - 1] === 0) length--;
    const values = [order, ...row.slice(0, length)];
    // A value that does not fit one code unit must not be taken for another one. The largest one is
    // left for that.
    if (values.some((value) => value >= UNIT_MAX)) return String.fromCharCode(UNIT_MAX) + values.join();
    return String.fromCharCode(...values);
  }

  /** Whether a run ends here. */
  #ends(node: Node): boolean {
    const locals = node.row.slice(0, this.world.actors);
    let isOver = false;
    const { goal } = this.#options;
    if (goal?.at(node.row)) this.#report(goal.name, '', node);
    for (const watch of this.#sometimes)
      if (!this.#met.has(watch.property.id) && watch.look(locals, null) !== null) this.#met.add(watch.property.id);
    for (const watch of this.#always) {
      const message = watch.look(locals, null);
      if (message !== null) {
        this.#report(watch.property.id, message, node);
        isOver = true;
      }
    }
    if (isOver) return true;
    const end = endOf(this.world.store, node.row, {
      alternatives: this.world.countOf(node.row),
      isDead: () => this.#deadEnds.isDeadIfNoneProgresses(node.row),
    });
    if (end?.broken) this.#report(end.broken.property, end.broken.message, node);
    return end !== null;
  }

  #report(property: string, message: string, node: Node): void {
    if (this.#findings.some((finding) => finding.property === property)) return;
    const labels: string[] = [];
    for (let at = node; at.parent; at = at.parent) labels.push(at.label);
    const { disturbances, preemptions, switches } = node;
    this.#findings.push({ property, message, labels: labels.reverse(), disturbances, preemptions, switches });
  }
}
