/** The oracle: the sequencer asks which alternative comes next, a chooser answers with an index. */
import type { Line } from '../lineup.ts';
import type { Alternative, StepOutcome } from '../sequencer.ts';

/**
 * What a chooser may look at. Alternatives are made on demand: a chooser that draws an index needs
 * none, and on a big host there are a million.
 */
export interface ChoiceView {
  readonly count: number;
  /** Who can act, in counts. */
  readonly lineup: Line;
  alternative(index: number): Alternative;
  alternatives(): readonly Alternative[];
}

/** Alternatives that a message names. */
const TOLD = 100;

/** The alternatives as a message tells them: of many, the first, and how many there are more. */
export function toldOf(view: Pick<ChoiceView, 'count' | 'alternative'>, name = (label: string, _index: number): string => label): string {
  const names = Array.from({ length: Math.min(view.count, TOLD) }, (_, index) => name(view.alternative(index).label, index));
  return `${names.join('; ')}${view.count > TOLD ? `; and ${view.count - TOLD} more` : ''}`;
}

export interface Chooser {
  readonly name: string;
  choose(view: ChoiceView): number;
  /**
   * The next choice is made already: the run follows it, even out of a state in which it could
   * stay.
   */
  readonly isGiven?: boolean;
  /**
   * What it remembers, where its choices depend on that and the state alone: the same again chooses
   * the same again. Null or absent where it draws, or is given its choices.
   */
  readonly remembered?: string | null;
  /** Told what the chosen step did. */
  observe?(outcome: StepOutcome): void;
}

/** A schedule no longer fits the run. @public */
export class ScheduleError extends Error {
  override readonly name = 'ScheduleError';
  readonly step: number;
  constructor(step: number, message: string) {
    super(message);
    this.step = step;
  }
}
