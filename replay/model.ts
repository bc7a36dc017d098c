/** The model of a journal, set up again: its scenario checked, its engine ready, and what it says if the journal was made by another one. */

import { MODEL_ID } from '../sim/model-id.ts';
import { MODEL_VERSION } from '../sim/model-version.ts';
import { validateResolved } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import type { Journal } from './reader.ts';

/** @throws ResolvedScenarioError if the scenario in the journal is not one */
export const scenarioOf = (journal: Journal): ResolvedScenario => validateResolved(journal.start.scenario);

/** A sentence about the model that made the journal, or null if it is this one. */
export function foreignModel({ start }: Journal): string | null {
  if (start.modelId === MODEL_ID) return null;
  const mine = `this is model version ${MODEL_VERSION} (${MODEL_ID.slice(0, 12)})`;
  return `the journal was made by model version ${start.modelVersion} (${start.modelId.slice(0, 12)}), ${mine}`;
}
