/**
 * Whether a run in order only repeats: the state, and all that decides what comes next, are those
 * of an earlier step. One earlier step is kept, and a later one after twice as many steps (Brent
 * 1980), so that a cycle of any length is found and each step costs two comparisons.
 */
import type { ComesBack } from '../events/journal.ts';
import type { Channels } from './channels.ts';
import type { Chooser } from './choosers/chooser.ts';

/** Steps before a run is asked: short runs end as their bound says. */
const REPEATS_FROM = 1 << 13;

interface Digest {
  readonly a: number;
  readonly b: number;
}

/** The state between two steps. */
interface Present {
  readonly step: number;
  readonly digest: Digest;
  readonly channels: Channels;
  /** Nothing has to happen any more: the run is asked however short it is. */
  readonly isQuiet: boolean;
  /** How many steps up to this one led to states that were known. */
  readonly known: number;
}

interface Kept extends Digest {
  readonly step: number;
  readonly rest: string;
}

export class Repeats {
  readonly #chooser: Chooser;
  #kept: Kept | null = null;
  #next = 0;

  constructor(chooser: Chooser) {
    this.#chooser = chooser;
  }

  /**
   * The cycle that the run is in; null where it is not known to be in one. `nothing new`: the run
   * is quiet, and however it was drawn, no state was new for long.
   */
  look({ step, digest, channels, isQuiet, known }: Present): ComesBack | 'nothing new' | null {
    if (isQuiet && known >= REPEATS_FROM && this.#chooser.isGiven !== true) return 'nothing new';
    if (step < REPEATS_FROM && !isQuiet) return null;
    const kept = this.#kept;
    if (kept !== null && step > kept.step && kept.a === digest.a && kept.b === digest.b && kept.rest === this.#restOf(channels))
      return { from: kept.step, length: step - kept.step };
    if (step < this.#next) return null;
    this.#next = 2 * step;
    const rest = this.#restOf(channels);
    this.#kept = rest === null ? null : { step, ...digest, rest };
    return null;
  }

  /**
   * What decides the next choice besides local states and messages in flight: what the chooser
   * remembers, and the order of arrival. Null where the chooser draws, or is given its choices.
   */
  #restOf({ ordered }: Channels): string | null {
    const memory = this.#chooser.remembered ?? null;
    if (memory === null) return null;
    const all = ordered.flatMap(({ seqs }) => [...seqs]).sort((a, b) => a - b);
    return `${memory} ${ordered.map(({ seqs }) => seqs.map((seq) => all.indexOf(seq)).join()).join(';')}`;
  }
}
