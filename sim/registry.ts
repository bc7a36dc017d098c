/**
 * The mechanisms that take part: those that are shipped, and those that a user registers before anything is read.
 *
 * What is registered stays for the life of the process. Schemas and lists are made on demand, so that they see it.
 */
import type { Mechanism, Mutant } from './mechanism.ts';
import { SHIPPED_MECHANISMS } from './mechanisms/index.ts';
import type { Arch, ResolvedScenario } from './scenario/types.ts';

const registered: Mechanism[] = [...SHIPPED_MECHANISMS];

export const mechanisms = (): readonly Mechanism[] => registered;

/** Those of a host. */
export const mechanismsOf = (arch: Arch): readonly Mechanism[] => registered.filter(({ arches }) => arches.includes(arch));

/**
 * Adds a user's mechanism.
 * @throws Error if a name of it is taken
 */
export function register(mechanism: Mechanism): void {
  const taken = namesOf(mechanism).find((name) => registered.some((other) => namesOf(other).includes(name)));
  if (taken !== undefined) throw new Error(`${taken} is there already: two mechanisms bring it`);
  registered.push(mechanism);
}

/** Everything by which somebody may call for a part of it. */
const namesOf = (mechanism: Mechanism): string[] => [
  `mechanism ${mechanism.name}`,
  ...Object.keys(mechanism.options ?? {}).map((name) => `option ${name}`),
  ...Object.keys(mechanism.guestOperations ?? {}).map((name) => `guest operation ${name}`),
  ...Object.keys(mechanism.hostOperations ?? {}).map((name) => `host operation ${name}`),
  ...(mechanism.properties ?? []).map(({ id }) => `property ${id}`),
  ...Object.keys(mechanism.mutants ?? {}).map((name) => `mutant ${name}`),
  ...(mechanism.models ?? []).map(({ name }) => `model ${name}`),
];

/** One value for each state of the registry. */
export function perRegistry<V>(make: () => V): () => V {
  let size = -1;
  let value: V;
  return () => {
    if (size !== registered.length) {
      value = make();
      size = registered.length;
    }
    return value;
  };
}

/** The mutants of a host, by name. */
export const mutantsOf = (arch: Arch): Readonly<Record<string, Mutant>> =>
  Object.assign({}, ...mechanismsOf(arch).map(({ mutants }) => mutants ?? {})) as Record<string, Mutant>;

/** What changes the model in this scenario: the patches of its mechanisms, then the mutant that was asked for. */
export const patchesOf = (scenario: ResolvedScenario): readonly Pick<Mutant, 'paths' | 'machines'>[] => [
  ...mechanismsOf(scenario.host.arch).flatMap((mechanism) => mechanism.patch?.(scenario) ?? []),
  ...(scenario.mutant === undefined ? [] : [mutantsOf(scenario.host.arch)[scenario.mutant]!]),
];
