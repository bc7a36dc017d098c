/**
 * A topology that a user's code has made: its shape is checked, and whether its parts fit each
 * other, before anything is made of it.
 */
import { didYouMean } from '../../events/nearest.ts';
import { listed, type Path, type PathIssue, pathText, shown, unknownName } from '../scenario/issues.ts';
import type { Topology } from '../store.ts';
import { MechanismError } from './mechanism.ts';

const DELIVERIES: readonly string[] = ['bus', 'queued', 'latched', 'offer'];
const ISSUES_MAX = 20;

type Loose = Readonly<Record<string, unknown>>;

const isMap = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isMachine = (value: unknown): boolean => isMap(value) && typeof value.transition === 'function' && isMap(value.root);

function actorIssues(actors: unknown, kinds: readonly string[]): PathIssue[] {
  if (!Array.isArray(actors)) return [{ path: ['actors'], message: `found ${shown(actors)}; expected a list of actors` }];
  if (actors.length === 0) return [{ path: ['actors'], message: 'found an empty list; expected at least one actor' }];
  const ids = actors.map((actor: unknown) => (isMap(actor) ? actor.id : undefined));
  return actors.flatMap((actor: unknown, at): PathIssue[] => {
    const path = ['actors', at];
    if (!isMap(actor)) return [{ path, message: `found ${shown(actor)}; expected an actor: its id, kind and input` }];
    const { id, kind } = actor;
    const issues: PathIssue[] = [];
    if (!isText(id)) issues.push({ path: [...path, 'id'], message: `found ${shown(id)}; expected text such as "lock:a"` });
    else if (ids.indexOf(id) < at)
      issues.push({ path: [...path, 'id'], message: `found ${shown(id)}, the id of another actor; expected each id once` });
    if (!isText(kind)) issues.push({ path: [...path, 'kind'], message: `found ${shown(kind)}; expected the name of a machine` });
    else if (!kinds.includes(kind)) issues.push({ path: [...path, 'kind'], message: unknownName(kind, 'a key of machines', kinds) });
    return issues;
  });
}

function machineIssues(machines: unknown): PathIssue[] {
  if (!isMap(machines)) return [{ path: ['machines'], message: `found ${shown(machines)}; expected a map from kinds to machines` }];
  return Object.entries(machines).flatMap(([kind, machine]) =>
    isMachine(machine) ? [] : [{ path: ['machines', kind], message: `found ${shown(machine)}; expected a state machine of XState` }],
  );
}

function catalogueIssues(catalogue: unknown): PathIssue[] {
  if (!isMap(catalogue)) return [{ path: ['catalogue'], message: `found ${shown(catalogue)}; expected a map from event types` }];
  return Object.entries(catalogue).flatMap(([type, delivery]) =>
    DELIVERIES.includes(delivery as string)
      ? []
      : [
          {
            path: ['catalogue', type],
            message: `found ${shown(delivery)}; expected one of ${listed(DELIVERIES)}${didYouMean(String(delivery), DELIVERIES)}`,
          },
        ],
  );
}

/** `kind.field` or `type.field`; a type may have dots of its own. */
function setIssues(sets: unknown, known: readonly string[]): PathIssue[] {
  if (sets === undefined) return [];
  if (!Array.isArray(sets)) return [{ path: ['sets'], message: `found ${shown(sets)}; expected a list such as "kind.field"` }];
  return sets.flatMap((set: unknown, at): PathIssue[] => {
    const path = ['sets', at];
    if (!isText(set) || !/.\../.test(set)) return [{ path, message: `found ${shown(set)}; expected text such as "kind.field"` }];
    if (known.some((name) => set.startsWith(`${name}.`))) return [];
    return [{ path, message: unknownName(set.slice(0, set.lastIndexOf('.')), 'a kind of actors or a type of events', known) }];
  });
}

function groupIssues(groups: unknown, ids: readonly string[]): PathIssue[] {
  if (groups === undefined) return [];
  const base = ['interchangeable'];
  if (!Array.isArray(groups)) return [{ path: base, message: `found ${shown(groups)}; expected a list of groups` }];
  const stranger = (id: unknown, path: Path): PathIssue[] =>
    ids.includes(id as string) ? [] : [{ path, message: `found ${shown(id)}; expected an actor${didYouMean(String(id), ids)}` }];
  return groups.flatMap((group: unknown, at): PathIssue[] => {
    if (!Array.isArray(group)) return [{ path: [...base, at], message: `found ${shown(group)}; expected a list of actors or bundles` }];
    return group.flatMap((member: unknown, place) =>
      Array.isArray(member)
        ? member.flatMap((id: unknown, inner) => stranger(id, [...base, at, place, inner]))
        : stranger(member, [...base, at, place]),
    );
  });
}

/**
 * The topology itself.
 * @param where names it in messages
 * @throws MechanismError
 */
export function checkedTopology(value: unknown, where: string): Topology {
  if (!isMap(value)) throw new MechanismError(`${where}: found ${shown(value)}; expected a map of actors, machines and catalogue`);
  const { actors, machines, catalogue, sets, interchangeable } = value;
  const kinds = isMap(machines) ? Object.keys(machines) : [];
  const types = isMap(catalogue) ? Object.keys(catalogue) : [];
  const ids = Array.isArray(actors) ? actors.flatMap((actor: unknown) => (isMap(actor) && isText(actor.id) ? [actor.id] : [])) : [];
  const issues = [
    ...actorIssues(actors, kinds),
    ...machineIssues(machines),
    ...catalogueIssues(catalogue),
    ...setIssues(sets, [...kinds, ...types]),
    ...groupIssues(interchangeable, ids),
  ];
  if (issues.length === 0) return value as unknown as Topology;
  const lines = issues.slice(0, ISSUES_MAX).map(({ path, message }) => `${pathText(path)}: ${message}`);
  throw new MechanismError(
    lines.length === 1
      ? `${where}: ${lines[0]!}`
      : [`${where} has ${issues.length} mistakes`, ...lines.map((line) => `  ${line}`)].join('\n'),
  );
}
