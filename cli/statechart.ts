/** A machine as plain data, as Stately's tools import it: structure and names, without the code. */
import type { AnyStateMachine } from 'xstate';
import type { Json } from '../events/journal.ts';

/** What stands for a guard or an action that has no name of its own. */
const INLINE = 'inline';
const NAMED_KEYS: readonly string[] = ['guard', 'actions', 'entry', 'exit'];

function plain(value: unknown, key: string): Json | undefined {
  if (typeof value === 'function') return NAMED_KEYS.includes(key) ? INLINE : undefined;
  if (Array.isArray(value)) return value.flatMap((item) => plain(item, key) ?? []);
  if (typeof value !== 'object' || value === null) return value as Json | undefined;
  const entries = Object.entries(value).map(([name, inner]) => [name, plain(inner, name)] as const);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined)) as Json;
}

/** The machine's configuration; a context that input decides is left out. */
export const statechartOf = (machine: AnyStateMachine): Json => plain(machine.config, '') as Json;
