/**
 * Points of a run by name: the micro-step that an actor is about to execute, as an engineer would
 * set a breakpoint.
 */
import { MICRO_STEP_EVENTS } from '../events/index.ts';
import type { JournalRecord } from '../events/journal.ts';
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

/** A thread has two program counters; the event says which one moved. */
function nameFor(event: string, value: unknown): string {
  const regions = value as { readonly code?: unknown; readonly notify?: unknown };
  if (event === 'step') return nameOf(regions.code);
  return nameOf(event === 'notify.step' ? regions.notify : value);
}

/** Every step with the micro-steps it executed, in order. Reads the journal once. @public */
export function* pointsOf(journal: Journal): Generator<Point, void> {
  const values = new Map<string, unknown>();
  let label = '';
  let step = 0;
  let microSteps: MicroStep[] = [];
  const take = (record: JournalRecord): void => {
    const moves = record.kind === 'choice' && (record.type === 'exec' || record.type === 'pick');
    if (record.kind === 'change') values.set(record.actor, record.payload.value);
    else if (moves || (record.kind === 'deliver' && MICRO_STEP_EVENTS.includes(record.type))) {
      microSteps.push({ actor: record.actor, name: nameFor(record.type, values.get(record.actor)) });
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

const NAMED = /^(?<actor>[^@]+)@(?<name>[^#+]+)(?<after>\+)?(?:#(?<hit>[1-9][0-9]*))?$/;

/**
 * The step that a point names: a step number, or `actor@function.step`, with `#2` for the second
 * time and `+` for the step after it.
 * @throws PointError saying what was looked for and what there is
 * @public
 */
export function findPoint(journal: Journal, text: string): number {
  if (/^[0-9]+$/.test(text)) {
    const step = Number(text);
    if (step >= 1 && step <= journal.steps) return step;
    throw new PointError(`there is no step ${text}: the journal ${stepsText(journal, 1)}`);
  }
  const groups = NAMED.exec(text)?.groups;
  if (!groups) {
    throw new PointError(
      `${text} is no point; give a step number, or a name such as thread:netd/0@emulate_dma_write.store#2 (show F --points lists them)`,
    );
  }
  const { actor, name, after, hit = '1' } = groups as { actor: string; name: string; after?: string; hit?: string };
  return search(journal, { actor, name, hit: Number(hit) }) + (after ? 1 : 0);
}

function search(journal: Journal, wanted: { readonly actor: string; readonly name: string; readonly hit: number }): number {
  let hits = 0;
  const names = new Set<string>();
  for (const { step, microSteps } of pointsOf(journal)) {
    for (const { actor, name } of microSteps) {
      if (actor !== wanted.actor) continue;
      names.add(name);
      if (name !== wanted.name && !name.endsWith(`.${wanted.name}`)) continue;
      hits++;
      if (hits === wanted.hit) return step;
    }
  }
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
