/**
 * What the functions of a step answer, found by calling them: with the actors of the scenario as
 * they start, at each operation of their programs, and with placeholders for all that only a run
 * knows.
 *
 * An answer under other conditions is not found. A search knows those that were given.
 */
import { type AnyStateMachine, getInitialSnapshot } from 'xstate';
import { programsIn } from '../host/topology.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import type { Topology } from '../store.ts';

/** Reads of one placeholder and all below it; a loop that asks for more would never end. */
const READS_MAX = 10_000;
const UNKNOWN = '…';

/** Something of which nothing is known: it has every field, and is itself what a call gives. */
function placeholder(): unknown {
  let reads = 0;
  const handler: ProxyHandler<() => void> = {
    get: (_, key) => {
      if (++reads > READS_MAX) throw new Error('a placeholder was read too often');
      if (key === Symbol.iterator) return function* () {};
      if (key === Symbol.toPrimitive) return (hint: string) => (hint === 'number' ? Number.NaN : UNKNOWN);
      return key === 'toJSON' ? () => UNKNOWN : proxy;
    },
    has: () => true,
    apply: () => proxy,
  };
  const proxy: unknown = new Proxy(() => {}, handler);
  return proxy;
}

export const isPlaceholder = (value: unknown): boolean => typeof value === 'function';

/** The context of an actor, with placeholders for what it does not know at the start. */
const filledIn = (context: object, pc: number | null): object =>
  new Proxy(context, {
    get: (target, key) => {
      if (key === 'pc' && pc !== null) return pc;
      const value = (target as Readonly<Record<PropertyKey, unknown>>)[key];
      return value === null || value === undefined ? placeholder() : value;
    },
  });

export type Tried = (...args: never[]) => unknown;

/** Tries functions of the steps that actors of one kind walk. */
export class Trial {
  readonly #walkers: readonly object[];

  constructor(kind: string, { actors, machines }: Topology, scenario: ResolvedScenario) {
    const programs = new Map(
      scenario.model === undefined ? programsIn(scenario).map(({ actor, program }) => [actor, program.ops.length]) : [],
    );
    this.#walkers = actors
      .filter((actor) => actor.kind === kind)
      .flatMap(({ id, input }) => {
        const { context } = getInitialSnapshot(machines[kind] as AnyStateMachine, input as never) as { readonly context: object };
        const operations = programs.get(id);
        return operations === undefined ? [filledIn(context, null)] : Array.from({ length: operations }, (_, pc) => filledIn(context, pc));
      });
  }

  /** All that `fn(…before, walker, locals)` answers; tries that fail answer nothing. */
  answers(fn: Tried, before: readonly unknown[] = []): readonly unknown[] {
    const found: unknown[] = [];
    for (const walker of [...this.#walkers, placeholder()]) {
      for (const locals of [placeholder(), {}]) {
        try {
          found.push((fn as (...args: unknown[]) => unknown)(...before, walker, locals));
        } catch {
          // Only a run knows.
        }
      }
    }
    return found;
  }

  /** Names of fields that a function changes. */
  fields(fn: Tried | undefined, before: readonly unknown[] = []): readonly string[] {
    if (fn === undefined) return [];
    const answers = this.answers(fn, before).filter((answer) => typeof answer === 'object' && answer !== null);
    return [...new Set(answers.flatMap((answer) => Object.keys(answer as object)))].sort();
  }

  /** The same of what takes an answer: it is given the event first. */
  fieldsTaken(fn: Tried): readonly string[] {
    return this.fields(fn, [placeholder()]);
  }
}
