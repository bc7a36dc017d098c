/**
 * Exploration as people ask for it: the least deviating schedule of each violation, and a guarantee
 * that claims no more than was done.
 */
import { describe, expect, it } from 'vitest';
import { stateAt } from '../../../replay/fold.ts';
import { openJournal } from '../../../replay/open.ts';
import { memorySource } from '../../../replay/source.ts';
import { explore } from '../../../sim/explore/explore.ts';
import { guaranteeLines } from '../../../sim/explore/guarantee.ts';
import type { Exploration, ExploreRequest } from '../../../sim/explore/request.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { eventually } from '../../../sim/property.ts';
import type { Topology } from '../../../sim/store.ts';
import { engineOf, journalOf, play, shipped } from '../play.ts';
import { firmware } from './firmware.ts';
import { actorIn, CATALOGUE, chain, machineOf, rule, toy } from './toy.ts';

const all = (request: Partial<ExploreRequest> & Pick<ExploreRequest, 'scenario'>): Exploration =>
  finish(explore({ maxStates: 1_000_000, ...request }));
const race = shipped('rmpadjust-vs-rmpupdate', 'inuse');
const whole = all({ scenario: race });

describe('a violation', () => {
  it('is given by the least deviating schedule, which plays to it', () => {
    const { violations, exhausted } = whole;
    expect(exhausted).toBe(true);
    expect(violations).toMatchObject([{ property: 'rmp.vm-bugged', least: true, disturbances: 0, preemptions: 0, switches: 2, steps: 52 }]);
    const choices = violations[0]!.labels.map((label) => ({ index: 0, label }));
    expect(play(race, { name: 'replay', choices, match: 'label' }).end.violation).toMatchObject({ property: 'rmp.vm-bugged', step: 52 });
  });

  it('has the fewest steps and its true price where the search for the least was cut short, and says so', () => {
    const ids = ['node:0', 'node:1', 'node:2'];
    const end = { s12: { on: { interrupt: { to: 'hit' } } }, hit: { on: {}, tags: ['rest'] } };
    const topology: Topology = {
      actors: ids.map((id) => ({ id, kind: 'node', input: null })),
      machines: { node: machineOf({ ...chain(12), ...end }) },
      catalogue: CATALOGUE,
    };
    const last = rule((world) => (ids.every((id) => actorIn(world, id).value === 'hit') ? 'all are hit' : null));
    const search = explore({ scenario: toy(topology, [last]), maxStates: 1_000_000 });
    // The first search hands the thread back until every state is expanded; then the one in the
    // order of deviations begins.
    let turn = search.next();
    while (!turn.done && turn.value.bytes > 0) turn = search.next();
    turn = search.next(true);
    expect(turn.done).toBe(true);
    const { violations, exhausted } = turn.value as Exploration;
    expect(exhausted).toBe(true);
    expect(violations).toMatchObject([{ steps: 39, least: false, disturbances: 3, preemptions: 0 }]);
    expect(violations[0]!.labels).toHaveLength(39);
  });

  it('is the least where it has the fewest steps and deviates nowhere, whatever search found it', () => {
    const ids = ['node:0', 'node:1'];
    const topology: Topology = {
      actors: ids.map((id) => ({ id, kind: 'node', input: null })),
      machines: { node: machineOf(chain(2)) },
      catalogue: CATALOGUE,
      interchangeable: [ids],
    };
    const steps = rule((world) => (ids.some((id) => actorIn(world, id).value === 's2') ? 'one has come to its end' : null));
    const never = eventually('toy.never', { kinds: ['node'], source: 'a test', grade: 'decision', check: () => null });
    const free = { disturbances: 0, preemptions: 0, switches: 0 };
    expect(all({ scenario: toy(topology, [steps]), symmetry: true }).violations).toMatchObject([{ steps: 2, least: true, ...free }]);
    expect(all({ scenario: toy(topology, [never]) }).violations).toMatchObject([{ property: never.id, steps: 4, least: true, ...free }]);
  });
});

describe('the guarantee', () => {
  it('of a clean variant names the properties, the bound, what it covers and what it does not', () => {
    const { guarantee, bound, violations, missed } = all({ scenario: shipped('rmpadjust-vs-rmpupdate', 'overlap-2m') });
    expect([bound, violations, missed]).toEqual(['all schedules', [], []]);
    const text = guarantee.join('\n');
    expect(text).toContain('26,488 states, 63,280 transitions');
    expect(text).toContain('Of all schedules, none breaks rmp.host-panic, rmp.vm-bugged');
    expect(text).toContain('none deadlocks');
    expect(text).toContain('preemption model full, 2 pCPUs, kernel 6.12');
    expect(text).toMatch(/Not covered: .*store buffers and reordering/);
    expect(text).toMatch(/Weakest evidence: (memory|decision|inferred), at /);
  });

  it('of a broken variant does not speak of the properties that broke, nor of what follows', () => {
    const text = whole.guarantee.join('\n');
    expect(text).toContain('none breaks rmp.host-panic, rmp.validated-implies-assigned, rmp.in-use-is-vmsa.');
    expect(text).not.toContain('none deadlocks');
    expect(text).toContain('Not covered: what follows after a property has broken');
  });

  it('of a bound names it, and says "all schedules" only when nothing was cut', () => {
    const two = all({ scenario: race, limits: { deviations: 2, switches: 1 } });
    expect(two.bound).toBe('all schedules with at most 2 deviations and 1 switch');
    expect(two.guarantee.join('\n')).toContain('Of all schedules with at most 2 deviations and 1 switch, none breaks');
    expect(all({ scenario: firmware, limits: { deviations: 40 } }).bound).toBe('all schedules');
  });

  it('of a search that ended early promises nothing, and names what ran out', () => {
    const byStates = all({ scenario: race, maxStates: 500 });
    expect(byStates).toMatchObject({ exhausted: false, limit: 'states' });
    expect(byStates.guarantee.join('\n')).toContain('The search ended early (states): what it did not reach may break anything.');
    const byBytes = all({ scenario: race, fits: (bytes) => bytes < 200_000 });
    expect(byBytes).toMatchObject({ exhausted: false, limit: 'bytes' });
    const bounded = all({ scenario: race, maxStates: 500, limits: { deviations: 9 } });
    expect(bounded).toMatchObject({ exhausted: false, limit: 'states' });
    for (const { guarantee } of [byStates, byBytes, bounded]) expect(guarantee.join('\n')).not.toContain('Of all schedules, none');
  });

  it('of a bounded search that was stopped says that it was', () => {
    const search = explore({ scenario: race, maxStates: 1e6, limits: { deviations: 90 } });
    expect(search.next().done).toBe(false);
    let last = search.next(true);
    while (!last.done) last = search.next(true);
    expect(last).toMatchObject({ done: true, value: { exhausted: false, limit: 'stopped' } });
    expect((last.value as Exploration).guarantee.join('\n')).toContain('ended early (stopped)');
  });

  it('of a search whose reactions were not all executed again says how many, and shows nothing', () => {
    const search = explore({ scenario: race, maxStates: 1e6 });
    let turn = search.next();
    while (!turn.done) turn = search.next(turn.value.reactions !== undefined);
    expect(turn.value).toMatchObject({ exhausted: false, limit: 'stopped', states: 26_580 });
    expect(turn.value.guarantee.join('\n')).toMatch(/[\d,]+ reactions not re-executed, as time was over/);
    expect(whole.guarantee.join('\n')).toContain('every reaction re-executed');
  });

  it('of a search whose time is limited has executed reactions again before it is over', () => {
    const search = explore({ scenario: race, maxStates: 1e6, isTimed: true });
    let turn = search.next();
    let looks = 0;
    for (; !turn.done && turn.value.states < 20_000; looks++) turn = search.next();
    for (; !turn.done; turn = search.next(true));
    expect(looks).toBeGreaterThan(10);
    expect(turn.value.guarantee.join('\n')).toContain('every reaction re-executed');
  });

  it('of a search from the middle of a run speaks of nothing before it', () => {
    const journal = openJournal(memorySource(journalOf(race, { name: 'fifo' }, engineOf(race, 'memo')).bytes));
    const late = all({ scenario: race, from: stateAt(journal, journal.steps - 5) });
    expect(late).toMatchObject({ exhausted: true, violations: [], missed: [], bound: `all schedules from step ${journal.steps - 5} on` });
    expect(late.guarantee.join('\n')).toContain(`Of all schedules from step ${journal.steps - 5} on, none breaks`);
    expect(all({ scenario: race, maxStates: 2, from: stateAt(journal, 0) }).bound).toBe('all schedules');
  });

  it('says so when nothing is left to hold', () => {
    const facts = {
      exhausted: true,
      bound: 'all schedules',
      limit: null,
      states: 1_234_567,
      transitions: 2,
      unchanged: 3,
      undecided: [],
      evidence: null,
      coverage: { whole: true, neverTaken: [], impossible: [] },
    };
    const lines = guaranteeLines({ ...facts, scenario: race, violated: race.properties.always });
    expect(lines.slice(0, 2)).toEqual([
      'rmpadjust-vs-rmpupdate, variant inuse: 1,234,567 states, 2 transitions, 3 steps that change nothing.',
      `Of all schedules, some break ${race.properties.always.join(', ')}.`,
    ]);
    expect(lines.join()).not.toContain('Weakest');
  });
});

describe('a race that does not happen', () => {
  it('is named, by the whole search and within a bound', () => {
    const alone = { ...race, processes: race.processes.filter(({ id }) => id !== 'gmem') };
    expect(all({ scenario: alone }).missed).toEqual(['rmp.entry-lock-is-contended']);
    expect(all({ scenario: race, limits: { deviations: 0 } }).missed).toEqual(['rmp.entry-lock-is-contended']);
    expect(whole.missed).toEqual([]);
  });
});
