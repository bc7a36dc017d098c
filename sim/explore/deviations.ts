/** What a chooser does against the in-order run: disturbances, preemptions, switches. The words are those of the design. */
import type { AlternativeKind } from '../sequencer.ts';

export interface Deviations {
  /** Injected errors, interrupts, exits for nothing. */
  readonly disturbances: number;
  /** Decisions of the simulated host: a runnable task leaves a pCPU, or its queue. */
  readonly preemptions: number;
  /** Decisions of the sequencer: another pCPU is stepped, or a message delivered, although the one stepped last could go on. */
  readonly switches: number;
}

export const NO_DEVIATIONS: Deviations = { disturbances: 0, preemptions: 0, switches: 0 };

const PREEMPTIONS: readonly string[] = ['preempt', 'migrate', 'tick'];
const DISTURBANCES: readonly string[] = ['interrupt', 'spurious-exit', 'psp-error'];

/**
 * The deviation that one choice is; `goesOn`: the pCPU stepped last could go on, and `same`: the choice steps it. Any other offer, such
 * as those of a model of its own, is a choice that the in-order run has to make as well: no deviation.
 */
export function deviationOf(kind: AlternativeKind, offer: string, goesOn: boolean, same: boolean): Deviations {
  if (kind === 'offer') {
    if (PREEMPTIONS.includes(offer)) return { ...NO_DEVIATIONS, preemptions: 1 };
    return DISTURBANCES.includes(offer) ? { ...NO_DEVIATIONS, disturbances: 1 } : NO_DEVIATIONS;
  }
  return goesOn && !same ? { ...NO_DEVIATIONS, switches: 1 } : NO_DEVIATIONS;
}

export const plus = (a: Deviations, b: Deviations): Deviations => ({
  disturbances: a.disturbances + b.disturbances,
  preemptions: a.preemptions + b.preemptions,
  switches: a.switches + b.switches,
});
export const sumOf = ({ disturbances, preemptions, switches }: Deviations): number => disturbances + preemptions + switches;
