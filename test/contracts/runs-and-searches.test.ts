/**
 * Runs, searches and samples take the same steps and end alike: on small random models each meets
 * what all runs together meet.
 */
import { describe, expect, it } from 'vitest';
import { hexOf } from '../../sim/canonical.ts';
import { RandomUniformChooser } from '../../sim/choosers/random-uniform.ts';
import { DEADLOCK } from '../../sim/end.ts';
import { MemoEngine } from '../../sim/engine/memo.ts';
import { Explorer } from '../../sim/explore/breadth/explorer.ts';
import type { ExploreOptions } from '../../sim/explore/breadth/options.ts';
import { searchedBy } from '../../sim/explore/breadth/searched.ts';
import { explore } from '../../sim/explore/explore.ts';
import { BoundedSearch } from '../../sim/explore/in-order/bounded.ts';
import { Sampler } from '../../sim/explore/sampling/sampler.ts';
import { Successors } from '../../sim/explore/space/successors.ts';
import { finish } from '../../sim/explore/turns.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { Prng } from '../../sim/prng.ts';
import { UNCHANGED } from '../../sim/rows/step-trie.ts';
import { Walk } from '../../sim/rows/walk.ts';
import { WorldStep } from '../../sim/rows/world-step.ts';
import { Run } from '../../sim/run.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { digestsAt, digestsOf } from '../sim/explore/drive.ts';
import { engineOf, play } from '../sim/play.ts';
import { digestOf, type EveryRun, ruleOf } from './every-run.ts';
import { broken, type Case, cases, defined, isBeyond, MODELS, STATES_MAX, STEPS_MAX, sound } from './random-cases.ts';
import { STATES } from './random-topology.ts';

const violatedIn = ({ ends }: EveryRun): string[] =>
  [...new Set([...ends.values()].flatMap((end) => (end === null ? [] : end.split(' ')[1] || [])))].sort();

const budget = { states: 10_000 };
const searched = (scenario: ResolvedScenario, options: Partial<ExploreOptions> = {}) => {
  const explorer = new Explorer({ scenario, budget, ...options });
  return { explorer, report: finish(explorer.run()) };
};
const within = (scenario: ResolvedScenario) => finish(new BoundedSearch({ scenario, limits: {}, states: 10_000 }).run());
const named = (findings: readonly { readonly property: string }[]) => findings.map(({ property }) => property).sort();

describe('random models', () => {
  it('are of every sort', () => {
    const all = new Set(cases.flatMap(({ runs }) => [...runs.ends.values()].map((end) => end?.split(' ')[0] ?? 'goes on')));
    expect([...all].sort()).toEqual(['deadlock', 'done', 'goes on', 'halted', 'violation']);
    expect(sound.length).toBeGreaterThan(MODELS / 2);
    const share = (is: (one: Case) => boolean) => sound.filter(is).length / sound.length;
    expect(share(({ seed }) => defined.get(seed)!.largest > 1)).toBeGreaterThan(0.1);
    expect(share(({ seed }) => defined.get(seed)!.beyond.size > 0)).toBeGreaterThan(0.1);
    expect(share(({ runs }) => [...runs.ends.values()].some((end) => end?.startsWith('halted')))).toBeGreaterThan(0.04);
    expect(new Set(broken.flatMap(({ runs }) => [...runs.errors].map((error) => error.replace(/\S+:\d/, '')))).size).toBeGreaterThan(5);
  });
});

describe('a run', () => {
  it('ends in the states, and so, as the definition says', () => {
    for (const { seed, runs } of sound) {
      const { ends } = defined.get(seed)!;
      expect([...runs.ends].sort(), `seed ${seed}`).toEqual([...ends].sort());
    }
  });
});

/**
 * Holds that each finding plays to this end, after all its steps. A run tells one thing: what is
 * owed in a deadlock it leaves out.
 */
function expectPlays(
  scenario: ResolvedScenario,
  findings: readonly { readonly property: string; readonly labels: readonly string[] }[],
  name: string,
): void {
  for (const { property, labels } of findings) {
    const choices = labels.map((label) => ({ index: 0, label }));
    const { end } = play(scenario, { name: 'replay', choices, match: 'label' });
    const isOwed = scenario.properties.eventually.includes(property);
    const told = isOwed && end.ended === 'deadlock' ? DEADLOCK : property;
    expect(end.violation, `${name}, ${property}`).toMatchObject({ property: told, step: labels.length });
    if (told !== property) expect(named(findings), name).toContain(DEADLOCK);
  }
}

describe('a search of all schedules', { timeout: 60_000 }, () => {
  it('meets the states, steps, ends and violations that runs meet, and no others', () => {
    for (const { seed, scenario, runs } of sound) {
      const { explorer, report } = searched(scenario);
      const met = [...digestsOf(explorer)];
      expect(met.filter((digest) => !isBeyond(seed, digest)).sort(), `seed ${seed}`).toEqual([...runs.ends.keys()].sort());
      const { transitions, unchanged } = runs;
      expect(report, `seed ${seed}`).toMatchObject({ exhausted: true, states: met.length });
      if (met.length === runs.ends.size && defined.get(seed)!.largest <= 1)
        expect(report, `seed ${seed}`).toMatchObject({ transitions, unchanged });
      expect(named(report.findings), `seed ${seed}`).toEqual(violatedIn(runs));
      expectPlays(
        scenario,
        report.findings.map(({ property, state }) => ({ property, labels: explorer.labelsTo(state) })),
        `seed ${seed}`,
      );
      const ended = [...runs.ends].filter(([, end]) => end !== null && !end.startsWith('violation'));
      expect(digestsAt(explorer, explorer.ended), `seed ${seed}`).toEqual(ended.map(([digest]) => digest).sort());
      expect(
        [...report.reached].flatMap(([id, met]) => (met ? [id] : [])),
        `seed ${seed}`,
      ).toEqual([...runs.met]);
    }
  });

  it('finds the same steps again when it is over', () => {
    for (const { seed, scenario, runs } of sound) {
      const { explorer, report } = searched(scenario);
      const { world, space, expanded } = searchedBy(explorer, report);
      const successors = new Successors(world, space, expanded);
      const digests = [...digestsOf(explorer)];
      for (const [state, digest] of digests.entries()) {
        if (isBeyond(seed, digest)) continue;
        successors.expand(state, true);
        const targets = successors.targets.map((target) => digests[target]!);
        expect(targets.sort(), `seed ${seed}`).toEqual([...runs.next.get(digest)!].sort());
      }
    }
  });

  it('finds the same with fingerprints, with local steps and in the order of deviations', () => {
    for (const { seed, scenario, runs } of sound) {
      const violated = violatedIn(runs);
      const compact = searched(scenario, { compact: true }).report;
      const { states, transitions, unchanged, reached } = searched(scenario).report;
      const outcome = (met: typeof reached) => [...met].map(([id, first]) => [id, first !== null]);
      if (violated.includes(DEADLOCK) || defined.get(seed)!.largest > 1) {
        // Not all rows are kept to search again with: what lies beyond a dead state is judged as
        // well. explore() leaves it out.
        expect(named(compact.findings), `seed ${seed}`).toEqual(expect.arrayContaining([...violated]));
        for (const how of [{ compact: true }, { local: true }])
          expect(named(finish(explore({ scenario, maxStates: STATES_MAX, ...how })).violations), `seed ${seed}`).toEqual(violated);
      } else {
        expect(outcome(compact.reached), `seed ${seed}`).toEqual(outcome(reached));
        expect(compact, `seed ${seed}`).toMatchObject({ states, transitions, unchanged });
        expect(named(compact.findings), `seed ${seed}`).toEqual(violated);
      }
      const local = searched(scenario, { local: true });
      if (!violated.includes(DEADLOCK)) expect(named(local.report.findings), `seed ${seed}`).toEqual(violated);
      expect(
        [...digestsOf(local.explorer)].filter((digest) => !runs.ends.has(digest) && !isBeyond(seed, digest)),
        `seed ${seed}`,
      ).toEqual([]);
      const bounded = within(scenario);
      expect(bounded, `seed ${seed}`).toMatchObject({ closed: true, exhausted: true });
      expect(named(bounded.findings), `seed ${seed}`).toEqual(violated);
    }
  });

  it('fails by the rules that some run breaks, and by no others', () => {
    const searches = [
      (scenario: ResolvedScenario) => searched(scenario),
      (scenario: ResolvedScenario) => searched(scenario, { compact: true }),
      (scenario: ResolvedScenario) => searched(scenario, { local: true }),
      (scenario: ResolvedScenario) => within(scenario),
    ];
    for (const { seed, scenario, runs } of broken) {
      for (const search of searches) {
        let rule = null;
        try {
          search(scenario);
        } catch (error) {
          rule = ruleOf(error);
        }
        expect([...runs.errors], `seed ${seed}`).toContain(rule);
      }
    }
  });
});

describe('single schedules', { timeout: 60_000 }, () => {
  it('drawn at random meet states, ends and broken rules of all runs', () => {
    for (const { seed, scenario, runs } of cases) {
      const engine = engineOf(scenario, seed % 10 === 0 ? 'live' : 'memo');
      const run = new Run({ scenario, engine, chooser: new RandomUniformChooser(seed) });
      try {
        run.start();
        do expect(runs.ends.has(digestOf(run)) || isBeyond(seed, digestOf(run)), `seed ${seed}`).toBe(true);
        while (run.sequencer.step < STEPS_MAX && run.advance());
        run.toEnd(0);
        if (run.end) expect(`${run.end.ended} ${run.end.violation?.property ?? ''}`, `seed ${seed}`).toBe(runs.ends.get(digestOf(run)));
      } catch (error) {
        expect([...runs.errors], `seed ${seed}`).toContain(ruleOf(error));
      }
      engine.stop();
    }
  });

  it('walked by a sample take the steps of the runs, and say alike what has changed', () => {
    for (const { seed, scenario, runs } of cases) {
      const walk = new Walk(new WorldStep(new MemoEngine(topologyOf(scenario))), () => false);
      const prng = new Prng(seed);
      const digest = () => hexOf(walk.laneA, walk.laneB);
      try {
        while (walk.count > 0 && walk.steps < STEPS_MAX && runs.ends.get(digest()) === null) {
          const before = digest();
          const flags = walk.take(prng.below(walk.count));
          expect(runs.next.get(before), `seed ${seed}`).toContain(digest());
          expect((flags & UNCHANGED) !== 0, `seed ${seed}`).toBe(before === digest());
        }
      } catch (error) {
        expect([...runs.errors], `seed ${seed}`).toContain(ruleOf(error));
      }
    }
  });

  it('of a sample end as runs end: many of them find what all schedules break', () => {
    let [found, missed] = [0, 0];
    for (const { seed, scenario, runs } of sound) {
      const sampler = new Sampler({ scenario, strategy: 'random', seed, schedules: 100, stepsMax: STEPS_MAX, depth: 3 });
      const findings = named(finish(sampler.run()).findings);
      const violated = violatedIn(runs);
      expect(violated, `seed ${seed}`).toEqual(expect.arrayContaining(findings));
      if (findings.length === violated.length) found++;
      else missed++;
    }
    expect(found).toBeGreaterThan(20 * missed);
  });
});

describe('what is owed', { timeout: 60_000 }, () => {
  it('is found owed by the search where a run finds it so, and each violation plays', () => {
    let ended = 0;
    for (const { seed, scenario: asked, runs } of sound.slice(0, 250)) {
      const owed = `random.${seed % 2 === 0 ? 'reaches' : 'leaves'}-${STATES[(seed >> 1) % STATES.length]!}`;
      const scenario = { ...asked, properties: { ...asked.properties, eventually: [owed] } };
      const { violations, undecided } = finish(explore({ scenario, maxStates: 10_000 }));
      expect(undecided, `seed ${seed}`).toEqual([]);
      expectPlays(scenario, violations, `seed ${seed}`);
      for (let draw = 0; draw < 5; draw++) {
        const engine = engineOf(scenario, 'memo');
        const run = new Run({ scenario, engine, chooser: new RandomUniformChooser(seed + draw) });
        run.start();
        const end = run.toEnd(5 * runs.ends.size);
        if (end?.ended !== 'owed') continue;
        ended++;
        expect(named(violations), `seed ${seed}`).toContain(end.violation!.property);
      }
    }
    expect(ended).toBeGreaterThan(50);
  });
});
