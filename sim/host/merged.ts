/** What several mechanisms give together: each name by one of them. */
import { type Mechanism, MechanismError } from './mechanism.ts';
import { originOf } from './registry.ts';

/** The mechanism as a message names it. */
export const nameOf = (mechanism: Mechanism): string => originOf(mechanism) ?? `mechanism ${mechanism.name}`;

/**
 * The fields of all of them, with those that are there already.
 * @param what a field is, for messages
 * @throws MechanismError if two give one field
 */
export function merged(
  what: string,
  own: Readonly<Record<string, unknown>>,
  mechanisms: readonly Mechanism[],
  fieldsOf: (mechanism: Mechanism) => Readonly<Record<string, unknown>> | undefined,
): Readonly<Record<string, unknown>> {
  const fields: Record<string, unknown> = { ...own };
  const owners = new Map(Object.keys(own).map((field) => [field, 'every host']));
  for (const mechanism of mechanisms) {
    for (const [field, value] of Object.entries(fieldsOf(mechanism) ?? {})) {
      const other = owners.get(field);
      if (other !== undefined)
        throw new MechanismError(`${other} and ${nameOf(mechanism)} both give ${what} ${field}; expected one of them to`);
      owners.set(field, nameOf(mechanism));
      fields[field] = value;
    }
  }
  return fields;
}
