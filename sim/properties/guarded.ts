/**
 * Code of a user's own that judges worlds: what it throws, and answers that are none, are mistakes
 * of the module, told with the property.
 */
import { ModelError, thrownText } from '../engine/port.ts';
import type { Property } from '../property.ts';
import { shown } from '../scenario/issues.ts';

type Fn = (...args: readonly unknown[]) => unknown;

/** Functions that give evidence: a sentence, or null. */
const EVIDENCE: readonly string[] = ['check', 'each', 'owes'];

const guard =
  (where: string, isEvidence: boolean, own: Fn): Fn =>
  (...args) => {
    let answer: unknown;
    try {
      answer = own(...args);
    } catch (error) {
      throw error instanceof ModelError ? error : new ModelError(`${where} throws: ${thrownText(error)}`, { cause: error });
    }
    if (!isEvidence || answer === null || typeof answer === 'string') return answer;
    throw new ModelError(`${where} gives ${shown(answer)}; expected evidence, which is a sentence, or null`);
  };

/** The property, which names itself in what its functions throw. */
export const guarded = (property: Property): Property =>
  Object.fromEntries(
    Object.entries(property).map(([key, value]) => [
      key,
      typeof value === 'function' ? guard(`${key}() of the property ${property.id}`, EVIDENCE.includes(key), value as Fn) : value,
    ]),
  ) as unknown as Property;
