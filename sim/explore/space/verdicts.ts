/**
 * What a search has found out about the properties of its scenario: where each broke, which came
 * true, and where runs end.
 */
import { endOf } from '../../end.ts';
import { propertyOf } from '../../properties/index.ts';
import { PropertyWatch } from '../../property.ts';
import type { WorldStep } from '../../rows/world-step.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';

/** The first state found in which a property breaks: no shorter way leads to such a state. */
export interface Finding {
  readonly property: string;
  readonly message: string;
  readonly state: number;
  readonly steps: number;
}

/**
 * The order in which violations are told: each property breaks once, and in what order a search met
 * them depends on how it was done.
 */
export const byProperty = (one: Pick<Finding, 'property'>, other: Pick<Finding, 'property'>): number =>
  one.property < other.property ? -1 : one.property > other.property ? 1 : 0;

/** Where a `sometimes` property first came true. */
export interface FirstMet {
  readonly evidence: string;
  readonly state: number;
}

export class Verdicts {
  readonly findings: Finding[] = [];
  readonly reached = new Map<string, FirstMet | null>();
  /** States in which nothing is left to do. */
  readonly ended: number[] = [];
  readonly #world: WorldStep;
  readonly #always: readonly PropertyWatch[];
  readonly #sometimes: readonly PropertyWatch[];
  readonly #depthOf: (state: number) => number;

  /** `always` false: no property ends a run. */
  constructor(world: WorldStep, { properties }: ResolvedScenario, always: boolean, depthOf: (state: number) => number) {
    const watch = (ids: readonly string[]) => ids.map((id) => new PropertyWatch(propertyOf(id), world.store));
    this.#world = world;
    this.#always = always ? watch(properties.always) : [];
    this.#sometimes = watch(properties.sometimes);
    this.#depthOf = depthOf;
  }

  /**
   * Whether any property wants to look at a state in which this column has gone from one value to
   * another.
   */
  wants(column: number, value: number, before: number): boolean {
    if (column >= this.#world.actors) return false;
    const wanted = (watch: PropertyWatch) => watch.wants(column, value, before);
    return this.#always.some(wanted) || this.#sometimes.some((watch) => !this.reached.has(watch.property.id) && wanted(watch));
  }

  /** Lets every property look at a state. @returns whether a run ends there */
  look(state: number, locals: readonly number[]): boolean {
    let isOver = false;
    for (const watch of this.#always) {
      const message = watch.look(locals, null);
      if (message === null) continue;
      isOver = true;
      this.#report(watch.property.id, message, state);
    }
    for (const watch of this.#sometimes) {
      if (this.reached.has(watch.property.id)) continue;
      const evidence = watch.look(locals, null);
      if (evidence !== null) this.reached.set(watch.property.id, { evidence, state });
    }
    return isOver;
  }

  /** Whether a property breaks in a state. */
  breaks(locals: readonly number[]): boolean {
    return this.#always.some((watch) => watch.look(locals, null) !== null);
  }

  /** The properties that break in a state. */
  brokenIn(locals: readonly number[]): string[] {
    return this.#always.flatMap((watch) => (watch.look(locals, null) === null ? [] : [watch.property.id]));
  }

  /** A run ends in this state: nothing is left to do, or nothing but to wait. */
  ends(state: number): void {
    this.ended.push(state);
  }

  /** What is broken where nothing is left to do but to wait. */
  checkEnd(state: number, locals: readonly number[]): void {
    const broken = endOf(this.#world.store, locals, { alternatives: 0 })?.broken;
    if (broken) this.#report(broken.property, broken.message, state);
  }

  has(property: string): boolean {
    return this.findings.some((finding) => finding.property === property);
  }

  /** Every `sometimes` property, those that never came true with null. */
  allReached(): ReadonlyMap<string, FirstMet | null> {
    return new Map(this.#sometimes.map(({ property: { id } }) => [id, this.reached.get(id) ?? null]));
  }

  #report(property: string, message: string, state: number): void {
    if (!this.has(property)) this.findings.push({ property, message, state, steps: this.#depthOf(state) });
  }
}
