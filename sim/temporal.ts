/**
 * Temporal properties that remember the past, of the world, of each actor of a kind, or of each
 * pair of actors. Each compiles to a monitor, and to a question about that monitor's state.
 */

import type { ActorId } from '../events/event.ts';
import { didYouMean } from '../events/nearest.ts';
import { MechanismError } from './host/mechanism.ts';
import { type Follows, type Monitor, type MonitorContext, type MonitorStep, monitorKind } from './monitors/monitor.ts';
import { type Property, type PropertyForm, withEach } from './property.ts';
import { shown } from './scenario/issues.ts';
import type { ActorView, WorldView } from './view.ts';

/** Evidence, a sentence, where it holds of the world; null where it does not. @public */
export type OfWorld = (world: WorldView) => string | null;
/** The same of an actor. @public */
export type OfActor = (actor: ActorView<never>, world: WorldView) => string | null;
/** The same of a pair of actors. @public */
export type OfPair = (one: ActorView<never>, other: ActorView<never>, world: WorldView) => string | null;

type Basis = Pick<Property, 'source' | 'grade'>;
/** Of the world; `kinds` are the kinds of actors that it looks at. @public */
export type WorldScope<K extends string> = Basis & { readonly kinds: readonly string[] } & Readonly<Record<K, OfWorld>>;
/** Of each actor of the kind `each`; it looks at actors of `kinds` as well. @public */
export type ActorScope<K extends string> = Basis & { readonly each: string; readonly kinds?: readonly string[] } & Readonly<
    Record<K, OfActor>
  >;
/**
 * Of each pair of two different actors, the first of the first kind and the second of the second;
 * two of the same kind are two pairs. It looks at actors of `kinds` as well.
 * @public
 */
export type PairScope<K extends string> = Basis & {
  readonly pair: readonly [string, string];
  readonly kinds?: readonly string[];
} & Readonly<Record<K, OfPair>>;
/** A form of properties: of each pair of actors, of each actor, or of the world. @public */
export interface TemporalForm<K extends string> {
  (id: string, given: PairScope<K>): Property;
  (id: string, given: ActorScope<K>): Property;
  (id: string, given: WorldScope<K>): Property;
}

type Holds = (world: WorldView, who: readonly ActorView<never>[]) => string | null;
type Given = Readonly<Record<string, unknown>>;

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** Refuses what was meant for something else: nothing that is written is dropped. */
function refuseSlips(id: string, given: unknown, expected: readonly string[]): asserts given is Given {
  if (typeof given !== 'object' || given === null)
    throw new MechanismError(`property ${id}: found ${shown(given)}; expected a map of its parts`);
  const keys = [...expected, 'each', 'pair', 'kinds', 'source', 'grade'];
  for (const key of Object.keys(given))
    if (!keys.includes(key))
      throw new MechanismError(`property ${id}: found the key ${shown(key)}; expected one of ${keys.join(', ')}${didYouMean(key, keys)}`);
  for (const key of ['each', 'pair', 'kinds'])
    if (Object.hasOwn(given, key) && (given as Given)[key] === undefined)
      throw new MechanismError(`property ${id}: ${key} is undefined; leave it out`);
}

function followsIn(id: string, { each, pair }: Given): Follows {
  if (each !== undefined && pair !== undefined) throw new MechanismError(`property ${id}: found each and pair; expected one of them`);
  if (each !== undefined) {
    if (!isText(each)) throw new MechanismError(`property ${id}: each is ${shown(each)}; expected a kind of actors`);
    return { each };
  }
  if (pair === undefined) return null;
  if (!Array.isArray(pair) || pair.length !== 2 || !pair.every(isText))
    throw new MechanismError(`property ${id}: pair is ${shown(pair)}; expected two kinds of actors, such as ["vcpu", "vcpu"]`);
  return { pair: pair as unknown as readonly [string, string] };
}

function looksAt(id: string, follows: Follows, kinds: unknown = []): readonly string[] {
  if (!Array.isArray(kinds) || !kinds.every(isText))
    throw new MechanismError(`property ${id}: kinds is ${shown(kinds)}; expected a list of kinds of actors`);
  if (follows === null && kinds.length === 0)
    throw new MechanismError(`property ${id}: found neither each, pair nor kinds; expected the kinds of actors that it looks at`);
  return kinds;
}

const functionIn = <F>(id: string, given: Given, key: string): F => {
  const value = given[key];
  if (typeof value !== 'function') throw new MechanismError(`property ${id}: ${key} is ${shown(value)}; expected a function`);
  return value as F;
};

/** A condition of the world, of an actor or of a pair, in one shape. */
function conditionIn(id: string, given: Given, key: string, follows: Follows): Holds {
  const holds = functionIn<(...args: readonly unknown[]) => unknown>(id, given, key);
  return (world, who) => evidenceOf(key, follows === null ? holds(world) : holds(...who, world));
}

/** @throws Error if it is neither a sentence nor null */
function evidenceOf(key: string, evidence: unknown): string | null {
  if (evidence === null || typeof evidence === 'string') return evidence;
  throw new Error(`${key}() gives ${shown(evidence)}; expected a sentence where it holds, null where it does not`);
}

const named = (who: readonly ActorId[]): string => (who.length > 0 ? `${who.join(' and ')}: ` : '');

/** The property of a monitor. */
function watched(id: string, form: PropertyForm, monitor: Monitor, { source, grade }: Basis): Property {
  const evidence = ({ context }: ActorView<MonitorContext>): string | null => {
    const says = monitor.says(context.state as never, context.who);
    return says === null ? null : `${named(context.who)}${says}`;
  };
  return { ...withEach(id, form, { kind: monitorKind(id), each: evidence, source, grade }), monitor };
}

interface Form<K extends string, S> {
  readonly form: PropertyForm;
  readonly conditions: readonly K[];
  readonly start: S;
  readonly next: (state: S, holds: (condition: K) => string | null) => S;
  readonly says: (state: S) => string | null;
}

/** A form by what it remembers. A sentence is the one with which its condition began to hold. */
const formOf =
  <K extends string, S>({ form, conditions, start, next, says }: Form<K, S>): TemporalForm<K> =>
  (id: string, given: Basis & { readonly kinds?: readonly string[] }): Property => {
    refuseSlips(id, given, conditions);
    const follows = followsIn(id, given);
    const holds = Object.fromEntries(conditions.map((key) => [key, conditionIn(id, given, key, follows)])) as Record<K, Holds>;
    const monitor: Monitor = {
      follows,
      start,
      next: (state: S, world, who) => next(state, (condition) => holds[condition](world, who)),
      says,
      seesStep: false,
      looksAt: looksAt(id, follows, given.kinds),
    };
    return watched(id, form, monitor, given);
  };

/** What has been, and what is wrong with it; a run ends there. */
interface Past {
  readonly been: string | null;
  readonly broken: string | null;
}
const NO_PAST: Past = { been: null, broken: null };

/**
 * Each time `from` holds, `to` holds then or later, in every fair schedule.
 * @public
 */
export const leadsTo = formOf<'from' | 'to', string | null>({
  form: 'eventually',
  conditions: ['from', 'to'],
  start: null,
  next: (pending, holds) => (holds('to') !== null ? null : (pending ?? holds('from'))),
  says: (pending) => (pending === null ? null : `${pending}, and what that leads to does not come`),
});

/** `holds` holds again and again, in every fair schedule. @public */
export const alwaysEventually = formOf<'holds', boolean>({
  form: 'eventually',
  conditions: ['holds'],
  start: false,
  next: (_, holds) => holds('holds') === null,
  says: (owes) => (owes ? 'it does not come true any more' : null),
});

/**
 * `holds` holds at some time in every fair schedule: of each actor, or of each pair. Of the world,
 * `eventually` says it.
 * @public
 */
export const eventuallyEach = formOf<'holds', boolean>({
  form: 'eventually',
  conditions: ['holds'],
  start: true,
  next: (owes, holds) => owes && holds('holds') === null,
  says: (owes) => (owes ? 'it does not come true' : null),
});

/** Once `after` has held, `never` does not hold: in that state, and in all that follow. @public */
export const neverAfter = formOf<'never' | 'after', Past>({
  form: 'always',
  conditions: ['never', 'after'],
  start: NO_PAST,
  next: (past, holds) => {
    const been = past.been ?? holds('after');
    return { been, broken: been === null ? null : holds('never') };
  },
  says: ({ been, broken }) => (broken === null ? null : `${broken}, after ${been!}`),
});

/** Once `holds` has held, it holds in all states that follow. @public */
export const stable = formOf<'holds', Past>({
  form: 'always',
  conditions: ['holds'],
  start: NO_PAST,
  next: ({ been }, holds) => {
    const now = holds('holds');
    return { been: been ?? now, broken: been !== null && now === null ? 'it does not hold any more' : null };
  },
  says: ({ been, broken }) => (broken === null ? null : `${broken}: ${been!}, before`),
});

/** `second` holds only once `first` has held, in the same state or before it. @public */
export const precedes = formOf<'first' | 'second', { readonly seen: boolean; readonly broken: string | null }>({
  form: 'always',
  conditions: ['first', 'second'],
  start: { seen: false, broken: null },
  next: (past, holds) => {
    const seen = past.seen || holds('first') !== null;
    return { seen, broken: seen ? null : holds('second') };
  },
  says: ({ broken }) => (broken === null ? null : `${broken}, and what has to come before it was not`),
});

/** What a monitor of the user's own is made of. @public */
export interface MonitorParts<S> extends Basis {
  /**
   * `always`: `says` has evidence where it breaks; `sometimes`: where it has come true;
   * `eventually`: where something is owed, so that every fair schedule leaves such states, each
   * time.
   */
  readonly form: PropertyForm;
  /** One monitor for each actor of a kind, or for each pair; without both one for the world. */
  readonly each?: string;
  readonly pair?: readonly [string, string];
  /**
   * The kinds of actors that it looks at besides those it follows. `next` is asked after each step
   * that changes an actor of these, or one that is followed.
   */
  readonly kinds?: readonly string[];
  /** The state before the first look: plain data, which is never changed. */
  readonly start: S;
  /**
   * The next state. `next` remembers nothing but what it gives, and gives the same each time. It is
   * asked once at the start of a run, where `step` is null.
   */
  readonly next: (state: S, world: WorldView, step: MonitorStep | null, ...who: readonly ActorView<never>[]) => S;
  /** Evidence in a state. */
  readonly says: (state: S, ...who: readonly ActorId[]) => string | null;
}

/** A property with a state of its own, for what no form above says. @public */
export function monitor<S>(id: string, given: MonitorParts<S>): Property {
  refuseSlips(id, given, ['form', 'start', 'next', 'says']);
  const { form, kinds, start } = given as MonitorParts<S>;
  if (!(['always', 'sometimes', 'eventually'] as const).includes(form))
    throw new MechanismError(`property ${id}: form is ${shown(form)}; expected "always", "sometimes" or "eventually"`);
  const follows = followsIn(id, given);
  const next = functionIn<MonitorParts<S>['next']>(id, given, 'next');
  const says = functionIn<MonitorParts<S>['says']>(id, given, 'says');
  const parts: Monitor = {
    follows,
    start,
    next: (state, world, who, step) => next(state as S, world, step, ...who),
    says: (state, who) => evidenceOf('says', says(state as S, ...who)),
    seesStep: true,
    looksAt: looksAt(id, follows, kinds),
  };
  return watched(id, form, parts, given as Basis);
}
