/** What both engines read off a machine's snapshot before it takes an event. */
import type { AnyMachineSnapshot } from 'xstate';
import { MICRO_STEP_EVENTS } from '../../events/index.ts';
import type { AnyEvent } from '../store.ts';
import { ModelError, type Reaction, thrownText } from './port.ts';

interface StepMetaLike {
  readonly ns?: number;
  readonly idles?: true;
  readonly yields?: true;
  readonly computes?: true;
}

/** What a micro-step costs and says of itself. */
export type MicroStep = Pick<Reaction, 'costNs' | 'idles' | 'yields' | 'computes'>;

/**
 * The cost and the waiting habits of the micro-step that `event` would run, from the meta of the
 * active states.
 */
export function microStepOf(snapshot: AnyMachineSnapshot, eventType: string): MicroStep {
  const found = { costNs: 0, idles: false, yields: false, computes: false };
  if (!MICRO_STEP_EVENTS.includes(eventType)) return found;
  const region = eventType === 'notify.step' ? '.notify.' : null;
  for (const [node, meta] of Object.entries(snapshot.getMeta() as Record<string, StepMetaLike | undefined>)) {
    const other = region ? !node.includes(region) : node.includes('.notify.');
    if (other || !meta) continue;
    found.costNs += meta.ns ?? 0;
    found.idles ||= meta.idles === true;
    found.yields ||= meta.yields === true;
    found.computes ||= meta.computes === true;
  }
  return found;
}

/**
 * What a machine throws, and what it does that cannot be carried out, is a mistake of the model:
 * told with the actor, its state, the event and its sender.
 * XState puts a line before what a guard throws.
 */
export function failureIn(id: string, value: unknown, { type, from }: AnyEvent & { readonly from?: unknown }, error: unknown): unknown {
  if (error instanceof ModelError) return error;
  const told = thrownText(error).replace(/Unable to evaluate guard [^\n]*:\n/, '');
  const sender = typeof from === 'string' ? ` from ${from}` : '';
  return new ModelError(`${id} in ${stateName(value)} with ${type}${sender}: ${told}`, { cause: error });
}

/**
 * The state of a snapshot as people name it: dotted, innermost last; parallel regions joined by
 * `|`.
 */
export function stateName(value: unknown): string {
  if (typeof value === 'string') return value;
  const entries = Object.entries(value as Record<string, unknown>);
  return entries
    .map(([name, inner]) => (typeof inner === 'object' && Object.keys(inner as object).length === 0 ? name : `${name}.${stateName(inner)}`))
    .join(' | ');
}
