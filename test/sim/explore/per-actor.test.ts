/**
 * A property of one actor at a time may go by the name of the actor: two actors in one local state
 * are looked at each by itself.
 */
import { expect, it } from 'vitest';
import { explore } from '../../../sim/explore/explore.ts';
import type { ExploreRequest } from '../../../sim/explore/request.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { alwaysEach, type Property, sometimes } from '../../../sim/property.ts';
import { play } from '../play.ts';
import { actorIn, CATALOGUE, chain, machineOf, toy } from './toy.ts';

const BASIS = { source: 'a test', grade: 'decision' } as const;
const TWO = {
  actors: ['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null })),
  machines: { node: machineOf(chain(2)) },
  catalogue: CATALOGUE,
  interchangeable: [['node:0', 'node:1']],
};
const ofTheSecond = (id: string) =>
  alwaysEach<unknown>(id, {
    ...BASIS,
    kind: 'node',
    each: (one) => (one.id === 'node:1' && one.value === 's2' ? `${one.id} is there` : null),
  });
const found = (property: Property, how: Partial<ExploreRequest> = {}) =>
  finish(explore({ scenario: toy(TWO, [property]), maxStates: 100, ...how }));

it.each<Partial<ExploreRequest>>([{}, { local: true }, { symmetry: true }, { compact: true }, { limits: { deviations: 9 } }])(
  'is broken by the second actor alone, %o',
  (how) => {
    const { violations, unreduced } = found(ofTheSecond(`toy.second-${JSON.stringify(how)}`), how);
    expect(violations).toMatchObject([{ message: 'node:1 is there' }]);
    if (how.symmetry) expect(unreduced).toContain('tells interchangeable actors apart');
  },
);

it('is broken in a run', () => {
  const { end } = play(toy(TWO, [ofTheSecond('toy.second-run')]), { name: 'fifo' });
  expect(end.violation).toMatchObject({ message: 'node:1 is there', step: 4 });
});

it('sees of each actor what it says that it sees', () => {
  const property = sometimes('toy.sees-second', {
    ...BASIS,
    kinds: ['node'],
    sees: ({ id, value }) => (id === 'node:1' ? String(value) : null),
    check: (world) => (actorIn(world, 'node:1').value === 's2' ? 'it is there' : null),
  });
  expect(found(property).missed).toEqual([]);
});
