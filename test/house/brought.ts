/**
 * Whose a file is, and which names a mechanism brings: from the registry, and from what its sources
 * declare for the types of others.
 */
import type { Mechanism } from '../../sim/host/mechanism.ts';
import { hostOwn } from '../../sim/host/own-mechanism.ts';
import { mechanismsOf } from '../../sim/host/registry.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { SHIPPED_MECHANISMS } from '../../sim/mechanisms/index.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { loadScenario } from '../../sim/scenario/load.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import { below } from './builds-on.ts';
import { isScript, projectFiles, textOf } from './source.ts';
import { closing, declaredIn, membersBetween, tokensOf } from './tokens.ts';

const NAMES = SHIPPED_MECHANISMS.map(({ name }) => name);

/** The mechanism whose name a folder of the path has, or the file itself, as that of its lanes. */
export const ownerOf = (file: string): string | null => {
  const parts = file.replace(/\.ts$/, '').split('/');
  return NAMES.find((name) => parts.includes(name)) ?? null;
};

/** Scenarios by file, in their first variants. */
const scenarios = projectFiles()
  .filter((file) => /^scenarios\/(?!regressions\/).*\.yaml$/.test(file))
  .map((file) => resolveScenario(loadScenario(textOf(file), file, knownProperties()), { knownProperties: knownProperties() }));

/** Names of scenarios: an example may name one wherever it stands. */
const scenarioNames: readonly string[] = scenarios.map(({ name }) => name);

const prefixOf = ({ id }: { readonly id: string }): string => id.split(':')[0]!;

/** Kinds of its actors, and what their ids begin with. */
const actorNames = (mechanism: Mechanism): string[] =>
  scenarios
    .filter(({ host }) => mechanism.arches.includes(host.arch))
    .flatMap((scenario) => [...Object.keys(mechanism.machines?.(scenario) ?? {}), ...(mechanism.actors?.(scenario) ?? []).map(prefixOf)]);

/** Kinds of actors that every host has, and what their ids begin with. */
function hostActorNames(): string[] {
  return scenarios.flatMap((scenario) => {
    if (scenario.model !== undefined) return [];
    const added = mechanismsOf(scenario.host.arch);
    const kinds = added.flatMap((mechanism) => Object.keys(mechanism.machines?.(scenario) ?? {}));
    const ids = added.flatMap((mechanism) => (mechanism.actors?.(scenario) ?? []).map(({ id }) => id));
    const { actors, machines } = topologyOf(scenario);
    return [
      ...Object.keys(machines).filter((kind) => !kinds.includes(kind)),
      ...actors.filter(({ id }) => !ids.includes(id)).map(prefixOf),
    ];
  });
}

/** Every name that the registry has from a mechanism. */
function registeredNames(mechanism: Mechanism): ReadonlySet<string> {
  const { completions = [], models = [], outcomes = [], properties = [] } = mechanism;
  const maps = ['options', 'vmSettings', 'sections', 'guestOperations', 'hostOperations', 'catalogue', 'mutants'];
  const lists = ['features', 'vmTypes', 'launches', 'pageStates', 'allow'];
  const fields = mechanism as unknown as Readonly<Record<string, object | undefined>>;
  return new Set([
    mechanism.name,
    ...maps.flatMap((key) => Object.keys(fields[key] ?? {})),
    ...lists.flatMap((key) => (fields[key] as readonly string[] | undefined) ?? []),
    ...completions.flatMap((completion) => [completion.name, completion.handler]),
    ...[...properties, ...models.flatMap((model) => model.properties)].map(({ id }) => id),
    ...[...models, ...outcomes].map(({ name }) => name),
    ...actorNames(mechanism),
  ]);
}

/** The members that a text adds to the types of others, in its blocks `declare module`. */
export function membersAdded(text: string): string[] {
  const tokens = tokensOf(text);
  return tokens.flatMap(({ text: word }, at) => {
    if (word !== 'declare' || tokens[at + 1]?.text !== 'module') return [];
    return membersBetween(tokens, at + 4, closing(tokens, at + 3));
  });
}

/**
 * The scripts of the product, and who declares which name. A scan of fewer files than `SEEN_MIN` is
 * broken.
 */
const SEEN_MIN = 200;
export const files = projectFiles().filter((file) => isScript(file) && /^(?:events|actors|sim|replay|timeline|api|cli)\//.test(file));
if (files.length < SEEN_MIN) throw new Error(`found ${files.length} scripts; expected at least ${SEEN_MIN}`);
const filesOf = (owner: string | null): readonly string[] => files.filter((file) => ownerOf(file) === owner);
const membersOf = (owner: string | null): string[] => filesOf(owner).flatMap((file) => [...declaredIn(textOf(file)).members]);

/** What a side declares: the files that no mechanism owns, or those of one mechanism. */
interface Side {
  readonly registered: ReadonlySet<string>;
  readonly members: ReadonlySet<string>;
}
const NEUTRAL: Side = { registered: new Set([...registeredNames(hostOwn()), ...hostActorNames()]), members: new Set(membersOf(null)) };
const SIDES: Readonly<Record<string, Side>> = Object.fromEntries(
  SHIPPED_MECHANISMS.map((mechanism) => {
    const added = filesOf(mechanism.name).flatMap((file) => membersAdded(textOf(file)));
    return [mechanism.name, { registered: registeredNames(mechanism), members: new Set(added) }];
  }),
);
const OWN: Readonly<Record<string, ReadonlySet<string>>> = Object.fromEntries(NAMES.map((name) => [name, new Set(membersOf(name))]));

const declares = ({ registered, members }: Side, name: string): boolean => registered.has(name) || members.has(name);

/**
 * Names that a mechanism brings and the neutral side declares as well: no use of them can be told
 * from one of the host's own.
 */
export const sharedNames = (mechanism: string): readonly string[] => {
  const { registered, members } = SIDES[mechanism]!;
  return [...new Set([...registered, ...members])].filter((name) => declares(NEUTRAL, name)).sort();
};

/**
 * Names in a text: identifiers, and strings that are one word, or the beginning of an actor's id. A
 * scenario's name is none.
 */
const namesIn = (text: string): string[] =>
  tokensOf(text).flatMap(({ kind, text: name }) => {
    if (kind === 'word') return [name];
    return kind === 'mark' || /\s/.test(name) || scenarioNames.includes(name) ? [] : [name, name.split(':')[0]!];
  });

/**
 * The names in a file that a mechanism brings, which is not its own nor one that it builds on, and
 * that nothing else declares.
 */
export function foreignNames(file: string, text: string): string[] {
  const owner = ownerOf(file);
  const { members, bindings } = declaredIn(text);
  const used = new Set(namesIn(text));
  const isOwn = (name: string): boolean =>
    declares(NEUTRAL, name) || members.has(name) || (owner !== null && (declares(SIDES[owner]!, name) || OWN[owner]!.has(name)));
  // A mechanism brings kinds of actors of those that it builds on, too.
  const foreign = NAMES.filter((mechanism) => mechanism !== owner && !below(owner).includes(mechanism)).flatMap((mechanism) => {
    const { registered, members: added } = SIDES[mechanism]!;
    return [...used].filter((name) => registered.has(name) || (added.has(name) && !bindings.has(name)));
  });
  return [...new Set(foreign)].filter((name) => !isOwn(name)).sort();
}
