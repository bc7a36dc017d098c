/**
 * The options of a host as functions of mechanisms read them: a name that no mechanism brings is
 * told where it is read, and is not the same as an option of other hosts, which is undefined here.
 */
import { unknownName } from '../scenario/issues.ts';
import { optionValues } from '../scenario/schema.ts';
import type { ResolvedHost } from '../scenario/types.ts';
import { MechanismError } from './mechanism.ts';

/** What programs ask any object for. */
const OF_OBJECTS: readonly string[] = ['toJSON', 'then', 'constructor', 'toString', 'valueOf'];

/** The same options; those that are there are read as fields of any object are. */
export function knownOptions(options: ResolvedHost['options']): ResolvedHost['options'] {
  const known = Object.keys(optionValues());
  const unknown = new Proxy(Object.freeze(Object.create(null)) as object, {
    get: (_target, name) => {
      if (typeof name === 'symbol' || known.includes(name) || OF_OBJECTS.includes(name)) return undefined;
      throw new MechanismError(`options: ${unknownName(name, 'a host option', known)}`);
    },
  });
  return Object.assign(Object.create(unknown) as object, options);
}
