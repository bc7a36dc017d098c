/**
 * Which model a stored search or the result of a shard is of: this program's, with the user's own
 * mechanisms that take part.
 */
import { z } from 'zod';
import { modulesPresentFor, moduleText } from '../../replay/model.ts';
import { modulesFor } from '../../sim/host/registry.ts';
import { MODEL_ID } from '../../sim/model-id.ts';
import { MODEL_VERSION } from '../../sim/model-version.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';

/** How a file names its model. */
export const MODEL_FIELDS = {
  modelId: z.string(),
  modelVersion: z.number().int().min(0),
  /** Mechanisms of the user's own, by name and hash of their files. */
  modules: z.array(z.strictObject({ name: z.string(), sha256: z.string() })),
};
interface ModelName {
  readonly modelId: string;
  readonly modelVersion: number;
  readonly modules: readonly { readonly name: string; readonly sha256: string }[];
}

export const modelOf = (scenario: ResolvedScenario) => ({
  modelId: MODEL_ID,
  modelVersion: MODEL_VERSION,
  modules: modulesFor(scenario).map(({ name, sha256 }) => ({ name, sha256 })),
});

const DIGITS_SHOWN = 12;
const listed = (modules: ModelName['modules']): string => (modules.length > 0 ? modules.map(moduleText).join(', ') : 'none');

/** Why a search of that model cannot go on with this one; null if it can. */
export function foreignSearch({ modelId, modelVersion, modules }: ModelName, scenario: unknown): string | null {
  if (modelId !== MODEL_ID)
    return `it is of model version ${modelVersion} (${modelId.slice(0, DIGITS_SHOWN)}); this is ${MODEL_VERSION} (${MODEL_ID.slice(0, DIGITS_SHOWN)})`;
  const present = modulesPresentFor(scenario);
  const text = (list: ModelName['modules']) => list.map(({ name, sha256 }) => `${name} ${sha256}`).join('\n');
  if (text(modules) === text(present)) return null;
  return `the mechanisms of one's own in its search were: ${listed(modules)}; here they are: ${listed(present)}`;
}
