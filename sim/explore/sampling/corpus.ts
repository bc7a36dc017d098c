/**
 * Schedules worth changing: each showed something that none before it had. What counts is who took
 * which micro-step together with whom, and after whose step at the same actor it came: the last
 * writer and the reader of an RMP entry, a preemption and the micro-step it hit.
 */
import type { StepView, Strategy } from '../../choosers/strategy.ts';
import { stateName } from '../../engine/reaction.ts';
import type { Prng } from '../../prng.ts';
import type { Walk } from '../../rows/walk.ts';
import type { WalkView } from './walk-view.ts';

/** Schedules kept; beyond that, those are dropped whose features have become the most common. */
const ENTRIES_MAX = 256;
/** Pairs keep the actor lowest, then the later step. */
const ACTORS_MAX = 1024;
const STEPS_MAX = 1 << 20;

interface Entry {
  readonly keys: readonly number[];
  /** The features that the schedule was the first to show. */
  readonly news: readonly number[];
}

export interface CorpusSize {
  /** Different micro-steps, with those that took part. */
  readonly steps: number;
  /** Different pairs of steps by two entities, one after the other at one actor. */
  readonly pairs: number;
  /** Schedules kept. */
  readonly kept: number;
}

export class Corpus {
  readonly #walk: Walk;
  readonly #view: WalkView;
  readonly #stepIds = new Map<string, number>();
  /** By leaf of the memory of steps; void when that is dropped. */
  readonly #stepOfLeaf = new Map<number, number>();
  #clears = -1;
  /** How many schedules showed each feature: steps are negative, pairs are not. */
  readonly #hits = new Map<number, number>();
  #pairs = 0;
  readonly #entries: Entry[] = [];
  readonly #keys: number[] = [];
  readonly #shown = new Set<number>();
  readonly #lastStep: number[] = [];
  readonly #lastEntity: number[] = [];

  constructor(walk: Walk, view: WalkView) {
    this.#walk = walk;
    this.#view = view;
  }

  get size(): CorpusSize {
    return { steps: this.#stepIds.size, pairs: this.#pairs, kept: this.#entries.length };
  }

  begin(): void {
    this.#keys.length = 0;
    this.#shown.clear();
    this.#lastStep.fill(-1);
    this.#lastEntity.fill(-1);
  }

  /** Looks at a step before it is taken. */
  see(index: number): void {
    const slots = this.#view.footprint(index);
    const entity = this.#view.entity(index);
    const step = this.#stepId(index, slots);
    this.#keys.push(this.#view.key(index));
    this.#shown.add(-1 - step);
    for (const slot of slots) {
      const before = this.#lastStep[slot] ?? -1;
      if (before >= 0 && this.#lastEntity[slot] !== entity) this.#shown.add((before * STEPS_MAX + step) * ACTORS_MAX + slot);
      this.#lastStep[slot] = step;
      this.#lastEntity[slot] = entity;
    }
  }

  /** Keeps the schedule if it showed something new. */
  end(): boolean {
    const news: number[] = [];
    for (const feature of this.#shown) {
      const hits = this.#hits.get(feature) ?? 0;
      this.#hits.set(feature, hits + 1);
      if (hits > 0) continue;
      news.push(feature);
      if (feature >= 0) this.#pairs++;
    }
    if (news.length === 0) return false;
    if (this.#entries.length >= ENTRIES_MAX) this.#dropCommonest();
    this.#entries.push({ keys: [...this.#keys], news });
    return true;
  }

  /** A schedule to change, the rarer what it showed the likelier; null while there is none. */
  draw(prng: Prng): readonly number[] | null {
    if (this.#entries.length === 0) return null;
    // The rarest feature of an entry, by the schedules that showed it: weights are integers, so
    // that every machine draws alike.
    const weights = this.#entries.map((entry) => Math.max(1, Math.floor(STEPS_MAX / this.#rarity(entry))));
    let left = prng.below(weights.reduce((sum, weight) => sum + weight, 0));
    const at = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    return this.#entries[at]!.keys;
  }

  #rarity({ news }: Entry): number {
    let least = Number.POSITIVE_INFINITY;
    for (const feature of news) least = Math.min(least, this.#hits.get(feature)!);
    return least;
  }

  #dropCommonest(): void {
    let worst = 0;
    let most = -1;
    for (const [at, entry] of this.#entries.entries()) {
      const rarity = this.#rarity(entry);
      if (rarity > most) {
        most = rarity;
        worst = at;
      }
    }
    this.#entries.splice(worst, 1);
  }

  /**
   * The step by name: who acts, and the micro-step that each actor taking part stands before.
   * Contexts are left out.
   */
  #stepId(index: number, slots: readonly number[]): number {
    const { trie, world } = this.#walk;
    if (trie.clears !== this.#clears) {
      this.#stepOfLeaf.clear();
      this.#clears = trie.clears;
    }
    this.#walk.locate(index);
    const leaf = this.#walk.leaf(this.#walk.column, this.#walk.alternative);
    const known = this.#stepOfLeaf.get(leaf);
    if (known !== undefined && trie.clears === this.#clears) return known;
    const stands = slots.map((slot) => {
      const snapshot = world.store.kindOfSlot[slot]!.locals.values[this.#walk.localAt(slot)]!;
      return `${slot}@${stateName(snapshot.value)}`;
    });
    const name = [this.#walk.label(index), ...stands].join(' ');
    const id = this.#stepIds.get(name) ?? this.#stepIds.size;
    if (id >= STEPS_MAX) throw new RangeError(`more than ${STEPS_MAX} different steps`);
    this.#stepIds.set(name, id);
    this.#stepOfLeaf.set(leaf, id);
    return id;
  }
}

/** A step of a changed schedule that is drawn at random. */
const ANY = -1;
/**
 * Recorded steps that may be left out where the schedule no longer fits, and drawn ones that may be
 * put in, one after the other.
 */
const SKIPS_MAX = 8;
const EXTRAS_MAX = 32;
/** The greatest length of a piece that is drawn again. */
const PIECE_MAX = 4;

/**
 * A schedule with one change: a step left out, put in, moved, or the rest of another schedule after
 * a prefix.
 */
export function changed(keys: readonly number[], other: readonly number[], prng: Prng): number[] {
  const at = prng.below(keys.length + 1);
  switch (prng.below(5)) {
    case 0:
      return [...keys.slice(0, at), ...keys.slice(at + 1)];
    case 1:
      return [...keys.slice(0, at), ...Array.from({ length: 1 + prng.below(PIECE_MAX) }, () => ANY), ...keys.slice(at)];
    case 2: {
      const rest = [...keys.slice(0, at), ...keys.slice(at + 1)];
      rest.splice(prng.below(rest.length + 1), 0, keys[at] ?? ANY);
      return rest;
    }
    case 3:
      return [...keys.slice(0, at), ...other.slice(prng.below(other.length + 1))];
    default:
      return keys.slice(0, at);
  }
}

/**
 * Follows a list of steps as far as it fits; whatever it does not say is left to another strategy.
 */
export class GuidedStrategy implements Strategy {
  readonly name = 'mutate';
  readonly #keys: readonly number[];
  readonly #after: Strategy;
  #at = 0;
  #extras = 0;

  constructor(keys: readonly number[], after: Strategy) {
    this.#keys = keys;
    this.#after = after;
  }

  choose(view: StepView): number {
    if (this.#keys[this.#at] === ANY) {
      this.#at++;
      return this.#after.choose(view);
    }
    for (let skip = 0; skip < SKIPS_MAX && this.#at + skip < this.#keys.length; skip++) {
      const wanted = this.#keys[this.#at + skip];
      for (let index = 0; index < view.count; index++) {
        if (view.key(index) !== wanted) continue;
        this.#at += skip + 1;
        this.#extras = 0;
        return index;
      }
    }
    if (++this.#extras > EXTRAS_MAX) this.#at = this.#keys.length;
    return this.#after.choose(view);
  }

  observe(waits: boolean): void {
    this.#after.observe?.(waits);
  }
}
