/** How a run ended, as a seal tells it. */
import { type ComesBack, type Deadlocked, RUN_ENDS, type RunEnd, STUCK_KINDS, type StuckKind } from '../events/journal.ts';
import { isNatural, isObject, isText, jsonObject, must } from './plain-values.ts';

/** A cycle that ends with step `step`. */
function cycleOf(value: unknown, what: string, step: number): ComesBack {
  must(isObject(value), `${what} of the seal is not a map`);
  const { from, length } = value;
  must(isNatural(from) && isNatural(length) && from + length === step, `${what} of the seal does not end with step ${step}`);
  return { from, length };
}

function waitsOf(value: unknown): readonly Deadlocked[] {
  must(Array.isArray(value), 'the waits of the seal are not a list');
  return value.map((wait: unknown) => {
    must(isObject(wait), 'a wait of the seal is not a map');
    const { actor, state, asleep, for: thing, heldBy } = wait;
    must(isText(actor) && isText(state) && typeof asleep === 'boolean', 'a wait of the seal has no actor, state or asleep');
    must((thing === null || isText(thing)) && (heldBy === null || isText(heldBy)), 'a wait of the seal is for or held by no actor');
    return { actor, state, asleep, for: thing, heldBy };
  });
}

function alsoOf(value: unknown): NonNullable<NonNullable<RunEnd['violation']>['also']> {
  must(Array.isArray(value), 'what the seal says to be broken also is not a list');
  return value.map((one: unknown) => {
    must(isObject(one), 'what the seal says to be broken also is not a map');
    const { property, message } = one;
    must(isText(property) && isText(message), 'what the seal says to be broken also has no property or message');
    return { property, message };
  });
}

const isStuckKind = (value: unknown): value is StuckKind => STUCK_KINDS.some((kind) => kind === value);
const isRunEnd = (value: unknown): value is RunEnd['ended'] => RUN_ENDS.some((ended) => ended === value);

/** @throws UndecodableError */
export function endOf(value: unknown, steps: number): RunEnd {
  must(isObject(value), 'the end of the run is not a map');
  const { verdict, violation, ended, comesBack, outcomes } = value;
  must(verdict === 'clean' || verdict === 'violation', `the verdict of the seal is ${String(verdict)}`);
  must(isRunEnd(ended), `the seal says that the run ended by ${String(ended)}`);
  const how: Omit<RunEnd, 'violation'> = {
    verdict,
    ended,
    ...(comesBack !== undefined && { comesBack: cycleOf(comesBack, 'what comes back', steps) }),
    outcomes: jsonObject(outcomes, 'the outcomes'),
  };
  if (violation === null) return { ...how, violation };
  must(isObject(violation), 'the violation of the seal is not a map');
  const { property, step, message, kind, lasso, waits, also } = violation;
  must(isText(property) && isNatural(step) && isText(message), 'the violation of the seal has no property, step or message');
  must(kind === undefined || isStuckKind(kind), `the violation of the seal is of the kind ${String(kind)}`);
  const back = lasso === undefined ? {} : { lasso: cycleOf(lasso, 'the lasso', step) };
  return {
    ...how,
    violation: {
      property,
      step,
      message,
      ...(kind && { kind }),
      ...back,
      ...(waits !== undefined && { waits: waitsOf(waits) }),
      ...(also !== undefined && { also: alsoOf(also) }),
    },
  };
}
