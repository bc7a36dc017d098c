/**
 * Code of a user's own that judges worlds: what it throws, and answers that are none, are mistakes
 * of the module, told with the property.
 */
import { ModelError, thrownText } from '../engine/port.ts';
import type { Property } from '../property.ts';
import { shown } from '../scenario/issues.ts';

type Fn = (...args: readonly unknown[]) => unknown;

const isText = (answer: unknown): boolean => answer === null || typeof answer === 'string';
const isOfCycle = (answer: unknown): boolean =>
  isText(answer) || (typeof answer === 'object' && typeof (answer as { readonly message?: unknown }).message === 'string');

/** Functions that give evidence: a sentence, or null; of a cycle also a sentence with its kind. */
const EVIDENCE: Readonly<Record<string, (answer: unknown) => boolean>> = { check: isText, each: isText, owes: isText, cycle: isOfCycle };

const guard =
  (where: string, fits: ((answer: unknown) => boolean) | undefined, own: Fn): Fn =>
  (...args) => {
    let answer: unknown;
    try {
      answer = own(...args);
    } catch (error) {
      throw error instanceof ModelError ? error : new ModelError(`${where} throws: ${thrownText(error)}`, { cause: error });
    }
    if (fits === undefined || fits(answer)) return answer;
    throw new ModelError(`${where} gives ${shown(answer)}; expected evidence, which is a sentence, or null`);
  };

/** The property, which names itself in what its functions throw. */
export const guarded = (property: Property): Property =>
  Object.fromEntries(
    Object.entries(property).map(([key, value]) => [
      key,
      typeof value === 'function' ? guard(`${key}() of the property ${property.id}`, EVIDENCE[key], value as Fn) : value,
    ]),
  ) as unknown as Property;
