/**
 * What goes together in one search: every pair has a line, the manual shows it, and the search does
 * what the line says.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { stateAt } from '../../../replay/fold.ts';
import { openJournal } from '../../../replay/open.ts';
import { memorySource } from '../../../replay/source.ts';
import { explore } from '../../../sim/explore/explore.ts';
import type { Exploration, ExploreRequest } from '../../../sim/explore/request.ts';
import { PAIRS, type Pair, pairOf, SEARCH_FEATURES } from '../../../sim/explore/soundness.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { progress } from '../../../sim/properties/liveness.ts';
import { leavesEach, sometimes } from '../../../sim/property.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import { leadsTo, neverAfter } from '../../../sim/temporal.ts';
import type { ActorView } from '../../../sim/view.ts';
import { Bench } from '../../cli/run-cli.ts';
import { engineOf, fileOf, journalOf, shipped } from '../play.ts';
import { actorIn, CATALOGUE, chain, machineOf, rule, toy } from './toy.ts';

const nameOf = ({ one, other }: Pair) => `${one} and ${other}`;
const search = (scenario: ResolvedScenario, rest: Partial<ExploreRequest> = {}): Exploration =>
  finish(explore({ scenario, maxStates: 100_000, ...rest }));
const propertiesOf = ({ violations }: Exploration) => violations.map(({ property }) => property);

let numbered = 0;
const nothing = { actors: [{ id: 'node:0', kind: 'node', input: null }], machines: { node: machineOf(chain(0)) }, catalogue: CATALOGUE };

/** Two actors that are alike, and a property of the first one only. */
const aboutTheFirst = () =>
  toy(
    {
      actors: ['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null })),
      machines: { node: machineOf(chain(3)) },
      catalogue: CATALOGUE,
      interchangeable: [['node:0', 'node:1']],
    },
    [rule((world) => (actorIn(world, 'node:0').value === 's2' ? 'the first is in s2' : null), 'first')],
  );
/** The same two, and a property of each pair that remembers where one of them has been. */
const remembering = () => {
  const { params } = aboutTheFirst();
  const is = (state: string) => (actor: ActorView<never>) => (actor.value === state ? `in ${state}` : null);
  const property = neverAfter(`toy.after-${numbered++}`, {
    pair: ['node', 'node'],
    after: is('s1'),
    never: (_, other) => is('s2')(other),
    source: 'a test',
    grade: 'decision',
  });
  return { ...toy(nothing, [property]), params };
};
/** Where a run of the scenario stands after some steps. */
const fromStep = (scenario: ResolvedScenario, step: number) =>
  stateAt(openJournal(memorySource(journalOf(scenario, { name: 'fifo' }, engineOf(scenario, 'memo')).bytes)), step);
const stuck = shipped('vmsa-in-use-kick', 'no-kick');

const bench = new Bench();
afterAll(() => bench.clear());

/** What the command line says to a search that is refused. */
async function expectRefused(pair: Pair, ...args: readonly string[]): Promise<void> {
  const { code, err } = await bench.run(['explore', ...args]);
  expect([code, err.includes(pair.reason)], err).toEqual([2, true]);
}

/** A search for each line that says anything but `absent`. */
const CHECKS: Readonly<Record<string, (pair: Pair) => void | Promise<void>>> = {
  'scheduler and local': (pair) => expectRefused(pair, 'vmsa-in-use-kick', '--reduce', 'scheduler,local'),
  'scheduler and symmetry': () => {
    const race = shipped('rmpadjust-vs-rmpupdate', 'inuse');
    const both = search(race, { scheduler: true, symmetry: true });
    expect([both.exhausted, propertiesOf(both), both.missed]).toEqual([true, propertiesOf(search(race)), []]);
    expect(both.states).toBeLessThan(search(race, { symmetry: true }).states);
  },
  'scheduler and bound': (pair) => expectRefused(pair, 'vmsa-in-use-kick', '--reduce', 'scheduler', '--deviations', '1'),
  'scheduler and liveness': () => {
    expect(search(stuck, { scheduler: true })).toMatchObject({ violations: search(stuck).violations, undecided: [] });
  },
  'scheduler and per-actor': () => {
    const aboutCpus = shipped('sld-wrmsr-preempted', 'v8-no-guard');
    const reduced = search(aboutCpus, { scheduler: true });
    expect(reduced.violations).toEqual(search(aboutCpus).violations);
    expect(reduced.states).toBeLessThan(search(aboutCpus).states / 4);
  },
  'scheduler and recorded-run': () => {
    const race = shipped('rmpadjust-vs-rmpupdate', 'inuse');
    const from = fromStep(race, 5);
    expect(search(race, { scheduler: true, from }).violations).toEqual(search(race, { from }).violations);
  },
  'local and bound': (pair) => expectRefused(pair, 'rmp-lock', '--reduce', 'local', '--deviations', '1'),
  'local and symmetry': () => {
    const lock = shipped('rmp-lock', undefined, { vcpus: '3', rounds: '1' });
    const both = search(lock, { local: true, symmetry: true });
    const alone = search(lock, { symmetry: true });
    expect([both.exhausted, propertiesOf(both), both.missed]).toEqual([true, propertiesOf(alone), alone.missed]);
    expect(both.states).toBeLessThan(alone.states);
  },
  'local and liveness': () => {
    expect(search(stuck, { local: true })).toMatchObject({ violations: search(stuck).violations, undecided: [] });
  },
  'local and per-actor': () => {
    const scenario = aboutTheFirst();
    expect(propertiesOf(search(scenario, { local: true }))).toEqual(propertiesOf(search(scenario)));
  },
  'local and recorded-run': () => {
    const race = shipped('rmpadjust-vs-rmpupdate', 'inuse');
    const from = fromStep(race, 5);
    expect(search(race, { local: true, from }).violations).toEqual(search(race, { from }).violations);
  },
  'symmetry and bound': (pair) => expectRefused(pair, 'rmp-lock', '--reduce', 'symmetry', '--deviations', '1'),
  'symmetry and recorded-run': async (pair) => {
    await bench.run(['run', 'rmp-lock', '-o', 'lock.wsj']);
    await expectRefused(pair, 'lock.wsj', '--from', '2', '--reduce', 'symmetry');
  },
  'symmetry and per-actor': () => {
    const scenario = aboutTheFirst();
    const found = search(scenario, { symmetry: true });
    expect(found.unreduced).toContain('tells interchangeable actors apart');
    expect(propertiesOf(found)).toEqual(propertiesOf(search(scenario)));
  },
  'symmetry and liveness': () => {
    const lock = shipped('rmp-lock', undefined, { vcpus: '2', rounds: '1' });
    const asked = { ...lock, properties: { ...lock.properties, eventually: [progress.id] } };
    expect(search(asked, { symmetry: true }).guarantee.join('\n')).toContain(`liveness (${progress.id})`);
    expect(search(asked).guarantee.join('\n')).not.toContain(`liveness (${progress.id})`);
  },
  'bound and liveness': () => {
    const { guarantee, violations } = search(stuck, { limits: { deviations: 2 } });
    expect(violations).toEqual([]);
    expect(guarantee.join('\n')).toContain('liveness (rmp.retry-bounded)');
  },
  'bound and per-actor': () => {
    const scenario = aboutTheFirst();
    expect(propertiesOf(search(scenario, { limits: { deviations: 9 } }))).toEqual(propertiesOf(search(scenario)));
  },
  'bound and recorded-run': () => {
    const race = shipped('rmpadjust-vs-rmpupdate', 'inuse');
    const from = fromStep(race, 5);
    const bounded = search(race, { limits: { deviations: 2 }, from });
    expect(bounded.bound).toBe('all schedules from step 5 on with at most 2 deviations');
    expect(propertiesOf(bounded)).toEqual(propertiesOf(search(race, { from })));
  },
  'liveness and per-actor': () => {
    const machine = machineOf({ a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'a' } } } });
    const property = leavesEach<unknown>('toy.leaves-one', {
      kind: 'node',
      source: 'a test',
      grade: 'decision',
      each: ({ id }) => (id === 'node:1' ? `${id} stays` : null),
    });
    const actors = ['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null }));
    const { violations } = search(toy({ actors, machines: { node: machine }, catalogue: CATALOGUE }, [property]));
    expect(violations).toMatchObject([{ message: 'node:1 stays' }]);
  },
  'liveness and recorded-run': () => {
    const { violations } = search(stuck, { from: fromStep(stuck, 30) });
    expect(violations).toMatchObject([{ property: 'rmp.retry-bounded' }]);
    expect(violations[0]!.lasso!.from).toBeGreaterThanOrEqual(30);
  },
  'scheduler and monitor': () => {
    const scenario = remembering();
    const found = search(scenario, { scheduler: true });
    expect(found.violations).toEqual(search(scenario).violations);
    expect(found.violations).toHaveLength(1);
    expect(found.guarantee.join('\n')).toContain('No scheduler classes: toy.after-');
  },
  'local and monitor': () => {
    const scenario = remembering();
    expect(propertiesOf(search(scenario, { local: true }))).toEqual(propertiesOf(search(scenario)));
  },
  'symmetry and monitor': () => {
    const scenario = remembering();
    const found = search(scenario, { symmetry: true });
    expect(found.violations).toEqual(search(scenario).violations);
    expect(found.guarantee.join('\n')).toContain('No symmetry: toy.after-');
    expect(found.unreduced).toContain('remembers the past by a monitor');
  },
  'bound and monitor': () => {
    const scenario = remembering();
    const [violation] = search(scenario).violations;
    const { disturbances, preemptions, switches } = violation!;
    const deviations = disturbances + preemptions + switches;
    expect(search(scenario, { limits: { deviations } }).violations).toEqual([violation]);
  },
  'liveness and monitor': () => {
    const round = machineOf({ a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'c' } } }, c: { on: { exec: { to: 'b' } } } });
    const is = (state: string) => (actor: ActorView<never>) => (actor.value === state ? `in ${state}` : null);
    const basis = { each: 'node', source: 'a test', grade: 'decision' } as const;
    const properties = [
      leadsTo('toy.back-to-b', { from: is('c'), to: is('b'), ...basis }),
      leadsTo('toy.back-to-a', { from: is('c'), to: is('a'), ...basis }),
    ];
    const { violations } = search(toy({ ...nothing, machines: { node: round } }, properties));
    expect(violations).toMatchObject([{ property: 'toy.back-to-a', lasso: { length: 2 } }]);
  },
  'per-actor and monitor': () => {
    const { violations } = search(remembering());
    expect(violations[0]!.message).toMatch(/^node:[01] and node:[01]: in s2, after in s1$/);
  },
  'monitor and recorded-run': () => {
    const scenario = remembering();
    const from = fromStep(scenario, 1);
    const found = search(scenario, { from });
    // What has been before the start is remembered: it breaks without a step of the first one.
    expect(found.violations[0]!.steps).toBe(search(scenario).violations[0]!.steps - 1);
  },
  'per-actor and recorded-run': () => {
    const scenario = aboutTheFirst();
    const from = fromStep(scenario, 1);
    expect(propertiesOf(search(scenario, { from }))).toEqual(propertiesOf(search(scenario)));
    // A race that lies behind the start is not one that never happens.
    const start = sometimes(`toy.start-${numbered++}`, {
      kinds: ['node'],
      source: 'a test',
      grade: 'decision',
      check: (world) => (world.actors('node').every(({ value }) => value === 's0') ? 'all are at the start' : null),
    });
    const behind = { ...toy(nothing, [start]), params: scenario.params };
    for (const limits of [{}, { deviations: 9 }]) expect(search(behind, { from, limits }).missed).toEqual([]);
  },
};

describe('the table of what goes together', () => {
  it('has one line for each pair, with a reason', () => {
    const pairs = SEARCH_FEATURES.flatMap((one, i) => SEARCH_FEATURES.slice(i + 1).map((other) => pairOf(one, other)));
    expect(PAIRS).toHaveLength(pairs.length);
    expect(new Set(pairs).size).toBe(pairs.length);
    for (const { reason } of PAIRS) expect(reason.length).toBeGreaterThan(20);
  });

  it('stands in the manual, line by line', () => {
    const manual = fileOf('docs/large-spaces.md');
    for (const { one, other, together, reason } of PAIRS) expect(manual).toContain(`| ${one} | ${other} | ${together} | ${reason} |`);
  });

  it('has a search for each line that is not absent', () => {
    expect(Object.keys(CHECKS).sort()).toEqual(
      PAIRS.filter(({ together }) => together !== 'absent')
        .map(nameOf)
        .sort(),
    );
  });

  it.each(PAIRS.filter(({ together }) => together !== 'absent').map((pair) => [nameOf(pair), pair.together, pair] as const))(
    '%s: %s',
    async (name, _, pair) => {
      await CHECKS[name]!(pair);
    },
  );

  it('knows no option --reduce sleep, which is absent', async () => {
    expect(PAIRS.filter(({ one, other }) => one === 'sleep' || other === 'sleep').every(({ together }) => together === 'absent')).toBe(
      true,
    );
    expect((await bench.run(['explore', 'rmp-lock', '--reduce', 'sleep'])).code).toBe(2);
  });
});
