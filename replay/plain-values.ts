/** What a decoded value has to be: checks of payloads that fail with a sentence. */
import type { JsonObject } from '../events/journal.ts';
import { canonical } from '../sim/canonical.ts';
import { UndecodableError } from './errors.ts';

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isBytes(value);
export const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;
export const isNatural = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
export const isText = (value: unknown): value is string => typeof value === 'string';

export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new UndecodableError(what);
}

/** @throws UndecodableError unless the value is what canonical JSON can hold */
export function jsonObject(value: unknown, what: string): JsonObject {
  must(isObject(value), `${what} is not an object`);
  try {
    canonical(value);
  } catch (error) {
    throw new UndecodableError(`${what} is not plain data: ${error instanceof Error ? error.message : String(error)}`);
  }
  return value as JsonObject;
}
