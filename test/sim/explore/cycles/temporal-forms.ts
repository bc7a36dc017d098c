/** A property of each temporal form, of the world, of each node or of each pair of nodes. */
import type { Property } from '../../../../sim/property.ts';
import { alwaysEventually, eventuallyEach, leadsTo, neverAfter, precedes, stable } from '../../../../sim/temporal.ts';
import type { ActorView } from '../../../../sim/view.ts';

const BASIS = { source: 'a test', grade: 'decision' } as const;

type Who = readonly ActorView<unknown>[];
/** Whom a property is of. */
export const SCOPES = {
  world: { scope: { kinds: ['node'] }, of: () => [[0]] },
  each: { scope: { each: 'node' }, of: (nodes: readonly number[]) => nodes.map((one) => [one]) },
  pair: {
    scope: { pair: ['node', 'node'] },
    of: (nodes: readonly number[]) => nodes.flatMap((one) => nodes.filter((other) => other !== one).map((other) => [one, other])),
  },
} as const;
export type ScopeName = keyof typeof SCOPES;

/** Holds where the last of those it is of stands in a state; of a pair, the other one elsewhere. */
export const isIn = (values: readonly unknown[], state: string): boolean =>
  values.at(-1) === state && (values.length < 2 || values[0] !== state);

let numbered = 0;
/** `p` is the first condition of a form, `q` the second. */
export function propertyOf(form: string, scope: ScopeName, p: string, q: string): Property {
  const condition =
    (state: string) =>
    (...args: readonly unknown[]) => {
      const world = args.at(-1) as { actors(kind: string): Who };
      const who = scope === 'world' ? [world.actors('node')[0]!] : (args.slice(0, -1) as unknown as Who);
      const told = isIn(
        who.map(({ value }) => value),
        state,
      );
      return told ? `in ${state}` : null;
    };
  const id = `toy.temporal-${numbered++}`;
  const given = { ...BASIS, ...SCOPES[scope].scope } as never;
  const one = { holds: condition(p) };
  switch (form) {
    case 'leadsTo':
      return leadsTo(id, { ...(given as object), from: condition(p), to: condition(q) } as never);
    case 'alwaysEventually':
      return alwaysEventually(id, { ...(given as object), ...one } as never);
    case 'eventuallyEach':
      return eventuallyEach(id, { ...(given as object), ...one } as never);
    case 'neverAfter':
      return neverAfter(id, { ...(given as object), after: condition(p), never: condition(q) } as never);
    case 'stable':
      return stable(id, { ...(given as object), ...one } as never);
    default:
      return precedes(id, { ...(given as object), first: condition(p), second: condition(q) } as never);
  }
}
