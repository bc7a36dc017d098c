/**
 * Two journals side by side: the first step that differs, and then, aligned by what caused what,
 * what only one of them did.
 */
import type { JournalRecord } from '../events/journal.ts';
import type { Journal } from './reader.ts';

export interface FirstDifference {
  readonly step: number;
  readonly a: string | null;
  readonly b: string | null;
}

/** A delivery that only one of two runs has. */
export interface Only {
  readonly seq: number;
  readonly step: number;
  readonly actor: string;
  readonly type: string;
  /** How often the actor had taken this very event before. */
  readonly occurrence: number;
}

/** What differs between two journals. @public */
export interface Difference {
  readonly same: boolean;
  readonly first: FirstDifference | null;
  readonly onlyA: readonly Only[];
  readonly onlyB: readonly Only[];
}

/** Entries listed on each side. */
const LISTED_MAX = 1000;

/**
 * Compares two runs. Deliveries are aligned by receiver: each actor's own sequence is what
 * happens-before keeps, whatever the order of steps between actors; the nth time an actor takes the
 * same event from the same sender is the same occurrence on both sides.
 * @public
 */
export function diff(a: Journal, b: Journal): Difference {
  const first = firstDifference(a, b);
  if (first === null) return { same: true, first, onlyA: [], onlyB: [] };
  const inA = occurrences(a);
  const inB = occurrences(b);
  return { same: false, first, onlyA: missing(inA, inB), onlyB: missing(inB, inA) };
}

/** The first step that differs, or that only one of the two has; null if there is none. */
export function firstDifference(a: Journal, b: Journal): FirstDifference | null {
  const others = b.digests();
  for (const { step, digest } of a.digests()) {
    const other = others.next();
    if (other.done || other.value.digest !== digest) return { step, a: labelOf(a, step), b: labelOf(b, step) };
  }
  const more = others.next();
  return more.done ? null : { step: more.value.step, a: null, b: labelOf(b, more.value.step) };
}

const labelOf = (journal: Journal, step: number): string | null =>
  step >= 1 && step <= journal.steps ? (journal.choices(step).next().value?.label ?? null) : null;

function occurrences(journal: Journal): ReadonlyMap<string, Only> {
  const counts = new Map<string, number>();
  const found = new Map<string, Only>();
  for (const record of journal.recordsFrom(1)) {
    if (record.kind !== 'deliver') continue;
    const name = nameOf(record);
    const occurrence = counts.get(name) ?? 0;
    counts.set(name, occurrence + 1);
    found.set(`${name} ${occurrence}`, { seq: record.seq, step: record.step, actor: record.actor, type: record.type, occurrence });
  }
  return found;
}

/** Micro-steps of a thread come from whichever CPU runs it: the sender does not tell them apart. */
const FROM_ANY_CPU: readonly string[] = ['step', 'notify.step'];
const nameOf = ({ actor, type, payload, peer }: JournalRecord): string =>
  `${actor} ${type} ${FROM_ANY_CPU.includes(type) ? '' : peer} ${JSON.stringify(payload)}`;

const missing = (here: ReadonlyMap<string, Only>, there: ReadonlyMap<string, Only>): Only[] =>
  [...here].flatMap(([name, only]) => (there.has(name) ? [] : [only])).slice(0, LISTED_MAX);
