/** Monitors of a user's own: what they see, what they must not do, and both engines alike. */
import { describe, expect, it } from 'vitest';
import { DEADLOCK } from '../../../sim/end.ts';
import { explore } from '../../../sim/explore/explore.ts';
import { finish } from '../../../sim/explore/turns.ts';
import type { Property } from '../../../sim/property.ts';
import { alwaysEventually, leadsTo, type MonitorParts, monitor, neverAfter, stable } from '../../../sim/temporal.ts';
import type { WorldView } from '../../../sim/view.ts';
import { engineOf, play } from '../play.ts';
import { CATALOGUE, chain, machineOf, type StateTable, toy } from './toy.ts';

const BASIS = { source: 'a test', grade: 'decision' } as const;
const ROUND: Readonly<Record<string, StateTable>> = { a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'a' } } } };
const two = (states: Readonly<Record<string, StateTable>> = ROUND, count = 2) => ({
  actors: Array.from({ length: count }, (_, i) => ({ id: `node:${i}`, kind: 'node', input: null })),
  machines: { node: machineOf(states) },
  catalogue: CATALOGUE,
});
const search = (property: Property, topology = two()) => finish(explore({ scenario: toy(topology, [property]), maxStates: 100_000 }));

let numbered = 0;
const own = <S>(parts: Pick<MonitorParts<S>, 'start' | 'next'> & Partial<MonitorParts<S>>): Property =>
  monitor<S>(`toy.own-${numbered++}`, { form: 'always', each: 'node', says: () => null, ...BASIS, ...parts });

describe('a monitor', () => {
  it('sees who acted, and the steps of whom it follows alone', () => {
    const seen = own<readonly string[]>({
      start: [],
      next: (state, _, step, one) => (step === null ? [] : [...state, `${step.actor} ${step.event.type} ${String(one!.value)}`]),
      says: (state, one) => (state.length > 1 ? `${one!} ${state.join(', ')}` : null),
    });
    expect(search(seen, two(chain(2))).violations).toMatchObject([{ message: 'node:0: node:0 node:0 exec s1, node:0 exec s2', steps: 2 }]);
  });

  it('looks where what it looks at has changed over a step, by any actor', () => {
    // `node:0` moves and asks `other:0`, which changes, and `other:1` twice, which is as it was.
    const asks = ['other:0', 'other:1', 'other:1'].map((to) => ({ to, type: 'ask' }));
    const ids = ['node:0', 'other:0', 'other:1', 'idle:0'];
    const topology = {
      actors: ids.map((id) => ({ id, kind: id.split(':')[0]!, input: null })),
      machines: {
        node: machineOf({ a: { on: { exec: { to: 'b', sends: asks } } }, b: { on: {}, tags: ['rest'] } }),
        other: machineOf({ a: { on: { ask: { to: 'b' } }, tags: ['rest'] }, b: { on: { ask: { to: 'a' } }, tags: ['rest'] } }),
        idle: machineOf({ a: { on: {}, tags: ['rest'] } }),
      },
      catalogue: CATALOGUE,
    };
    const looksOf = (one: string, parts: Partial<MonitorParts<number>>) => {
      const next = (count: number, _: WorldView, step: unknown) => (step === null ? 0 : Math.min(count + 1, 3));
      const says = (count: number, who?: string) => (who === one && count > 0 ? `${count}` : null);
      return search(own<number>({ start: 0, next, says, ...parts }), topology).violations.map(({ message }) => message);
    };
    expect(looksOf('other:0', { each: 'other' })).toEqual(['other:0: 1']);
    expect(looksOf('other:1', { each: 'other' })).toEqual([]);
    expect(looksOf('idle:0', { each: 'idle' })).toEqual([]);
    expect(looksOf('idle:0', { each: 'idle', kinds: ['other'] })).toEqual(['idle:0: 1']);
  });

  it.each(['always', 'sometimes', 'eventually'] as const)('knows whom it follows, so that nothing is renamed: %s', (form) => {
    const property = own<number>({ form, start: 0, next: () => 0, says: () => null });
    const found = finish(explore({ scenario: toy(two(), [property]), maxStates: 1000, symmetry: true, scheduler: false }));
    expect(found.unreduced).toContain(`${property.id} remembers the past by a monitor`);
  });

  it('says what comes true in some run, and what is owed', () => {
    const counts = { start: 0, next: (count: number, _: WorldView, step: unknown) => (step === null ? 0 : (count + 1) % 4) };
    const third = own<number>({ ...counts, form: 'sometimes', says: (count) => (count === 3 ? 'three' : null) });
    expect(search(third).missed).toEqual([]);
    const fifth = own<number>({ ...counts, form: 'sometimes', says: (count) => (count === 5 ? 'five' : null) });
    expect(search(fifth).missed).toEqual([fifth.id]);
    const leaves = own<number>({ ...counts, form: 'eventually', says: (count) => (count === 3 ? 'three' : null) });
    expect(search(leaves).violations).toEqual([]);
    const stays = own<number>({ ...counts, form: 'eventually', says: (count) => (count >= 0 ? 'counts' : null) });
    expect(search(stays).violations).toMatchObject([{ property: stays.id, lasso: { length: 8 } }]);
  });

  it('is the same on both engines, record by record', () => {
    const property = leadsTo(`toy.both-${numbered++}`, {
      pair: ['node', 'node'],
      from: (one) => (one.value === 'b' ? 'in b' : null),
      to: (_, other) => (other.value === 'b' ? 'in b' : null),
      ...BASIS,
    });
    const scenario = toy(two(), [property]);
    const [live, memo] = (['live', 'memo'] as const).map((engine) => {
      const { records } = play(scenario, { name: 'random', seed: 3 }, engineOf(scenario, engine), (run) => run.sequencer.step >= 30);
      return records;
    });
    expect(live!.some(({ type }) => type === 'monitor.next')).toBe(true);
    expect(live).toEqual(memo);
  });

  it('adds no state where it remembers nothing, and leaves a deadlock one', () => {
    const none = finish(explore({ scenario: toy(two()), maxStates: 100_000 }));
    expect(search(own<null>({ start: null, next: () => null })).states).toBe(none.states);
    const waits: Readonly<Record<string, StateTable>> = { a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'b' } } } };
    const found = search(own<number>({ start: 0, next: (count) => Math.min(count + 1, 3) }), two(waits));
    expect(found.violations).toMatchObject([{ property: DEADLOCK }]);
  });
});

describe('a monitor is refused', () => {
  let calls = 0;
  const refusals: readonly (readonly [string, Property, RegExp])[] = [
    [
      'whose evidence is no sentence',
      own<number>({ start: 0, next: () => 0, says: () => true as never }),
      /says\(\) gives true; expected a sentence/,
    ],
    ['that remembers on its own', own<number>({ start: 0, next: () => calls++ }), /next\(\) gives \d+, and \d+ when it is asked again/],
    [
      'that changes its state in place',
      own<{ n: number }>({ start: { n: 0 }, next: (state) => Object.assign(state, { n: 1 }) }),
      /changes the state that it is given; expected a new one/,
    ],
    [
      'that changes what it looks at',
      own<number>({ start: 0, next: (_, __, ___, one) => Object.assign(one!.context as object, { energy: 9 }).energy }),
      /its monitor for node:0 throws: .*read only property 'energy'/,
    ],
    ['that counts without end', own<number>({ start: 0, next: (count) => count + 1 }), /more than 1024 states.*stop at a bound/],
    ['whose state is no plain data', own<unknown>({ start: 0, next: () => new Map() }), /expected plain data/],
    [
      'that looks where it does not say so',
      own<number>({ start: 0, next: (_, world) => world.actors('node').length }),
      /looks at actors of kind "node"; expected that among its kinds \(none\)/,
    ],
    [
      'that throws',
      own<number>({ start: 0, next: () => Number(undefined as unknown as { x: string }) || boom() }),
      /its monitor for node:0 throws: boom/,
    ],
    [
      'whose condition is no sentence',
      alwaysEventually(`toy.own-${numbered++}`, { each: 'node', holds: (() => true) as never, ...BASIS }),
      /holds\(\) gives true; expected a sentence/,
    ],
    [
      'of a kind that does not exist',
      own<null>({ start: null, next: () => null, each: 'nodes' }),
      /found "nodes"; expected a kind of actors .*did you mean "node"/,
    ],
  ];
  it.each(refusals)('%s', (_, property, message) => {
    expect(() => search(property, two(ROUND, 1))).toThrow(message);
  });

  it('of more pairs than a state should have parts', () => {
    const pairs = stable(`toy.own-${numbered++}`, { pair: ['node', 'node'], holds: () => null, ...BASIS });
    expect(() => search(pairs, two(ROUND, 9))).toThrow(/follows 72 pairs .* expected at most 64/);
  });
});

function boom(): never {
  throw new Error('boom');
}

describe('a form that is not given as it should be', () => {
  const holds = () => null;
  it.each([
    ['a misspelt condition', { kinds: ['node'], never: holds, aftre: holds }, /found the key "aftre"; .*did you mean "after"/],
    ['a condition that is missing', { kinds: ['node'], never: holds }, /after is nothing; expected a function/],
    ['no scope', { never: holds, after: holds }, /found neither each, pair nor kinds/],
    ['two scopes', { each: 'node', pair: ['node', 'node'], never: holds, after: holds }, /found each and pair/],
    ['half a pair', { pair: ['node'], never: holds, after: holds }, /pair is .*expected two kinds/],
    ['kinds that are text', { kinds: 'node', never: holds, after: holds }, /kinds is "node"; expected a list/],
  ])('is refused at once: %s', (_, given, message) => {
    expect(() => neverAfter('toy.slip', { ...given, ...BASIS } as never)).toThrow(message);
  });
});
