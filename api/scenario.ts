/** Scenarios as programs name them: a shipped name, the text of a YAML file, or an object. */
import { readFileSync } from 'node:fs';
import { resolveLookedAt } from '../sim/looked-at.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { withLiveness } from '../sim/properties/liveness.ts';
import { scenario as built } from '../sim/scenario/build.ts';
import { shown, unknownName } from '../sim/scenario/issues.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import type { ParameterValue, ResolvedScenario, Scenario } from '../sim/scenario/types.ts';
import { shippedNames, shippedPath } from './shipped-scenarios.ts';

/**
 * The name of a shipped scenario, the text of a scenario file, or the same as an object. A text has
 * more than one line.
 * @public
 */
export type ScenarioSource = string | Scenario;

/**
 * What is chosen of a scenario, as `--variant`, `--set` and `--mutant` do.
 * @public
 */
export interface ScenarioOptions {
  /** The scenario's first unless given. */
  readonly variant?: string;
  /** Parameters by name. */
  readonly set?: Readonly<Record<string, ParameterValue>>;
  /** A change of the model that a test must notice, by name. */
  readonly mutant?: string;
  /** Also checks for hangs, unbounded retries and livelocks, if the scenario does not. */
  readonly liveness?: boolean;
}

/** A scenario cannot be loaded: no shipped one has the name, or the text is no scenario. @public */
export class ScenarioSourceError extends Error {
  override readonly name = 'ScenarioSourceError';
}

/** The text of a shipped scenario. @throws ScenarioSourceError */
function shippedText(name: string): string {
  const names = shippedNames();
  if (names.includes(name)) return readFileSync(shippedPath(name), 'utf8');
  if (/\.ya?ml$|\//.test(name))
    throw new ScenarioSourceError(`found ${shown(name)}, a path; expected the text of the file: readFileSync(path, 'utf8')`);
  throw new ScenarioSourceError(unknownName(name, 'the name of a shipped scenario, or the text of a scenario file', names));
}

/** Scenarios that were checked, and are not checked again: mechanisms have added their variants. */
const checked = new WeakSet<Scenario>();

/**
 * Checks a scenario, as `worldswitch check` does. Of an object it makes a copy.
 * @returns the scenario, with the variants that registered mechanisms add to it
 * @throws ScenarioError for its mistakes, all of them; ScenarioSourceError if there is none of that
 * name
 * @public
 */
export function scenario(source: ScenarioSource): Scenario {
  if (typeof source !== 'string' && checked.has(source)) return source;
  const made = typeof source === 'string' ? loaded(source) : built(source);
  checked.add(made);
  return made;
}

const loaded = (source: string): Scenario =>
  source.includes('\n')
    ? loadScenario(source, 'scenario', knownProperties())
    : loadScenario(shippedText(source), `${source}.yaml`, knownProperties());

/** A scenario as it will run. @throws ScenarioError, ScenarioSourceError, MechanismError */
export function resolved(source: ScenarioSource, { variant, set, mutant, liveness = false }: ScenarioOptions): ResolvedScenario {
  const texts = set && Object.fromEntries(Object.entries(set).map(([name, value]) => [name, String(value)]));
  const made = resolveLookedAt(scenario(source), {
    ...(variant !== undefined && { variant }),
    ...(texts && { set: texts }),
    ...(mutant !== undefined && { mutant }),
    knownProperties: knownProperties(),
  });
  return liveness ? withLiveness(made) : made;
}
