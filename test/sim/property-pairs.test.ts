/** `always` and `sometimes` of pairs: two different actors, in both orders, named in messages. */
import { describe, expect, it } from 'vitest';
import { always, sometimes } from '../../sim/property.ts';
import type { WorldView } from '../../sim/view.ts';

const world = { actors: (kind: string) => ['0', '1'].map((one) => ({ id: `${kind}:${one}`, value: one, context: {} })) };
const BASIS = { source: 'a test', grade: 'decision' } as const;

describe.each([always, sometimes])('a property of pairs', (form) => {
  const seen = (pair: readonly [string, string], says: (one: string, other: string) => string | null) =>
    form('a.b', { pair, kinds: ['z'], ...BASIS, check: (one, other) => says(one.id, other.id) });

  it('asks about each pair in both orders, and never about one actor with itself', () => {
    const asked: string[] = [];
    const property = seen(['x', 'x'], (one, other) => {
      asked.push(`${one} ${other}`);
      return null;
    });
    expect(property.check(world as unknown as WorldView)).toBeNull();
    expect([asked, property.kinds]).toEqual([
      ['x:0 x:1', 'x:1 x:0'],
      ['x', 'z'],
    ]);
  });

  it('names both in its evidence', () => {
    const property = seen(['x', 'y'], (one, other) => (`${one}${other}` === 'x:1y:0' ? 'they meet' : null));
    expect(property.check(world as unknown as WorldView)).toBe('x:1 and y:0: they meet');
  });

  it('is of two kinds', () => {
    expect(() => seen(['x'] as never, () => null)).toThrow('property a.b: pair is ["x"]; expected two kinds of actors');
  });
});
