/** What a schema cannot see: whether the parts of a scenario fit each other. */

import { mechanismsOf } from '../host/registry.ts';
import { modelNames } from '../models/index.ts';
import { foreignOperations, foreignOptions, foreignSections, foreignVms } from './architecture.ts';
import { type Path, type PathIssue, shown, unknownName } from './issues.ts';
import type { Lowered } from './lower.ts';
import { parameterIssues } from './parameters.ts';
import { sectionsIn } from './sections.ts';
import { structureIssues } from './structure.ts';
import type { Scenario } from './types.ts';
import { VARIANT_DEFAULT } from './variants.ts';

/** The names of a scenario's variants, the default first. */
export const variantNames = ({ variants }: Scenario): string[] => (variants === undefined ? [VARIANT_DEFAULT] : Object.keys(variants));

function twice(values: readonly string[], base: Path): PathIssue[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) < index ? [{ path: [...base, index], message: `found ${shown(value)} twice; expected it once` }] : [],
  );
}

/** The memory of arm64 is weaker than `tso`, and its order is not there. */
function orderIssues({
  host,
  variants = {},
}: Pick<Scenario, 'host'> & { readonly variants: Scenario['variants'] | undefined }): PathIssue[] {
  if (host.arch !== 'arm64') return [];
  const given: readonly (readonly [Path, string | undefined])[] = [
    [['host', 'options', 'memory'], host.options?.memory],
    ...Object.entries(variants).map(([name, options]) => [['variants', name, 'memory'], options.memory] as const),
  ];
  return given
    .filter(([, order]) => order === 'tso')
    .map(([path]) => ({
      path,
      message: 'found "tso", the memory order of x86; expected "sc": that of arm64 is weaker, and no model of it is there',
    }));
}

/** A host that contradicts itself. */
export function hostIssues({ host, allow = [], time, variants }: Pick<Scenario, 'host' | 'allow' | 'time' | 'variants'>): PathIssue[] {
  const issues = [...twice(host.features ?? [], ['host', 'features']), ...twice(allow, ['allow']), ...orderIssues({ host, variants })];
  if (host.smt === true && host.cpus !== undefined && host.cpus % 2 !== 0) {
    issues.push({ path: ['host', 'cpus'], message: `found ${host.cpus}; expected an even number: with smt, each two CPUs share a core` });
  }
  if (host.arch === 'arm64' && host.tsc !== undefined) {
    issues.push({ path: ['host', 'tsc'], message: `found ${shown(host.tsc)}; expected none: arm64 has no TSC` });
  }
  if (time === 'ordered') {
    const reason = 'the order in which armed timers fire is not simulated: each may fire at any later step';
    issues.push({ path: ['time'], message: `found "ordered"; expected "untimed": ${reason}` });
  }
  return issues;
}

/** What the host does not have. */
function foreignIssues(scenario: Scenario, lowered: Lowered): PathIssue[] {
  const { arch } = scenario.host;
  const vms = Object.entries(scenario.vms ?? {}).map(([id, { type, options = {} }]) => ({
    type,
    path: ['vms', id],
    settings: options,
    settingsPath: ['vms', id, 'options'],
  }));
  return [
    ...foreignSections(arch, sectionsIn(scenario), []),
    ...foreignOptions(scenario),
    ...foreignVms(arch, vms),
    ...foreignOperations(lowered),
  ];
}

/** Entries of `uncovered` that say the same, or that say nothing. */
function uncoveredIssues({ uncovered = [] }: Scenario): PathIssue[] {
  const globs = uncovered.map(({ steps }) => steps);
  return globs.flatMap((glob, index) => {
    const path = ['uncovered', index, 'steps'];
    if (/^\*+$/.test(glob))
      return [{ path, message: `found ${shown(glob)}, which names everything; expected a path such as "main.KVM_RUN.*"` }];
    return globs.indexOf(glob) < index ? [{ path, message: `found ${shown(glob)} twice; expected it once` }] : [];
  });
}

function namingIssues(scenario: Scenario, { used, issues }: Lowered): PathIssue[] {
  const variants = variantNames(scenario);
  const expected = Object.keys(scenario.expect ?? {}).filter((variant) => !variants.includes(variant));
  const unused =
    issues.length > 0 || scenario.model !== undefined ? [] : Object.keys(scenario.params ?? {}).filter((name) => !used.has(name));
  return [
    ...expected.map((variant) => ({ path: ['expect', variant], message: unknownName(variant, 'a variant of the scenario', variants) })),
    ...unused.map((name) => ({
      path: ['params', name],
      message: `found no argument $${name}; expected one: the parameter changes nothing`,
    })),
  ];
}

/** The host's model runs processes; another model brings its own actors. */
function modelIssues({ model, vms, processes }: Scenario): PathIssue[] {
  if (model === undefined) {
    return processes
      ? []
      : [{ path: ['processes'], message: `required and missing; expected a map, unless a model other than the host's is named` }];
  }
  const known = modelNames().includes(model) ? [] : [{ path: ['model'], message: unknownName(model, 'a model', modelNames()) }];
  const key = processes ? 'processes' : 'vms';
  const foreign = processes || vms ? [{ path: [key], message: `expected no ${key}: model ${model} brings its own actors` }] : [];
  return [...known, ...foreign];
}

/** All mistakes but those in names of properties. */
export function scenarioIssues(scenario: Scenario, lowered: Lowered): PathIssue[] {
  const models = modelIssues(scenario);
  if (models.length > 0) return models;
  const parameters = parameterIssues(scenario.params ?? {});
  return [
    ...parameters,
    ...hostIssues(scenario),
    ...foreignIssues(scenario, lowered),
    ...mechanismsOf(scenario.host.arch).flatMap((mechanism) => mechanism.checks?.(scenario) ?? []),
    ...(parameters.length > 0 ? [] : lowered.issues),
    ...structureIssues(lowered),
    ...namingIssues(scenario, lowered),
    ...uncoveredIssues(scenario),
  ];
}
