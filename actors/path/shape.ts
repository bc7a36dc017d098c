/**
 * What an author wrote, checked against the path language: kinds of items, keys and values. Nothing
 * is dropped in silence.
 */
import { change, type Fits, flag, fn, functions, list, name, names, oneOf, shownValue as shown, text, wrongKey, yes } from './fits.ts';
import { type Case, GRADES, type Item, type Mode, type Path, PathError, type StepSpec } from './path.ts';

type AnyEvent = { readonly type: string };
const MODES: readonly Mode[] = ['user', 'kernel', 'guest'];

type AnySpec = StepSpec<unknown, unknown, AnyEvent>;
type AnyPath = Path<unknown, unknown, AnyEvent>;
type AnyItem = Item<unknown, unknown, AnyEvent>;
type KeysOf<I> = Readonly<Record<keyof I & string, Fits>>;

const SPEC: KeysOf<Required<AnySpec>> = {
  set: fn,
  local: fn,
  send: fn,
  answers: functions,
  wakes: functions,
  awaits: yes,
  fences: yes,
  preempt: change,
  spin: change,
  rcu: change,
  bh: change,
  irqs: flag,
  insn: flag,
  inside: yes,
  mode: oneOf(...MODES),
  mayResched: yes,
  sleeps: yes,
  idles: yes,
  rests: yes,
  yields: yes,
  computes: yes,
  chooses: fn,
  leaves: names,
  ns: ['a number of ns', (value) => Number.isFinite(value) && (value as number) >= 0],
  source: text,
  grade: oneOf(...GRADES),
};
/** What happens where the walker runs the step. */
const OF_A_RUN = ['set', 'local', 'send', 'answers', 'idles', 'yields', 'chooses'] as const satisfies readonly (keyof AnySpec)[];
const PATH: KeysOf<Required<AnyPath>> = {
  name,
  source: text,
  grade: oneOf(...GRADES),
  items: list,
  locals: names,
  leaves: names,
  requires: oneOf('N'),
};

/** The keys of each kind of items besides `kind`. */
const ITEMS: { readonly [K in AnyItem['kind']]: KeysOf<Omit<Required<Extract<AnyItem, { readonly kind: K }>>, 'kind'>> } = {
  step: { name, ...SPEC },
  stop: { name, again: fn },
  call: { path: ['a path', (value) => typeof value === 'object' && value !== null], bind: fn },
  loop: { body: list },
  when: { cases: ['at least one case', (value) => Array.isArray(value) && value.length > 0] },
  note: { local: fn, leaves: names },
  leaveLoop: {},
  return: {},
};

const NEEDED: Readonly<Record<AnyItem['kind'], readonly string[]>> = {
  step: ['name'],
  stop: ['name'],
  call: ['path'],
  loop: ['body'],
  when: ['cases'],
  note: ['local'],
  leaveLoop: [],
  return: [],
};

/** @throws PathError naming the first key that does not fit */
function checkKeys(value: object, keys: Readonly<Record<string, Fits>>, at: string): void {
  const wrong = wrongKey(value, keys, at);
  if (wrong !== null) throw new PathError(wrong);
}

function needKeys(value: object, keys: readonly string[], at: string): void {
  for (const key of keys) if ((value as Readonly<Record<string, unknown>>)[key] === undefined) throw new PathError(`${at} has no ${key}`);
}

/** A list where an item is expected, by what is in it. */
const listText = (list: readonly AnyItem[]): string =>
  list.length === 0 ? 'an empty list' : `a list of ${[...list.slice(0, 3).map(kindOf), ...(list.length > 3 ? ['…'] : [])].join(', ')}`;

/** How a place names an item. */
function kindOf<T, L, E extends AnyEvent>(item: Item<T, L, E>): string {
  if (Array.isArray(item)) return listText(item as readonly AnyItem[]);
  const { kind, name: called, path } = (item ?? {}) as { readonly kind?: string; readonly name?: string; readonly path?: AnyPath };
  if (kind === 'return') return 'leavePath';
  if (typeof item === 'function') return 'function';
  return [kind ?? String(item), called ?? path?.name].filter(Boolean).join(' ');
}

/** The place of an item in a list. */
export const itemAt = <T, L, E extends AnyEvent>(place: string, items: readonly Item<T, L, E>[], i: number): string =>
  `${place}, item ${i + 1} (${kindOf(items[i]!)})`;

/** The place of a case of a `when`. */
export const caseAt = (place: string, i: number): string => `${place}, case ${i + 1}`;

/**
 * Checks a path and its items, but not the paths that it calls.
 * @throws PathError naming the item and the key
 */
export function checkShape<T, L, E extends AnyEvent>(path: Path<T, L, E>, place: string): void {
  needKeys(path, ['name', 'source', 'grade', 'items', 'locals'], place);
  checkKeys(path, PATH, place);
  checkItems(path.items, place);
}

/** The same of a list of items. */
export function checkItems<T, L, E extends AnyEvent>(items: readonly Item<T, L, E>[], place: string): void {
  for (const [i, item] of items.entries()) checkItem(item, itemAt(place, items, i));
}

/** What is said of something that is no item. */
function oddText(value: unknown): string {
  const expected = 'expected a step, call, loop, when, note, stop, leaveLoop or leavePath';
  if (typeof value === 'function') return `a function; ${expected}, as the function gives it: lock.lock() for lock.lock`;
  if (typeof value === 'object' && value !== null && 'parts' in value) return `a primitive; ${expected}: one of its steps`;
  return `${shown(value)}; ${expected}`;
}

function checkItem<T, L, E extends AnyEvent>(item: Item<T, L, E>, at: string): void {
  if (Array.isArray(item)) throw new PathError(`${at}; expected its items: spread it, as in [...syscall(…), step(…)]`);
  if (typeof item !== 'object' || item === null || !Object.hasOwn(ITEMS, item.kind)) throw new PathError(`${at} is ${oddText(item)}`);
  const { kind, ...rest } = item;
  checkKeys(rest, ITEMS[kind], at);
  needKeys(rest, NEEDED[kind], at);
  if (item.kind === 'step') checkStep(item, at);
  if (item.kind === 'loop') checkItems(item.body, at);
  if (item.kind === 'when') for (const [i, one] of item.cases.entries()) checkCase(one, caseAt(at, i));
}

function checkStep<T, L, E extends AnyEvent>(spec: StepSpec<T, L, E>, at: string): void {
  const { answers, send, computes, idles, awaits, wakes } = spec;
  if (answers && !send) throw new PathError(`${at} has answers, but no send that asks for them`);
  if (computes && !idles) throw new PathError(`${at} has computes without idles`);
  if (!awaits) return;
  if (!wakes) throw new PathError(`${at} has awaits without wakes: nothing would end it`);
  const idle = OF_A_RUN.find((key) => spec[key] !== undefined);
  if (idle) throw new PathError(`${at} has awaits and ${idle}: a step that the walker cannot run does nothing itself`);
}

function checkCase<T, L, E extends AnyEvent>(one: Case<T, L, E>, at: string): void {
  if (Array.isArray(one) && one.length === 2 && !fn[1](one[0]))
    throw new PathError(`${at}: its test is ${shown(one[0])}; expected ${fn[0]}`);
  if (!Array.isArray(one) || one.length !== 2 || !Array.isArray(one[1]))
    throw new PathError(`${at} is ${shown(one)}; expected a test and a list of items`);
  checkItems(one[1] as readonly Item<T, L, E>[], at);
}
