/**
 * The model of a journal, set up again: its scenario checked, its engine ready, and what it says if
 * the journal was made by another one.
 */

import { type ModuleName, modulesFor } from '../sim/host/registry.ts';
import { MODEL_ID } from '../sim/model-id.ts';
import { MODEL_VERSION } from '../sim/model-version.ts';
import { laterOptions } from '../sim/scenario/later-parts.ts';
import { validateResolved } from '../sim/scenario/resolve.ts';
import type { ResolvedHost, ResolvedScenario } from '../sim/scenario/types.ts';
import type { Journal } from './reader.ts';

/**
 * The journal needs a mechanism of a user's own that is not loaded, or was made without one that
 * is.
 */
class JournalModulesError extends Error {
  override readonly name = 'JournalModulesError';
}

const DIGITS_SHOWN = 12;
/** A mechanism as messages name it. */
export const moduleText = ({ name, sha256 }: ModuleName): string => `${name} (SHA-256 ${sha256.slice(0, DIGITS_SHOWN)}…)`;

/**
 * The mechanisms of the user's own that take part in a scenario that a journal holds; none if it is
 * no scenario.
 */
export function modulesPresentFor(scenario: unknown): readonly ModuleName[] {
  const { host, model } = (scenario ?? {}) as { readonly host?: Partial<ResolvedHost> | null; readonly model?: string };
  return host?.arch === undefined ? [] : modulesFor({ host: host as ResolvedHost, ...(model !== undefined && { model }) });
}

/**
 * A mechanism by another file of the same name is let through: like a journal of another model, it
 * is tried.
 * @throws JournalModulesError
 */
function checkModules(journal: Journal): void {
  const needed = journal.start.modules;
  const present = modulesPresentFor(journal.start.scenario);
  const isIn = (list: readonly ModuleName[], name: string): boolean => list.some((other) => other.name === name);
  const missing = needed.filter(({ name }) => !isIn(present, name));
  if (missing.length > 0) {
    const what = missing.length === 1 ? 'a mechanism' : 'mechanisms';
    throw new JournalModulesError(
      `the journal needs ${what} of a user's own, ${missing.map(moduleText).join(', ')}; a journal never loads code`,
    );
  }
  const added = present.filter(({ name }) => !isIn(needed, name));
  if (added.length > 0)
    throw new JournalModulesError(
      `the journal was made without ${added.map(({ name }) => name).join(', ')}; it cannot be added afterwards`,
    );
}

/**
 * @throws ResolvedScenarioError if the scenario in the journal is not one
 * @throws JournalModulesError if other mechanisms of the user's own take part than then
 */
export function scenarioOf(journal: Journal): ResolvedScenario {
  checkModules(journal);
  return validateResolved(journal.start.scenario);
}

/** A sentence about the model that made the journal, or null if it is this one. */
export function foreignModel(journal: Journal): string | null {
  const { start } = journal;
  const parts: string[] = [];
  if (start.modelId !== MODEL_ID) {
    const mine = `this is model version ${MODEL_VERSION} (${MODEL_ID.slice(0, DIGITS_SHOWN)})`;
    parts.push(`the journal was made by model version ${start.modelVersion} (${start.modelId.slice(0, DIGITS_SHOWN)}), ${mine}`);
  }
  const present = modulesPresentFor(journal.start.scenario);
  for (const module of start.modules) {
    const mine = present.find(({ name }) => name === module.name);
    if (mine && mine.sha256 !== module.sha256)
      parts.push(`the journal was made with another file of ${moduleText(module)}, this one is ${mine.sha256.slice(0, DIGITS_SHOWN)}…`);
  }
  const later = laterOptions(start.scenario);
  if (later.length > 0)
    parts.push(`the journal does without the option${later.length === 1 ? '' : 's'} ${later.join(', ')}, which came later`);
  return parts.length === 0 ? null : parts.join('; ');
}
