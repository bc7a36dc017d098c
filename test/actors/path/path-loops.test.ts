/**
 * Which loops of a path wait: those with a step of their own, called paths included, that yields or
 * idles, and those that only look and can be left.
 */
import { describe, expect, it } from 'vitest';
import { looking } from '../../../actors/path/looks.ts';
import { expanded, pathOf, type TourItem, tour } from './walk.ts';

const { step, loop, when, call, leaveLoop } = tour;
const leaves = when([() => false, [leaveLoop]]);

/** How many loops that wait are around each step, and which steps share one, by name. */
function waitsOf(items: readonly TourItem[]): Readonly<Record<string, readonly string[]>> {
  const found: Record<string, readonly string[]> = {};
  const look = (states: Readonly<Record<string, unknown>>): void => {
    for (const [name, state] of Object.entries(states)) {
      const { meta, states: inner } = state as { meta?: { waits?: readonly string[] }; states?: Record<string, unknown> };
      if (meta) found[name] = meta.waits ?? [];
      if (inner) look(inner);
    }
  };
  look(expanded(pathOf(items)).states);
  return found;
}

describe('the loops that wait around a step', () => {
  it('leave out one around them that does not wait itself', () => {
    const { work, poll, end } = waitsOf([
      step('begin'),
      loop(step('work'), loop(step('poll', { idles: true }), leaves), leaves),
      step('end'),
    ]);
    expect([work, poll!.length, end]).toEqual([[], 1, []]);
  });

  it('are told in a loop inside that does not wait itself, and in a path that is called there', () => {
    const called = pathOf([loop(step('inside'), leaves)], { name: 'called' });
    const { poll, inner, inside } = waitsOf([
      step('begin'),
      loop(step('poll', { yields: true }), loop(step('inner'), leaves), call(called), leaves),
    ]);
    expect(poll).toHaveLength(1);
    expect([inner, inside]).toEqual([poll, poll]);
  });

  it('are several, innermost first, where each waits, and two apart have none in common', () => {
    const idle = (name: string) => step(name, { idles: true });
    const { outer, one, two } = waitsOf([step('begin'), loop(idle('outer'), loop(idle('one'), leaves), loop(idle('two'), leaves), leaves)]);
    expect(outer).toHaveLength(1);
    expect([one!.length, one![1], two!.length, two![1]]).toEqual([2, outer![0], 2, outer![0]]);
    expect(one![0]).not.toBe(two![0]);
  });

  it('wait where a path waits that is called in them', () => {
    const called = pathOf([step('sleeps', { yields: true })], { name: 'called' });
    const { poll, sleeps } = waitsOf([step('begin'), loop(step('poll'), call(called), leaves)]);
    expect(sleeps).toHaveLength(1);
    expect(poll).toEqual(sleeps);
  });

  it('wait where all of their steps look and they can be left; not beside another step, or without end', () => {
    const look = (name: string) => looking(step(name, { send: () => [], answers: { answer: () => ({}) } })) as TourItem;
    const inside = loop(look('three'), loop(look('four'), leaves), step('work'), leaves);
    const { one, two, three, four, five } = waitsOf([loop(look('one'), look('two'), leaves), inside, loop(look('five'), look('six'))]);
    expect(one).toHaveLength(1);
    expect(two).toEqual(one);
    expect([three!.length, four!.length, five!.length]).toEqual([0, 1, 0]);
  });
});
