/**
 * Random path programs: the machine that a path expands to does what the items mean, or the path is
 * refused for something that is wrong with it. The meaning is that of a plain interpreter.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PathError } from '../../../actors/path/path.ts';
import { type Defects, defectsOf, Interpreter, type Moment } from './path-interpreter.ts';
import { pathFrom, program, type Tree } from './path-program.ts';
import { CONTEXT, expanded, start, type TourEvent } from './walk.ts';

type TourPath = ReturnType<typeof pathFrom>;

/** What a refusal says, and the defect that it means. */
const REFUSALS: readonly (readonly [RegExp, keyof Defects])[] = [
  [/comes round without a step/, 'stepless'],
  [/is never reached/, 'unreached'],
  [/stands outside a loop/, 'stray'],
  [/stands before the first step|does not begin with a step/, 'early'],
];
const STEPS_MAX = 60;
const DONE = { to: 'cpu', event: { type: 'done' } };

const met = new Map<string, number>();
const meet = (kind: string, times = 1): void => void met.set(kind, (met.get(kind) ?? 0) + times);

function refusalOf(path: TourPath): string | null {
  try {
    expanded(path);
  } catch (error) {
    if (error instanceof PathError) return error.message;
    throw error;
  }
  return null;
}

/** The event that comes next; some steps are woken, as the salt says. */
function eventFor({ step, asking }: Moment, path: { readonly salt: number; readonly steps: number }, wakes: boolean): TourEvent {
  if (asking) return { type: 'answer', value: (path.salt + path.steps) % 5 };
  return wakes && step.includes('step') && (path.salt + path.steps) % 3 === 0 ? { type: 'poke' } : { type: 'step' };
}

const dotted = (value: unknown): string =>
  typeof value === 'string' ? value : Object.entries(value as object).map(([name, inner]) => `${name}.${dotted(inner)}`)[0]!;

/** Both walk side by side. */
function compare(path: TourPath, salt: number): void {
  let machine = start(path);
  const interpreter = new Interpreter(CONTEXT);
  const walk = interpreter.path(path);
  let moment = walk.next();
  for (let steps = 0; steps < STEPS_MAX; steps++) {
    const { code } = machine.state as { readonly code: unknown };
    expect(dotted(code)).toBe(moment.done === true ? 'home' : moment.value.step);
    expect(machine.context.frames.code).toEqual(interpreter.locals);
    expect(machine.context.seen).toEqual(interpreter.walker.seen);
    if (moment.done === true) break;
    expect(machine.context.asking).toBe(moment.value.asking ? 'code' : null);
    if (moment.value.stopped) {
      expect(machine.when({ type: 'step' }).handled).toBe(false);
      break;
    }
    const event = eventFor(moment.value, { salt, steps }, machine.when({ type: 'poke' }).handled);
    const then = machine.when(event);
    expect(then.handled).toBe(true);
    interpreter.sent = [];
    moment = walk.next(event);
    const sent = interpreter.sent.map(({ to, event: said }) => ({ to, event: said }));
    expect(then.sent).toEqual(moment.done === true ? [...sent, DONE] : sent);
    machine = then.and;
  }
  for (const [kind, times] of interpreter.met) meet(kind, times);
}

function hold(trees: readonly Tree[], salt: number): void {
  const path = pathFrom(trees);
  const refusal = refusalOf(path);
  const defects = defectsOf(path, CONTEXT);
  if (refusal === null) {
    expect(defects).toEqual({ stepless: false, stray: false, early: false, unreached: false });
    meet('taken');
    compare(path, salt);
    return;
  }
  const [, defect] = REFUSALS.find(([says]) => says.test(refusal)) ?? [null, null];
  expect(defect, refusal).not.toBeNull();
  expect(defects[defect!], refusal).toBe(true);
  meet(`refused: ${defect}`);
}

describe('a random path program', () => {
  it('walks as its items say, or is refused for what is wrong with it', { timeout: 120_000 }, () => {
    fc.assert(fc.property(program, fc.nat(20), hold), { numRuns: 1000, seed: 9 });
  });

  it.each([
    ...['taken', 'refused: stepless', 'refused: unreached', 'refused: stray', 'refused: early'],
    ...['step', 'answer', 'wake', 'note', 'case', 'otherwise', 'no case', 'loop', 'turn', 'leaveLoop', 'call', 'bind', 'died'],
    ...['return', 'stop'],
  ])('has met %s', (kind) => {
    expect(met.get(kind) ?? 0).toBeGreaterThanOrEqual(10);
  });
});
