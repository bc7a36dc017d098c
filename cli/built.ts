/**
 * Every variant of a scenario set up, as a run of it begins: what a module of the user's own has
 * wrong in its paths and properties is known then, before anything is searched.
 */
import { ContextError } from '../actors/path/path.ts';
import { modulesFor } from '../sim/host/registry.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import type { Scenario } from '../sim/scenario/types.ts';
import { openSession } from '../sim/session.ts';
import { resolved } from './catalog.ts';
import { failureOf } from './errors.ts';
import { placeOf } from './module-place.ts';

/** What is wrong with variants: all that it is wrong with. */
interface Mistake {
  readonly variants: readonly string[];
  readonly message: string;
}

/** A variant that `compare` calls refused: it is no mistake of the file. */
export interface Refused {
  readonly variant: string;
  readonly rule: string;
  readonly step: string;
  readonly hint: string | null;
}

export interface Built {
  readonly mistakes: readonly Mistake[];
  readonly refused: readonly Refused[];
}

/** What it says, and where in the module that is. */
function messageOf(error: unknown, cwd: string): string {
  const { message, expected } = failureOf(error);
  const place = placeOf(error, cwd);
  const text = message.replace(/^internal error: /, '');
  return `${text}${expected === undefined ? '' : `; expected ${expected}`}${place === null ? '' : ` (${place})`}`;
}

/** Sets up one variant, up to its first state. */
function build(scenario: Scenario, variant: string): void {
  const ready = resolved(scenario, { variant });
  if (modulesFor(ready).length === 0) return;
  openSession({ scenario: ready, engine: 'memo', chooser: { name: 'fifo' } }).run.start();
}

/** Sets up all variants; those in which no module takes part are what is shipped. */
export function built(scenario: Scenario, cwd: string): Built {
  const mistakes = new Map<string, string[]>();
  const refused: Refused[] = [];
  for (const variant of variantNames(scenario)) {
    try {
      build(scenario, variant);
    } catch (error) {
      if (error instanceof ContextError) refused.push({ variant, rule: error.rule, step: error.step, hint: error.hint });
      else {
        const message = messageOf(error, cwd);
        mistakes.set(message, [...(mistakes.get(message) ?? []), variant]);
      }
    }
  }
  return { mistakes: [...mistakes].map(([message, variants]) => ({ message, variants })), refused };
}
