/**
 * How a chooser departs from the in-order run: disturbances, preemptions, switches. The words are
 * those of the design.
 */
import { allowedOffers } from '../../host/registry.ts';
import type { AlternativeKind } from '../../step.ts';
import type { Deviations } from '../request.ts';

export const NO_DEVIATIONS: Deviations = { disturbances: 0, preemptions: 0, switches: 0 };

const PREEMPTIONS: readonly string[] = ['preempt', 'migrate', 'tick'];
const PICK = 'pick';
const isDisturbance = (offer: string): boolean => allowedOffers().includes(offer);

/** Whether an offer of this type is a deviation wherever it is taken. */
export const isDeviating = (offer: string): boolean => PREEMPTIONS.includes(offer) || isDisturbance(offer);

/** How a choice relates to what the in-order run would do. */
export interface Standing {
  /** It steps the very CPU, or delivers from the very queue, that comes next in order. */
  readonly next: boolean;
  /** It is what that CPU does first: of the tasks that can be picked, the first one. */
  readonly first: boolean;
}

/**
 * The deviations that one choice is; `type` is that of the offer. To step another CPU and not to
 * pick the first task there are two. Any other offer, such as those of a model of its own, is a
 * choice that the in-order run has to make as well: no deviation.
 */
export function deviationOf(kind: AlternativeKind, type: string, { next, first }: Standing): Deviations {
  if (kind === 'offer') {
    if (PREEMPTIONS.includes(type)) return { ...NO_DEVIATIONS, preemptions: 1 };
    return isDisturbance(type) ? { ...NO_DEVIATIONS, disturbances: 1 } : NO_DEVIATIONS;
  }
  const passesOver = type === PICK && !first;
  return next && !passesOver ? NO_DEVIATIONS : { disturbances: 0, preemptions: passesOver ? 1 : 0, switches: next ? 0 : 1 };
}

export const plus = (a: Deviations, b: Deviations): Deviations => ({
  disturbances: a.disturbances + b.disturbances,
  preemptions: a.preemptions + b.preemptions,
  switches: a.switches + b.switches,
});
/**
 * Whether a schedule with the fewest steps is the least of all as well: one that deviates nowhere
 * is.
 */
export const isLeastAt = (price: Deviations): boolean => sumOf(price) === 0;
export const sumOf = ({ disturbances, preemptions, switches }: Deviations): number => disturbances + preemptions + switches;
