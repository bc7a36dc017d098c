/**
 * How values of records read on a timeline. Contexts come from files of any model, so nothing about
 * their shape is taken for granted.
 */
import type { ActorId } from '../events/event.ts';
import type { Json, JsonObject } from '../events/journal.ts';
import type { Args } from './event.ts';

/** Fields of every host that hold an address. */
const ADDRESSES = ['pfn'];

/** Micro-steps that end a path for good: an actor that stands there is in no function any more. */
const STOPS = ['dead', 'off', 'terminated', 'halted'];

export const hex = (value: number): string => `0x${value.toString(16)}`;

/** An actor's id without its kind. */
export const nameOf = (actor: ActorId): string => actor.slice(actor.indexOf(':') + 1);

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const objectOf = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});
export const stringOf = (value: Json | undefined): string | null => (typeof value === 'string' ? value : null);
export const stringsOf = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
export const numbersOf = (value: Json | undefined): number[] =>
  Array.isArray(value) ? value.filter((item): item is number => typeof item === 'number') : [];

/**
 * The names on the way to the innermost state. Regions side by side make one name:
 * `code=a.b notify=none`.
 */
export function pathOf(value: Json | undefined): string[] {
  if (typeof value === 'string') return [value];
  if (!isObject(value)) return [];
  const regions = Object.entries(value);
  if (regions.length === 1) return [regions[0]![0], ...pathOf(regions[0]![1])];
  return regions.length === 0 ? [] : [regions.map(([name, inner]) => `${name}=${pathOf(inner).join('.')}`).join(' ')];
}

/** The functions that are entered where a path stands. */
export const framesOf = (path: readonly string[]): string[] => (STOPS.includes(path.at(-1) ?? '') ? [] : path.slice(0, -1));

/**
 * Values in a few words, by the name of the field; null for a value that does not have the shape of
 * the field.
 */
export type Texts = Readonly<Record<string, (value: Json) => string | null>>;

const REGISTER_DECIMAL_MAX = 9;

/** The value of a register; one above 2^53 - 1 is a text of hexadecimal digits already. */
export const registerText = (value: Json): string | null => (typeof value === 'number' && value > REGISTER_DECIMAL_MAX ? hex(value) : null);

/** JSON, but for numbers that engineers write otherwise. */
export function jsonText(json: Json, texts: Texts): string {
  const told = (name: string, value: unknown) =>
    typeof value === 'number' && Object.hasOwn(texts, name) ? (texts[name]!(value) ?? value) : value;
  return JSON.stringify(json, (name, value: unknown) => (Array.isArray(value) ? value.map((item) => told(name, item)) : told(name, value)));
}

function argOf(name: string, value: Json, texts: Texts): string | number | boolean {
  const text = Object.hasOwn(texts, name) ? texts[name]!(value) : null;
  if (text !== null) return text;
  if (typeof value === 'number' && ADDRESSES.includes(name)) return hex(value);
  return typeof value === 'object' ? jsonText(value, texts) : value;
}

/** What names the place of a span in the journal; no field of an event may stand for it. */
const RESERVED = ['step', 'seq', 'point'];

/** Adds the fields of an event to what is shown of a span. */
export function addArgs(args: Record<string, string | number | boolean>, fields: JsonObject, texts: Texts = {}): void {
  for (const name of Object.keys(fields)) {
    const value = fields[name]!;
    if (value !== null && !(RESERVED.includes(name) && name in args)) args[name] = argOf(name, value, texts);
  }
}

export function argsOf(fields: JsonObject, texts: Texts = {}): Args {
  const args: Record<string, string | number | boolean> = {};
  addArgs(args, fields, texts);
  return args;
}
