/**
 * The shortest schedule that meets a mistake of the model, for searches that cannot tell how they
 * came to theirs.
 */
import { ModelError } from '../engine/port.ts';
import type { PlainWorld } from '../restore.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { Explorer } from './breadth/explorer.ts';
import { finish } from './turns.ts';

/** A mistake that no schedule meets so early is told without a way to it. */
const STATES_MAX = 50_000;

/** Choices by label; null if no mistake is met in the first states. */
export function wayToMistake(scenario: ResolvedScenario, from?: PlainWorld): readonly string[] | null {
  try {
    finish(new Explorer({ scenario, budget: { states: STATES_MAX }, ...(from && { from }) }).run());
  } catch (error) {
    if (error instanceof ModelError) return error.way;
    throw error;
  }
  return null;
}
