/**
 * The strategies by name, and what they have to know of a scenario before the first schedule: both
 * follow from the scenario alone.
 */
import { PctStrategy } from '../../choosers/pct.ts';
import { PosStrategy } from '../../choosers/pos.ts';
import { StarveStrategy } from '../../choosers/starve.ts';
import type { Strategy } from '../../choosers/strategy.ts';
import { type SurwProfile, SurwStrategy } from '../../choosers/surw.ts';
import { Prng, splitSeed } from '../../prng.ts';
import { LOOK } from '../../rows/step-trie.ts';
import { UNCHANGED_OR_YIELDS, type Walk } from '../../rows/walk.ts';
import { WalkView } from './walk-view.ts';
import type { Watching } from './watching.ts';

export const STRATEGIES = ['random', 'pct', 'pos', 'surw', 'starve'] as const;
export type StrategyName = (typeof STRATEGIES)[number];

/** Depth of the bugs that `pct` is after, unless it is given. */
export const DEPTH_DEFAULT = 3;
/** Steps before a schedule is cut, unless it is given. */
export const STEPS_DEFAULT = 10_000;

/** Runs that tell how many decisions a schedule has. */
const HORIZON_RUNS = 32;

export interface StrategyOptions {
  readonly depth: number;
  /** Decisions among which `pct` draws its places; measured if not given. */
  readonly horizon?: number | undefined;
  readonly stepsMax: number;
  /** Says where a schedule ends. */
  readonly watching: Watching;
}

/**
 * Makes strategies for one scenario. What they need to know is measured once, when the first of a
 * name is made.
 */
export class StrategyMaker {
  readonly #walk: Walk;
  readonly #options: StrategyOptions;
  readonly #horizons = new Map<number, number>();
  #profile: SurwProfile | null = null;

  /** The walk is left in its first state. */
  constructor(walk: Walk, options: StrategyOptions) {
    this.#walk = walk;
    this.#options = options;
  }

  /** Measures what strategies of this name need to know. */
  prepare(name: StrategyName): void {
    if (name === 'surw') this.#profile ??= this.#surwProfile();
    if (name === 'pct') this.horizon();
  }

  make(name: StrategyName, seed: number, depth = this.#options.depth): Strategy {
    switch (name) {
      case 'random':
        return new RandomStrategy(seed);
      case 'pct':
        return new PctStrategy({ seed, depth, horizon: this.horizon(depth) });
      case 'pos':
        return new PosStrategy(seed);
      case 'surw':
        this.#profile ??= this.#surwProfile();
        return new SurwStrategy(seed, this.#profile);
      case 'starve':
        return new StarveStrategy(seed);
    }
  }

  /**
   * Decisions among which the places of `pct` are drawn: the most that any of a few schedules of
   * the same kind had.
   */
  horizon(depth = this.#options.depth): number {
    const { horizon } = this.#options;
    if (horizon !== undefined) return horizon;
    const known = this.#horizons.get(depth);
    if (known !== undefined) return known;
    let most = 1;
    for (let run = 0; run < HORIZON_RUNS; run++) {
      const strategy = new PctStrategy({ seed: splitSeed(0, run), depth, horizon: most });
      // One that had to be cut says nothing about how long they are.
      if (!this.#walkOnce(strategy)) continue;
      most = Math.max(most, strategy.decisions);
    }
    this.#horizons.set(depth, most);
    return most;
  }

  /** Counts who gives which actor how many events, in one random schedule. */
  #surwProfile(): SurwProfile {
    const all = new Map<number, number>();
    const bySlot = new Map<number, Map<number, number>>();
    const add = (counts: Map<number, number>, entity: number) => counts.set(entity, (counts.get(entity) ?? 0) + 1);
    this.#walkOnce(new RandomStrategy(0), (view, index) => {
      const entity = view.entity(index);
      add(all, entity);
      for (const slot of view.footprint(index)) {
        if (!bySlot.has(slot)) bySlot.set(slot, new Map());
        add(bySlot.get(slot)!, entity);
      }
    });
    const shared = [...bySlot].flatMap(([slot, counts]) => (counts.size > 1 ? [{ slot, counts }] : []));
    return { all, shared: shared.sort((a, b) => a.slot - b.slot) };
  }

  /** @returns whether the schedule came to its end */
  #walkOnce(strategy: Strategy, see?: (view: WalkView, index: number) => void): boolean {
    const walk = this.#walk;
    const view = new WalkView(walk);
    const { stepsMax, watching } = this.#options;
    walk.reset();
    let isOver = false;
    for (let looks = true; walk.count > 0 && walk.steps < stepsMax; ) {
      isOver = looks && watching.look(walk.locals) !== null;
      if (isOver) break;
      const index = strategy.choose(view);
      see?.(view, index);
      const flags = walk.take(index);
      strategy.observe?.((flags & UNCHANGED_OR_YIELDS) !== 0);
      looks = (flags & LOOK) !== 0;
    }
    isOver ||= walk.count === 0;
    walk.reset();
    return isOver;
  }
}

/**
 * Draws every alternative with the same chance, as the chooser `random-uniform` does from the same
 * seed.
 */
export class RandomStrategy implements Strategy {
  readonly name = 'random';
  readonly #prng: Prng;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  choose(view: { readonly count: number }): number {
    return this.#prng.below(view.count);
  }
}
