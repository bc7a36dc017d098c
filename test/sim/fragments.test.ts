/** Long lists in short, and local states that hold them: the same texts, digests and contexts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnyMachineSnapshot } from 'xstate';
import { canonical, digestOf } from '../../sim/canonical.ts';
import { Fragments } from '../../sim/fragments.ts';
import { LocalTable } from '../../sim/tables.ts';

const cpus = (count: number) => Array.from({ length: count }, (_, cpu) => `pcpu:${cpu}`);
const queues = (count: number, at: number) =>
  Object.fromEntries(cpus(count).map((cpu, index) => [cpu, index === at ? ['thread:a/0'] : []]));

describe('a short text', () => {
  const long = fc.array(fc.oneof(fc.nat(3), fc.string(), fc.constant([])), { maxLength: 90 });
  const data = fc.oneof(long, fc.dictionary(fc.string({ unit: 'binary' }), fc.oneof(long, fc.constant(undefined)), { maxKeys: 90 }));

  it('stands for the canonical text', () => {
    const fragments = new Fragments();
    fc.assert(fc.property(data, (value) => fragments.textOf(fragments.shortOf({ value })) === canonical({ value })));
  });

  it('is the same for equal values alone', () => {
    const fragments = new Fragments();
    fc.assert(
      fc.property(data, data, (a, b) => {
        expect(fragments.shortOf(structuredClone(a))).toBe(fragments.shortOf(a));
        expect(fragments.shortOf(a) === fragments.shortOf(b)).toBe(canonical(a) === canonical(b));
      }),
    );
  });

  it('is the canonical text where no list is long', () => {
    const value = { cpus: cpus(32), rq: queues(32, 3) };
    expect(new Fragments().shortOf(value)).toBe(canonical(value));
  });

  it('grows by what is new', () => {
    const fragments = new Fragments();
    const short = fragments.shortOf(queues(1024, 0));
    const { size } = fragments;
    expect(short.length).toBeLessThan(200);
    fragments.shortOf(queues(1024, 700));
    expect(fragments.size - size).toBeLessThan(5);
  });

  it.each([2, 40])('freezes what it has read, with all that is in it: %i entries', (count) => {
    const list = cpus(count).map((id) => ({ id }));
    new Fragments().shortOf({ list });
    expect(() => list.push({ id: 'x' })).toThrow(TypeError);
    expect(() => Object.assign(list[0]!, { id: 'x' })).toThrow(TypeError);
  });
});

describe('local states with long lists', () => {
  /** Each brings a list that is new. */
  const snapshot = (at: number) =>
    ({
      status: 'active',
      value: 'up',
      context: { rq: { ...queues(64, at % 64), 'pcpu:64': [`thread:b/${at}`] }, turn: at },
    }) as unknown as AnyMachineSnapshot;

  it('keep text, digest and context, also of those that were not used for long', () => {
    const table = new LocalTable(new Fragments());
    const ids = Array.from({ length: 400 }, (_, at) => table.add(snapshot(at)));
    expect(ids).toEqual(ids.map((_, at) => at));
    for (const at of [0, 1, 0, 399, 200]) {
      const { context, value } = snapshot(at);
      const text = canonical({ context, value });
      expect(table.text(at)).toBe(text);
      expect(table.values[at]).toMatchObject({ status: 'active', value: 'up', context });
      expect(Object.isFrozen((table.values[at]!.context as ReturnType<typeof snapshot>['context']).rq)).toBe(true);
      expect({ a: table.laneA[at], b: table.laneB[at] }).toEqual(digestOf(text));
      expect(table.add(snapshot(at))).toBe(at);
    }
    expect(table.texts[7]).toBe(table.text(7));
  });
});
