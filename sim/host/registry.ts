/**
 * The mechanisms that take part: those that are shipped, and those that a user registers before
 * anything is read.
 *
 * Schemas and lists are made on demand, so that they see what is registered.
 */

import { SHIPPED_MECHANISMS } from '../mechanisms/index.ts';
import { type Arch, CORE_KEYS, type ResolvedScenario } from '../scenario/types.ts';
import { type Mechanism, MechanismError, type Mutant, type Patch } from './mechanism.ts';
import { clashesOf } from './names.ts';

/** The file that a mechanism of the user's own comes from. @public */
export interface ModuleSource {
  /** As the user named it. */
  readonly file: string;
  /** Of the file's bytes, hex. */
  readonly sha256: string;
}

/** A mechanism of the user's own as a journal names it. */
export interface ModuleName {
  readonly name: string;
  readonly sha256: string;
}

const registered: Mechanism[] = [...SHIPPED_MECHANISMS];
const sources = new Map<Mechanism, ModuleSource>();
/** Counts changes. */
let version = 0;

export const mechanisms = (): readonly Mechanism[] => registered;

/** Those of a host. */
export const mechanismsOf = (arch: Arch): readonly Mechanism[] => registered.filter(({ arches }) => arches.includes(arch));

/**
 * Adds a mechanism; `source` is the file of the user's own that it comes from.
 * @returns what takes it away again
 * @throws MechanismError if another mechanism has brought one of its names
 * @public
 */
export function register(mechanism: Mechanism, source?: ModuleSource): () => void {
  const [clash] = clashesOf(mechanism, registered);
  if (clash) throw new MechanismError(`mechanisms ${clash.other.name} and ${mechanism.name} both bring the ${clash.noun} ${clash.name}`);
  const key = CORE_KEYS.find((name) => Object.hasOwn(mechanism.sections ?? {}, name));
  if (key !== undefined) throw new MechanismError(`mechanism ${mechanism.name} brings the section ${key}, a key of every scenario`);
  registered.push(mechanism);
  if (source) sources.set(mechanism, source);
  version++;
  return () => {
    registered.splice(registered.indexOf(mechanism), 1);
    sources.delete(mechanism);
    version++;
  };
}

/** Whether a mechanism has a part in what such a host does, or brings the model itself. */
const takesPart = ({ arches, models = [] }: Mechanism, { host, model }: Pick<ResolvedScenario, 'host' | 'model'>): boolean =>
  arches.includes(host.arch) || models.some(({ name }) => name === model);

/** The mechanisms of the user's own that a run of the scenario needs, as its journal names them. */
export const modulesFor = (scenario: Pick<ResolvedScenario, 'host' | 'model'>): readonly ModuleName[] =>
  registered.flatMap((mechanism) => {
    const source = sources.get(mechanism);
    return source && takesPart(mechanism, scenario) ? [{ name: mechanism.name, sha256: source.sha256 }] : [];
  });

/** Who brings a part, for messages: null for what is shipped. */
export function originOf(mechanism: Mechanism): string | null {
  const source = sources.get(mechanism);
  return source ? `mechanism ${mechanism.name} of ${source.file}` : null;
}

/**
 * What all mechanisms have of something, with the host's own after that of the first: so lists in
 * schemas and messages stand in the order in which they were published.
 */
export function amongMechanisms<V>(own: V, of: (mechanism: Mechanism) => V): readonly V[] {
  const [first, ...others] = registered.map(of);
  return [...(first === undefined ? [] : [first]), own, ...others];
}

/** Offers of the host's own that a scenario has to allow. */
export const HOST_OFFERS: readonly string[] = ['spurious-exit', 'interrupt'];

/** Offers that a scenario has to allow: errors, and what comes from outside. */
export const allowedOffers = perRegistry((): readonly string[] => [
  ...new Set([...HOST_OFFERS, ...registered.flatMap(({ allow = [] }) => allow)]),
]);

/** One value for each state of the registry. */
export function perRegistry<V>(make: () => V): () => V {
  let madeAt = -1;
  let value: V;
  return () => {
    if (madeAt !== version) {
      value = make();
      madeAt = version;
    }
    return value;
  };
}

/** As `perRegistry`, for each architecture; null stands for all of them at once. */
export function perArch<V>(make: (arch: Arch | null) => V): (arch: Arch | null) => V {
  const values = perRegistry(() => new Map<Arch | null, V>());
  return (arch) => {
    const value = values().get(arch) ?? make(arch);
    values().set(arch, value);
    return value;
  };
}

/** The mutants of a host, by name. */
export const mutantsOf = (arch: Arch): Readonly<Record<string, Mutant>> =>
  Object.assign({}, ...mechanismsOf(arch).map(({ mutants }) => mutants ?? {})) as Record<string, Mutant>;

/** A patch, and the mechanism of the user's own that it comes from; null for what is shipped. */
export interface PatchInForce extends Patch {
  readonly origin: string | null;
}

/**
 * What changes the model in this scenario: the patches of its mechanisms, then the mutant that was
 * asked for.
 */
export function patchesOf(scenario: ResolvedScenario): readonly PatchInForce[] {
  const here = mechanismsOf(scenario.host.arch);
  const patches = here.flatMap((mechanism) => {
    const patch = mechanism.patch?.(scenario);
    return patch ? [{ ...patch, origin: originOf(mechanism) }] : [];
  });
  if (scenario.mutant === undefined) return patches;
  const owner = here.find(({ mutants = {} }) => Object.hasOwn(mutants, scenario.mutant!))!;
  return [...patches, { ...owner.mutants![scenario.mutant]!, origin: originOf(owner) }];
}
