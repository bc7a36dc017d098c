/**
 * What partial-order reductions would save: the same plain search with and without them, on shipped
 * scenarios. Local steps are counted generously, as if every step that touches no actor but its
 * CPU, thread and vCPU were independent of all others, and visible to no property: what a sound
 * reduction saves is less. Sleep sets use the exact footprint of each step. The figures stand in
 * docs/decisions/0010-no-partial-order-reduction.md. `npx tsx bench/reductions.ts`
 */
import { readFileSync } from 'node:fs';
import { shippedPath } from '../api/shipped-scenarios.ts';
import { MemoEngine } from '../sim/engine/memo.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { knownProperties, propertyOf } from '../sim/properties/index.ts';
import { PropertyWatch } from '../sim/property.ts';
import { type StepTrace, WorldStep } from '../sim/rows/world-step.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';

type Row = readonly number[];
type Reduction = 'none' | 'local' | 'local, also before a preemption' | 'sleep';

/**
 * Of rmp-host-write-race one variant: the others differ by a policy at the end. rmp-churn is too
 * large for a plain search.
 */
const CASES = [
  ['rmpadjust-vs-rmpupdate', 'inuse'],
  ['rmpadjust-vs-rmpupdate', 'overlap-2m'],
  ['rmpadjust-vs-rmpupdate', 'inuse-retried'],
  ['vmsa-in-use-kick', 'kick-and-block'],
  ['vmsa-in-use-kick', 'kick'],
  ['vmsa-in-use-kick', 'no-kick'],
  ['rmp-lock', 'default'],
  ['rmp-host-write-race', 'kill-guest'],
] as const;
const REDUCTIONS: readonly Reduction[] = ['none', 'local', 'local, also before a preemption', 'sleep'];
/** Kinds that a local step may touch besides its own CPU. */
const OWN = ['hostThread', 'vcpu'];

interface Step {
  readonly name: string;
  readonly trace: StepTrace;
  readonly next: Row;
  /** Columns read or written, and those written or sent to. */
  readonly touches: ReadonlySet<number>;
  readonly changes: ReadonlySet<number>;
}

interface Visit {
  readonly row: Row;
  /** Names of the steps to take; null: all but those asleep. */
  readonly only: ReadonlySet<string> | null;
  readonly asleep: ReadonlyMap<string, Step>;
}

class PlainSearch {
  readonly #world: WorldStep;
  readonly #always: readonly PropertyWatch[];
  readonly #reduction: Reduction;
  readonly #asleep = new Map<string, ReadonlyMap<string, Step>>();
  readonly #queue: Visit[] = [];
  readonly broken = new Set<string>();
  transitions = 0;

  constructor(scenario: ResolvedScenario, reduction: Reduction) {
    this.#world = new WorldStep(new MemoEngine(topologyOf(scenario)));
    this.#reduction = reduction;
    this.#always = scenario.properties.always.map((id) => new PropertyWatch(propertyOf(id), this.#world.store));
  }

  get states(): number {
    return this.#asleep.size;
  }

  run(): void {
    this.#meet(this.#world.initial, new Map());
    for (let at = 0; at < this.#queue.length; at++) {
      const visit = this.#queue[at]!;
      this.#queue[at] = null as never;
      if (this.#ends(visit.row)) continue;
      const local = this.#reduction.startsWith('local') ? this.#localStep(visit.row) : null;
      if (local) this.#take([local], visit);
      else this.#take(this.#steps(visit.row), visit);
    }
  }

  #take(steps: readonly Step[], { only, asleep }: Visit): void {
    const sleeping = new Map(asleep);
    for (const step of steps) {
      if (asleep.has(step.name) || (only && !only.has(step.name))) continue;
      this.transitions++;
      const kept = this.#reduction === 'sleep' ? [...sleeping].filter(([, other]) => areIndependent(step, other)) : [];
      this.#meet(step.next, new Map(kept));
      sleeping.set(step.name, step);
    }
  }

  /** A state reached again with fewer steps asleep has to take those that are awake now. */
  #meet(row: Row, asleep: ReadonlyMap<string, Step>): void {
    const key = keyOf(row);
    const known = this.#asleep.get(key);
    if (!known) {
      this.#asleep.set(key, asleep);
      this.#queue.push({ row, only: null, asleep });
      return;
    }
    if (known.size === 0) return;
    const awake = [...known.keys()].filter((name) => !asleep.has(name));
    if (awake.length === 0) return;
    const left = new Map([...known].filter(([name]) => asleep.has(name)));
    this.#asleep.set(key, left);
    this.#queue.push({ row, only: new Set(awake), asleep: left });
  }

  #ends(row: Row): boolean {
    const locals = row.slice(0, this.#world.actors);
    let isOver = false;
    for (const watch of this.#always) {
      if (watch.look(locals, null) === null) continue;
      this.broken.add(watch.property.id);
      isOver = true;
    }
    return isOver;
  }

  #steps(row: Row): Step[] {
    const steps: Step[] = [];
    for (let column = 0; column < row.length; column++)
      for (const event of this.#world.alternatives(column, row[column]!)) {
        const step = this.#step(row, column, event);
        if (step) steps.push(step);
      }
    return steps;
  }

  /** Null where it changes nothing. */
  #step(row: Row, column: number, event: number): Step | null {
    const trace = this.#world.run(row, column, event);
    if (!trace.changed) return null;
    const next = this.#world.after(row, trace);
    // A latched message may be held back in another state: what is sent counts as changed.
    const sent = trace.sends.filter((_, i) => i % 2 === 0);
    const changes = new Set([...sent, ...[...trace.writes].flatMap(([at, value]) => (value === row[at] ? [] : [at]))]);
    const touches = new Set([...trace.reads.filter((_, i) => i % 2 === 0), ...changes]);
    return { name: `${column} ${event}`, trace, next, touches, changes };
  }

  /**
   * A step of a CPU that touches no actor of another CPU, and leads to a new state, so that no
   * cycle is cut short.
   */
  #localStep(row: Row): Step | null {
    const { store } = this.#world;
    for (let column = 0; column < this.#world.actors; column++) {
      const kind = store.kindOfSlot[column]!;
      const { exec, other } = this.#world.offers.of(kind, row[column]!);
      const beforePreemption = this.#reduction !== 'local';
      if (kind.name !== 'pcpu' || exec.length !== 1 || (other.length > 0 && !beforePreemption)) continue;
      const step = this.#step(row, column, exec[0]!);
      if (!step || step.trace.sends.length > 0) continue;
      const isOwn = [...step.touches].every((slot) => slot === column || OWN.includes(store.kindOfSlot[slot]?.name ?? ''));
      // Before a preemption it must leave the CPU's context as it is, for that decides where the
      // CPU may be preempted.
      if (!isOwn || (beforePreemption && step.changes.has(column)) || this.#asleep.has(keyOf(step.next))) continue;
      return step;
    }
    return null;
  }
}

const areIndependent = (a: Step, b: Step): boolean =>
  [...a.changes].every((column) => !b.touches.has(column)) && [...b.changes].every((column) => !a.touches.has(column));

function keyOf(row: Row): string {
  let { length } = row;
  while (length > 0 && row[length - 1] === 0) length--;
  return String.fromCharCode(...row.slice(0, length));
}

console.log('| scenario | reduction | states | transitions | seconds | breaks |\n| --- | --- | --- | --- | --- | --- |');
for (const [name, variant] of CASES) {
  const known = knownProperties();
  const source = loadScenario(readFileSync(shippedPath(name), 'utf8'), name, known);
  const scenario = resolveScenario(source, { variant, knownProperties: known });
  for (const reduction of REDUCTIONS) {
    const search = new PlainSearch(scenario, reduction);
    const begin = performance.now();
    search.run();
    const seconds = ((performance.now() - begin) / 1000).toFixed(2);
    const counts = [search.states, search.transitions].map((count) => count.toLocaleString('en'));
    console.log(`| ${[`${name} \`${variant}\``, reduction, ...counts, seconds, [...search.broken].sort().join(', ')].join(' | ')} |`);
  }
}
