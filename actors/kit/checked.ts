/**
 * What an author gives to the kit, looked at where it is given: names, keys, arguments of steps.
 * What does not fit is told there, with what was expected, and not by the run that comes upon it.
 */
import { didYouMean } from '../../events/nearest.ts';
import { type Fits, fn, list, oneOf, shownValue, text, wrongKey } from '../path/fits.ts';
import { type Made, withLocals } from '../path/locals.ts';
import { lookingIfAsks } from '../path/looks.ts';
import { needing } from '../path/needs.ts';
import { GRADES, type Source } from '../path/path.ts';
import { KitError } from './kit-error.ts';
import { madeOf } from './local.ts';
import type { Primitive } from './primitive.ts';

/** What a primitive may be called: ids of its actors begin so. */
const KIND = /^[A-Za-z][\w-]{0,63}$/;

/** @throws KitError if a primitive may not have the name */
export function checkName(maker: string, name: unknown): void {
  if (typeof name !== 'string' || !KIND.test(name))
    throw new KitError(`${maker}(): found ${shownValue(name)} for a name; expected at most 64 letters, digits, _ and -, a letter first`);
}

/** @throws KitError if it is no map, or has other keys, or values that do not fit */
export function checkRest(who: string, rest: unknown, keys: Readonly<Record<string, Fits>>, needed: readonly string[] = []): void {
  if (typeof rest !== 'object' || rest === null || Array.isArray(rest))
    throw new KitError(`${who}: found ${shownValue(rest)}; expected a map with ${Object.keys(keys).join(', ')}`);
  const wrong = wrongKey(rest, keys, who);
  if (wrong !== null) throw new KitError(wrong);
  const missing = needed.find((key) => (rest as Readonly<Record<string, unknown>>)[key] === undefined);
  if (missing !== undefined) throw new KitError(`${who} has no ${missing}; expected ${keys[missing]![0]}`);
}

/** @throws KitError if it is no map from names to what fits */
export function checkTable(who: string, table: unknown, [expected, fits]: Fits): void {
  if (typeof table !== 'object' || table === null || Array.isArray(table))
    throw new KitError(`${who}: found ${shownValue(table)}; expected a map from names to ${expected}`);
  for (const [key, value] of Object.entries(table))
    if (!fits(value)) throw new KitError(`${who}: ${key} is ${shownValue(value)}; expected ${expected}`);
}

/**
 * What a constructor is given behind its name, once both are looked at.
 * @throws KitError
 */
export function restOf<R extends object>(maker: string, name: string, rest: R, keys: Readonly<Record<string, Fits>>): R {
  checkName(maker, name);
  checkRest(`${maker} ${name}`, rest, keys);
  return rest;
}

/** @throws KitError if it is no body */
export function checkBody(who: string, body: unknown): void {
  if (!BODY[1](body)) throw new KitError(`${who}: found ${shownValue(body)}; expected ${BODY[0]}`);
}

/** One each of what. */
export const PER: Readonly<Record<string, Fits>> = { per: oneOf('host', 'vm', 'vcpu', 'cpu') };
const hasParts = (value: unknown): boolean => Array.isArray((value as Partial<Primitive> | null)?.parts);
export const AN_OBJECT: Fits = ['what object() gives', hasParts];
export const COUNT: Fits = ['a whole number, 0 or more', (value) => Number.isSafeInteger(value) && (value as number) >= 0];
export const NUMBER: Fits = ['a number', Number.isFinite];
export const A_FUNCTION: Fits = fn;
export const WHICH: Fits = ['a function that says which, as () => "vcpu:vm0/0"', fn[1]];
export const DOES: Fits = ['a function that gives a list of items', fn[1]];
const isSource = (value: unknown): boolean =>
  typeof value === 'string' || (typeof value === 'object' && value !== null && 'grade' in value);
export const SOURCE: Fits = ['what the kernel calls it, as text, or with its grade', isSource];
const isSourced = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  wrongKey(value, { source: SOURCE, does: DOES }, '') === null &&
  'source' in value &&
  'does' in value;
export const BODY: Fits = [`${DOES[0]}, or { source, does } with one`, (value) => fn[1](value) || isSourced(value)];

/** One argument of a step: what is wrong with a value, null if nothing is. */
export interface Takes {
  readonly wrong: (value: unknown) => string | null;
  /** It stands for all that follow. */
  readonly many?: true;
  /** What a local is for that stands there; it is left where nothing is said. */
  readonly local?: 'read';
}

const takes = ([expected, fits]: Fits): Takes => ({
  wrong: (value) => (fits(value) ? null : `found ${shownValue(value)}; expected ${expected}`),
});
/** It may be left out. */
export const maybe = (one: Takes): Takes => ({ ...one, wrong: (value) => (value === undefined ? null : one.wrong(value)) });

/** What shared memory can hold. */
export const VALUES = 'text, a finite number, true, false or null';
export const isValue = (value: unknown): boolean =>
  value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
const isLocal = (value: unknown): value is { readonly name: string } =>
  typeof value === 'object' && value !== null && 'name' in value && 'of' in value && typeof value.of === 'function';
const keys = (known: Readonly<Record<string, Fits>>): Takes => ({
  wrong: (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || isLocal(value))
      return `found ${shownValue(value)}; expected a map with ${Object.keys(known).join(', ')}`;
    return wrongKey(value, known, 'it');
  },
});

/** The names that something has. */
export const nameOf = (what: string, known: readonly string[]): Takes => ({
  wrong: (value) =>
    known.includes(value as string)
      ? null
      : `found ${shownValue(value)}; expected ${what} (${known.map((one) => JSON.stringify(one)).join(', ') || 'none'})${didYouMean(String(value), known)}`,
});
export const INTO = takes(["a local, as local('x') gives", isLocal]);
const CITES: Readonly<Record<string, Fits>> = { source: text, grade: oneOf(...GRADES) };
const isMap = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);
/** A local that another step has left. */
export const FROM: Takes = { ...INTO, local: 'read' };
const AT: Readonly<Record<string, Fits>> = {
  at: WHICH,
  as: ['a name without dots', (value) => typeof value === 'string' && /^[^.#]+$/.test(value)],
  step: ['a map with source and grade', (value) => isMap(value) && wrongKey(value, CITES, '') === null],
};
/** The last argument of most steps. */
export const WHERE = maybe(keys(AT));
export const whereWith = (more: Readonly<Record<string, Fits>>): Takes => maybe(keys({ ...AT, ...more }));
export const howWith = (known: Readonly<Record<string, Fits>>): Takes => maybe(keys(known));
export const ITEMS = takes(list);
export const ITEM: Takes = { ...takes(['an item', (value) => typeof value === 'object' && value !== null && 'kind' in value]), many: true };
export const FUNCTION = takes(fn);
export const TEXT = takes(text);
export const A_COUNT = takes(COUNT);
export const ENV = takes(['the env that `does` is given', (value) => typeof value === 'object' && value !== null && 'parts' in value]);
export const A_PRIMITIVE = takes(AN_OBJECT);
export const STATE = nameOf('a state of a task', ['interruptible', 'killable', 'uninterruptible', 'parked']);
/** What a step stores or compares with. */
export const GIVEN: Takes = {
  ...takes([
    'text, a finite number, true, false, null, a local, or a function that gives one of these',
    (value) => isValue(value) || isLocal(value) || fn[1](value),
  ]),
  local: 'read',
};

type Steps<P> = { [K in keyof P]-?: P[K] extends (...args: never[]) => unknown ? K : never }[keyof P] & string;

const isItem = (value: unknown): value is object => typeof value === 'object' && value !== null && !('parts' in value);

/** @throws KitError where an argument does not fit, or is one too many */
function checkArguments(who: string, given: readonly unknown[], expected: readonly Takes[]): void {
  const last = expected.at(-1);
  const count = Math.max(expected.length, given.length);
  for (let i = 0; i < count; i++) {
    const one = expected[i] ?? (last?.many ? last : undefined);
    if (one?.many && i >= given.length) return;
    if (one === undefined && given[i] === undefined) continue;
    const wrong = one === undefined ? `found ${shownValue(given[i])}; expected ${expected.length || 'no'} arguments` : one.wrong(given[i]);
    if (wrong !== null) throw new KitError(`${who}(): argument ${i + 1}: ${wrong}`);
  }
}

/** Where the last argument says that a step comes from. */
function citedBy(where: unknown): Partial<Source> | null {
  const { source, grade } = (isMap(where) && 'step' in where && isMap(where.step) ? where.step : {}) as Partial<Source>;
  return source === undefined && grade === undefined ? null : { ...(source !== undefined && { source }), ...(grade && { grade }) };
}

/** The item with a source of its own. @throws KitError if it is a function of the kernel */
function citing(who: string, item: object, cited: Partial<Source>): object {
  const { kind } = item as { readonly kind?: string };
  if (kind === 'call' || kind === 'loop')
    throw new KitError(`${who}() is several steps, which cite the kernel; expected no step: { source, grade }, or fn() around it`);
  return kind === 'step' ? { ...item, ...cited } : item;
}

/**
 * The same primitive: its steps look at their arguments, and say which actors they need, and
 * whether they may learn nothing.
 * @param table what the arguments of each of its steps are
 */
export function primitive<P extends Primitive>(name: string, made: P, table: Readonly<Record<Steps<P>, readonly Takes[]>>): P {
  const mark = (value: unknown, who: string, cited: Partial<Source> | null, reads: readonly Made[], leaves: readonly Made[]): unknown => {
    if (Array.isArray(value))
      return value.map((one, i) => mark(one, who, cited, ...(i === 0 ? ([reads, leaves] as const) : ([[], []] as const))));
    if (!isItem(value)) return value;
    return withLocals(needing(lookingIfAsks(cited ? citing(who, value, cited) : value), made.parts), reads, leaves);
  };
  const steps = Object.entries<readonly Takes[]>(table).map(([key, expected]) => {
    const does = made[key as Steps<P>] as (...args: readonly unknown[]) => unknown;
    const checked = (...args: readonly unknown[]): unknown => {
      const who = `${name}.${key}`;
      checkArguments(who, args, expected);
      const locals = args.flatMap((one, i) => (isLocal(one) ? [{ made: madeOf(one), isRead: expected[i]?.local === 'read' }] : []));
      const [reads, leaves] = [true, false].map((isRead) => locals.filter((one) => one.isRead === isRead).map((one) => one.made));
      return mark(does(...args), who, citedBy(args.at(-1)), reads!, leaves!);
    };
    return [key, checked] as const;
  });
  return { ...made, ...Object.fromEntries(steps) };
}
