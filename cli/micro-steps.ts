/**
 * The steps of a journal as people tell them: who executed which micro-step on which CPU, and what
 * passed between actors.
 */
import type { JournalRecord, JsonObject } from '../events/journal.ts';
import { stateAt } from '../replay/fold.ts';
import { microStepName, runsMicroStep } from '../replay/points.ts';
import type { Journal } from '../replay/reader.ts';
import { MOVES } from '../sim/offers.ts';
import { effectsOf } from './effects.ts';

/** One step, told. */
export interface Moment {
  readonly step: number;
  /** The number of the pCPU that moved; null where none did. */
  readonly cpu: number | null;
  /** The innermost actor that executed a micro-step, else the actor whose choice it was. */
  readonly actor: string;
  /** The full name of its micro-step; null where the step executed none. */
  readonly microStep: string | null;
  /** The label of the choice. */
  readonly label: string;
  /**
   * The host's scheduler or a disturbance decided, or a message arrived: more than the next
   * micro-step of a CPU.
   */
  readonly isDecision: boolean;
  readonly effects: readonly string[];
}

const CPU = /^pcpu:(\d+)$/;
const cpuOf = (actor: string): number | null => {
  const number = CPU.exec(actor)?.[1];
  return number === undefined ? null : Number(number);
};

class Teller {
  /** State by actor, before the present step. */
  readonly #states: Map<string, JsonObject>;

  constructor(states: ReadonlyMap<string, JsonObject>) {
    this.#states = new Map(states);
  }

  tell(records: readonly JournalRecord[]): Moment {
    const choice = records[0]!;
    let { actor } = choice;
    let microStep: string | null = null;
    const before = this.#current(choice.actor);
    for (const { kind, type, actor: whose, payload } of records) {
      if (kind === 'change') this.#states.set(whose, payload);
      else if (runsMicroStep(kind, type)) {
        actor = whose;
        microStep = microStepName(type, this.#states.get(whose)?.value);
      }
    }
    const after = this.#current(choice.actor);
    const effects = effectsOf(records);
    if (after !== before && after !== null) effects.push(`switches to ${after}`);
    const label = String(choice.payload.label);
    return { step: choice.step, cpu: cpuOf(choice.actor), actor, microStep, label, isDecision: !MOVES.includes(choice.type), effects };
  }

  /** The task on a CPU; null for any other actor and an idle CPU. */
  #current(actor: string): string | null {
    const context = this.#states.get(actor)?.context as { readonly current?: string | null } | undefined;
    return context?.current ?? null;
  }
}

/** The steps from `from` to `to`, told one by one. Reads no more of the journal than these. */
export function* momentsOf(journal: Journal, from = 1, to = journal.steps): Generator<Moment, void> {
  const first = Math.max(from, 1);
  if (first > to || journal.steps === 0) return;
  const state = stateAt(journal, first - 1);
  const teller = new Teller(state.actors);
  let step: JournalRecord[] = [];
  for (const record of journal.recordsFrom(state.seq + 1)) {
    if (step.length > 0 && record.step !== step[0]!.step) {
      yield teller.tell(step);
      step = [];
    }
    if (record.step > to) return;
    step.push(record);
  }
  if (step.length > 0) yield teller.tell(step);
}

/** The last two parts of a micro-step's name: enough to find it, short enough to read. */
export const shortName = (microStep: string): string => microStep.split('.').slice(-2).join('.');
