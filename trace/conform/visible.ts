/** Which micro-steps a recording would show, if the thread took them. */
import type { Meaning, TraceMap } from './map.ts';
import type { Sight } from './seen.ts';

/** Whether a place of a map names this step, or a path around it. */
export const isAt = (step: string, place: string): boolean => levelOf(step, place) > 0;

/** A step as it is told: without the frame of the thread's program. */
export const shownStep = (step: string): string => step.replace(/^main\.(?:kvm_cpu_exec\.)?/, '');

/**
 * How far into the name of a step a place reaches: where two places name it, the one that reaches
 * farther is the more exact. 0 if it does not name the step.
 */
export function levelOf(step: string, place: string): number {
  const at = `.${step}.`.lastIndexOf(`.${place}.`);
  return at < 0 ? 0 : at + place.length;
}

/** A condition of a place: the turn of the run loop has entered the guest, or has not. */
interface Unit {
  readonly place: string;
  readonly entered: boolean | null;
}
interface Level {
  readonly level: number;
  readonly entered: boolean | null;
}

const holds = (condition: boolean | null, entered: boolean): boolean => condition === null || condition === entered;

/** What a map and the sight of a recording make visible. */
export class Visible {
  readonly #isBlind: boolean;
  readonly #units: readonly Unit[];
  readonly #gates: readonly Unit[];
  readonly #schedules: readonly string[];
  readonly #levels = new Map<string, readonly Level[]>();

  /** @param map null: nothing is waited for, and each step is remembered */
  constructor(map: TraceMap | null, sight: Sight) {
    this.#isBlind = map === null;
    this.#schedules = map?.schedules ?? [];
    // A step that may run unseen is not waited for.
    const seen = [
      ...[...(map?.functions ?? [])].filter(([name]) => sight.functions.has(name)),
      ...[...(map?.events ?? [])].filter(([name]) => sight.events.has(name)),
    ].flatMap(([, meaning]) => (meaning.optional ? [] : [meaning]));
    const units = (of: (meaning: Meaning) => readonly string[]): readonly Unit[] =>
      seen.flatMap((meaning) => of(meaning).map((place) => ({ place, entered: meaning.entered })));
    this.#units = units(({ at, returns }) => [...at, ...(sight.returns === false ? [] : returns)]);
    this.#gates = units(({ after }) => after);
  }

  /** Whether a step cannot have run when no more of it was shown. */
  isHidden(step: string, shown: number, entered: boolean): boolean {
    return this.levels(step).some((one) => one.level > shown && holds(one.entered, entered));
  }

  /** Whether the step calls schedule() by itself, where need_resched is set. */
  schedules(step: string): boolean {
    return this.#schedules.some((place) => isAt(step, place));
  }

  /** Whether something tells what comes after the step. */
  isGate(step: string): boolean {
    return this.#isBlind || this.#gates.some(({ place }) => isAt(step, place));
  }

  /** Whether nothing runs after the step before that is told. */
  isShut(step: string, entered: boolean): boolean {
    return this.#gates.some((gate) => isAt(step, gate.place) && holds(gate.entered, entered));
  }

  /** What shows a step shows the functions around it too, as long as the thread is in them. */
  stillShown(step: string, next: string, shown: number): number {
    const common = this.levels(step).filter(
      ({ level }) => level <= shown && next.startsWith(step.slice(0, level)) && (next[level] ?? '.') === '.',
    );
    return Math.max(0, ...common.map(({ level }) => level));
  }

  /** How far into the step's name the places reach that show it. */
  levels(step: string): readonly Level[] {
    let levels = this.#levels.get(step);
    if (levels === undefined) {
      levels = this.#units.map(({ place, entered }) => ({ level: levelOf(step, place), entered })).filter(({ level }) => level > 0);
      this.#levels.set(step, levels);
    }
    return levels;
  }
}
