/**
 * Points of a run by name: the micro-step that an actor is about to execute, as an engineer would
 * set a breakpoint.
 */
import type { ActorId } from '../events/event.ts';
import { MICRO_STEP_EVENTS } from '../events/index.ts';
import type { JournalRecord } from '../events/journal.ts';
import { MOVES } from '../sim/offers.ts';
import { stepsText } from './facts.ts';
import type { Journal } from './reader.ts';

/** No such point in this journal. @public */
export class PointError extends Error {
  override readonly name = 'PointError';
}

/** One micro-step that a step executed. @public */
export interface MicroStep {
  readonly actor: string;
  /** Dotted, outermost first: `main.KVM_RUN.vcpu_load.get_cpu`. */
  readonly name: string;
}

/** A step of the journal and the micro-steps in it. @public */
export interface Point {
  readonly step: number;
  readonly label: string;
  readonly microSteps: readonly MicroStep[];
}

/** The path of the innermost state below `value`. */
function nameOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const [entry] = Object.entries((value ?? {}) as Record<string, unknown>);
  return entry ? `${entry[0]}.${nameOf(entry[1])}` : '';
}

/**
 * The dotted name of the micro-step that an event of this type executes in an actor whose state has
 * this value. A thread has two program counters; the event says which one moves.
 */
export function microStepName(event: string, value: unknown): string {
  const regions = (value ?? {}) as { readonly code?: unknown; readonly notify?: unknown };
  if (event === 'step') return nameOf(regions.code);
  return nameOf(event === 'notify.step' ? regions.notify : value);
}

/** Whether a record of this kind and type says that its actor executes a micro-step. */
export const runsMicroStep = (kind: JournalRecord['kind'], type: string): boolean =>
  (kind === 'choice' && MOVES.includes(type)) || (kind === 'deliver' && MICRO_STEP_EVENTS.includes(type));

/** Every step with the micro-steps it executed, in order. Reads the journal once. @public */
export function* pointsOf(journal: Journal): Generator<Point, void> {
  const values = new Map<string, unknown>();
  let label = '';
  let step = 0;
  let microSteps: MicroStep[] = [];
  const take = (record: JournalRecord): void => {
    if (record.kind === 'change') values.set(record.actor, record.payload.value);
    else if (runsMicroStep(record.kind, record.type)) {
      microSteps.push({ actor: record.actor, name: microStepName(record.type, values.get(record.actor)) });
    }
    if (record.kind === 'choice') label = String(record.payload.label);
  };
  for (const record of journal.recordsFrom(1)) {
    if (record.step !== step) {
      if (step > 0) yield { step, label, microSteps };
      step = record.step;
      microSteps = [];
    }
    take(record);
  }
  if (step > 0) yield { step, label, microSteps };
}

/** A point's name fits a micro-step of that name, and any whose name ends in it. */
const fits = (microStep: string, name: string): boolean => microStep === name || microStep.endsWith(`.${name}`);

/** Counts how often each actor came to a micro-step, and so names each time as a point. */
export class HitCounter {
  readonly #hits = new Map<ActorId, Map<string, number>>();

  /** Counts one more and returns its point: `actor@name`, with `#n` from the second time on. */
  point(actor: ActorId, microStep: string, name = microStep): string {
    const ofActor = this.#hits.get(actor) ?? new Map<string, number>();
    this.#hits.set(actor, ofActor);
    ofActor.set(microStep, (ofActor.get(microStep) ?? 0) + 1);
    let hits = 0;
    for (const [known, count] of ofActor) if (fits(known, name)) hits += count;
    return `${actor}@${name}${hits > 1 ? `#${hits}` : ''}`;
  }
}

const NAMED = /^(?<actor>[^@]+)@(?<name>[^#+]+)(?<after>\+)?(?:#(?<hit>[1-9][0-9]*))?$/;

/** Where a point lies. @public */
export interface Place {
  readonly step: number;
  /** The micro-step that the point names; null where it is a step number. */
  readonly microStep: { readonly actor: string; readonly name: string; readonly hit: number; readonly hits: number } | null;
}

/**
 * Where a point lies: a step number, or `actor@function.step`, with `#2` for the second time and
 * `+` for the step after it. Without `#` it is the first of `hits`.
 * @throws PointError saying what was looked for and what there is
 * @public
 */
export function placeOf(journal: Journal, text: string): Place {
  if (/^[0-9]+$/.test(text)) {
    const step = Number(text);
    if (step >= 1 && step <= journal.steps) return { step, microStep: null };
    throw new PointError(`there is no step ${text}: the journal ${stepsText(journal, 1)}`);
  }
  const groups = NAMED.exec(text)?.groups;
  if (!groups) {
    throw new PointError(
      `${text} is no point; give a step number, or a name such as thread:netd/0@emulate_dma_write.store#2 (show F --points lists them)`,
    );
  }
  const { actor, name, after, hit = '1' } = groups as { actor: string; name: string; after?: string; hit?: string };
  const { step, hits } = search(journal, { actor, name, hit: Number(hit) });
  return { step: step + (after ? 1 : 0), microStep: { actor, name, hit: Number(hit), hits } };
}

/** The step that a point names. @throws PointError @public */
export const findPoint = (journal: Journal, text: string): number => placeOf(journal, text).step;

interface Wanted {
  readonly actor: string;
  readonly name: string;
  readonly hit: number;
}

function search(journal: Journal, wanted: Wanted): { readonly step: number; readonly hits: number } {
  let hits = 0;
  let found = 0;
  const names = new Set<string>();
  for (const { step, microSteps } of pointsOf(journal)) {
    for (const { actor, name } of microSteps) {
      if (actor !== wanted.actor) continue;
      names.add(name);
      if (fits(name, wanted.name) && ++hits === wanted.hit) found = step;
    }
  }
  if (found > 0) return { step: found, hits };
  if (hits > 0) throw new PointError(`${wanted.actor}@${wanted.name} happens ${hits} times, not ${wanted.hit}`);
  if (names.size > 0) throw new PointError(`${wanted.actor} never executes ${wanted.name}; ${nearby(wanted.name, [...names])}`);
  throw new PointError(`${wanted.actor} executes nothing in this journal; its actors are ${journal.actors.join(', ')}`);
}

/** Names that share the last word, or the first few there are. */
function nearby(name: string, names: readonly string[]): string {
  const word = name.split('.').at(-1)!;
  const similar = names.filter((other) => other.includes(word));
  return `it executes ${(similar.length ? similar : names).slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`;
}
