/** Names of properties: which exist, and what `topic.*` stands for. */
import { didYouMean } from '../../events/nearest.ts';
import { isEndlessName, STUCK_NAMES } from './expectations.ts';
import { type PathIssue, shown, unknownName } from './issues.ts';
import type { PropertyKind, Scenario } from './types.ts';

/**
 * A property by its id. With its kind, a scenario that lists it under another kind is refused, and
 * patterns pick by kind.
 */
export type KnownProperty = string | { readonly id: string; readonly kind: PropertyKind };

const KINDS: readonly PropertyKind[] = ['always', 'sometimes', 'eventually'];

const idOf = (property: KnownProperty): string => (typeof property === 'string' ? property : property.id);
const fits = (property: KnownProperty, kind: PropertyKind): boolean => typeof property === 'string' || property.kind === kind;
const isPattern = (id: string): boolean => id.endsWith('.*');
const topicOf = (id: string): string => id.slice(0, id.indexOf('.'));

/** The nearest id; where none is near, all of the topic. */
function unknownProperty(name: string, known: readonly KnownProperty[], kind?: PropertyKind): string {
  const found = `found ${shown(name)}; expected the id of a property`;
  const near = didYouMean(name, known.map(idOf));
  const ofTopic = known.filter((one) => topicOf(idOf(one)) === topicOf(name) && (kind === undefined || fits(one, kind))).map(idOf);
  return near === '' && ofTopic.length > 0 ? `${found}, such as ${ofTopic.join(', ')}` : `${found}${near}`;
}

function nameIssue(name: string, known: readonly KnownProperty[], kind?: PropertyKind): string | null {
  if (isPattern(name)) {
    const topics = [
      ...new Set(known.filter((property) => kind === undefined || fits(property, kind)).map((property) => topicOf(idOf(property)))),
    ];
    const topic = topicOf(name);
    if (topics.includes(topic)) return null;
    return unknownName(
      name,
      `a topic of ${kind === undefined ? '' : `${kind} `}properties`,
      topics.map((known) => `${known}.*`),
    );
  }
  const property = known.find((one) => idOf(one) === name);
  if (property === undefined) return unknownProperty(name, known, kind);
  if (kind === undefined || fits(property, kind) || typeof property === 'string') return null;
  return `found ${shown(name)}, which belongs under ${property.kind}; expected a property of the kind ${kind}`;
}

/**
 * What is wrong with a name under `violates`; `isEndlessAsked`: some property under `eventually` is
 * checked.
 */
function expectedIssue(name: string, known: readonly KnownProperty[], isEndlessAsked: boolean): string | null {
  if (isEndlessName(name) && !isEndlessAsked)
    return `found ${shown(name)}; expected a property under properties.eventually that finds it, such as cpu.progress`;
  if (STUCK_NAMES.includes(name) || known.some((property) => idOf(property) === name)) return null;
  const names = [...known.map(idOf), ...STUCK_NAMES];
  return `found ${shown(name)}; expected the id of a property, or one of ${STUCK_NAMES.join(', ')}${didYouMean(name, names)}`;
}

/** Property names in a scenario that name nothing, or twice the same. */
export function propertyIssues({ properties = {}, expect = {} }: Scenario, known: readonly KnownProperty[]): PathIssue[] {
  const issues: PathIssue[] = [];
  for (const kind of KINDS) {
    const names = properties[kind] ?? [];
    names.forEach((name, index) => {
      const path = ['properties', kind, index];
      const message = nameIssue(name, known, kind);
      if (message !== null) issues.push({ path, message });
      else if (names.indexOf(name) < index) issues.push({ path, message: `found ${shown(name)} twice; expected it once` });
    });
  }
  for (const [variant, expectation] of Object.entries(expect)) {
    if (expectation === 'clean') continue;
    expectation.violates.forEach((name, index) => {
      const message = expectedIssue(name, known, (properties.eventually ?? []).length > 0);
      if (message !== null) issues.push({ path: ['expect', variant, 'violates', index], message });
    });
  }
  return issues;
}

/**
 * The ids to check, by kind. A pattern leaves out what the scenario lists by its id under another
 * kind.
 */
export function expandProperties({ properties = {} }: Scenario, known: readonly KnownProperty[]): Record<PropertyKind, string[]> {
  const expand = (kind: PropertyKind): string[] => {
    const elsewhere = new Set(KINDS.filter((other) => other !== kind).flatMap((other) => properties[other] ?? []));
    const ofTopic = (topic: string) =>
      known.filter((property) => fits(property, kind) && topicOf(idOf(property)) === topic && !elsewhere.has(idOf(property))).map(idOf);
    return [...new Set((properties[kind] ?? []).flatMap((name) => (isPattern(name) ? ofTopic(topicOf(name)) : [name])))];
  };
  return { always: expand('always'), sometimes: expand('sometimes'), eventually: expand('eventually') };
}
