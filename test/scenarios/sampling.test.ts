/**
 * Sampling: every strategy finds what is known to break, draws the same twice, and keeps the bound
 * that it prints.
 */
import { describe, expect, it } from 'vitest';
import type { Choice } from '../../events/journal.ts';
import { StarveStrategy } from '../../sim/choosers/starve.ts';
import type { StepView } from '../../sim/choosers/strategy.ts';
import { DEADLOCK } from '../../sim/end.ts';
import { boundOf, sample } from '../../sim/explore/sample.ts';
import { changed, GuidedStrategy } from '../../sim/explore/sampling/corpus.ts';
import type { SampleReport, SampleRequest } from '../../sim/explore/sampling/request.ts';
import { Sampler } from '../../sim/explore/sampling/sampler.ts';
import { RandomStrategy, STRATEGIES } from '../../sim/explore/sampling/strategies.ts';
import { finish } from '../../sim/explore/turns.ts';
import { Prng } from '../../sim/prng.ts';
import { recordsOf } from '../../sim/records.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { openSession } from '../../sim/session.ts';
import type { Topology } from '../../sim/store.ts';
import { actorIn, CATALOGUE, chain, machineOf, rule, toy } from '../sim/explore/toy.ts';
import { SHIPPED, shipped } from '../sim/play.ts';
import { MISSED } from './missed.ts';

type Strategy = SampleRequest['strategy'];
const ALL: readonly Strategy[] = [...STRATEGIES, 'portfolio'];

const drawn = (scenario: ResolvedScenario, strategy: Strategy, rest: Partial<SampleRequest> = {}): SampleReport =>
  finish(new Sampler({ scenario, strategy, seed: 1, schedules: 300, stepsMax: 2000, depth: 3, ...rest }).run());

const VIOLATING = SHIPPED.flatMap(({ name, variant }) => {
  const { expect: wanted } = shipped(name, variant);
  return wanted === null || wanted === 'clean' ? [] : wanted.violates.map((property) => ({ name, variant, property }));
});

const isHeldTo = (strategy: Strategy, { name, variant }: (typeof VIOLATING)[number]): boolean =>
  !MISSED[strategy]?.some((missed) => `${name} ${variant}`.startsWith(missed));

/** Every second one, of which each strategy in turn has the other half. */
const sharedOut = (strategy: Strategy) => VIOLATING.filter((_, at) => at % 2 === ALL.indexOf(strategy) % 2);

describe.each(ALL)('%s', (strategy) => {
  it.each(sharedOut(strategy).filter((violation) => isHeldTo(strategy, violation)))(
    'finds $property in $name $variant',
    ({ name, variant, property }) => {
      const { findings } = drawn(shipped(name, variant), strategy, { schedules: 6000, until: property });
      expect(findings.map((finding) => finding.property)).toContain(property);
    },
  );

  it('breaks nothing where nothing can break', () => {
    const report = drawn(shipped('rmpadjust-vs-rmpupdate', 'overlap-2m'), strategy);
    expect(report).toMatchObject({ limit: 'schedules', schedules: 300, findings: [], missed: [] });
    expect(report.reactions).toBeGreaterThan(0);
  });

  it('draws the same from the same seed, and something else from another', () => {
    const scenario = shipped('rmp-host-write-race', 'panic-sigbus');
    const once = JSON.stringify(drawn(scenario, strategy));
    expect(JSON.stringify(drawn(scenario, strategy))).toBe(once);
    expect(JSON.stringify(drawn(scenario, strategy, { seed: 2 }))).not.toBe(once);
  });

  it('counts what it drew', () => {
    const { schedules, steps, strategies, states } = drawn(shipped('rmp-lock'), strategy, { schedules: 90 });
    const counts = Object.values(strategies);
    expect(counts.reduce((sum, count) => sum + count.schedules, 0)).toBe(schedules);
    expect(counts.reduce((sum, count) => sum + count.steps, 0)).toBe(steps);
    expect(states).toBeGreaterThan(0);
    expect(states).toBeLessThanOrEqual(steps + 1);
  });

  it('cuts schedules, and says so', () => {
    expect(drawn(shipped('rmp-churn'), strategy, { schedules: 20, stepsMax: 50 })).toMatchObject({ cut: 20, longest: 50, steps: 1000 });
  });
});

describe('a single run', () => {
  const labelsOf = (scenario: ResolvedScenario, chooser: Parameters<typeof openSession>[0]['chooser'], engine: 'live' | 'memo') => {
    const labels: string[] = [];
    const { run } = openSession({
      scenario,
      engine,
      chooser,
      sink: (block, names) => {
        for (const { kind, payload } of recordsOf(block, names, 0))
          if (kind === 'choice') labels.push((payload as unknown as Choice).label);
      },
    });
    run.start();
    const end = run.toEnd();
    return { labels, property: end?.violation?.property };
  };

  it.each(['pct', 'pos', 'surw', 'starve'] as const)('of %s is the schedule that the sample drew, on both engines', (name) => {
    const scenario = shipped('rmp-host-write-race', 'panic-sigbus');
    const report = drawn(scenario, name, { schedules: 400 });
    expect(report.findings.length).toBeGreaterThan(0);
    for (const { seed, labels, property, depth } of report.findings) {
      for (const engine of ['memo', 'live'] as const) {
        const chooser = { name, seed, ...(depth !== null && { depth, horizon: report.pct!.horizon }), stepsMax: 2000 };
        expect(labelsOf(scenario, chooser, engine)).toEqual({ labels, property });
      }
    }
  });

  it('of random is that of the chooser random-uniform', () => {
    const scenario = shipped('rmp-host-write-race', 'kill-guest');
    const [finding] = drawn(scenario, 'random').findings;
    const { seed, labels, property } = finding!;
    expect(labelsOf(scenario, { name: 'random-uniform', seed }, 'memo')).toEqual({ labels, property });
  });
});

const nodes = (count: number, length: number): Topology => ({
  actors: Array.from({ length: count }, (_, i) => ({ id: `node:${i}`, kind: 'node', input: null })),
  machines: { node: machineOf(chain(length)) },
  catalogue: CATALOGUE,
});

/**
 * Breaks in the one state in which each actor has made just so many steps: that takes as many
 * orderings as actors have stopped midway.
 */
const meeting = (steps: readonly number[], length = 5): ResolvedScenario => {
  const stands = rule((world) => (steps.every((step, i) => actorIn(world, `node:${i}`).value === `s${step}`) ? 'they met' : null), 'meet');
  return toy(nodes(steps.length, length), [stands]);
};

describe('the bound of pct', () => {
  it.each([
    { depth: 1, steps: [5, 0], entities: 2 },
    { depth: 2, steps: [3, 2], entities: 2 },
    { depth: 2, steps: [3, 5, 0], entities: 3 },
    { depth: 3, steps: [3, 2, 1], entities: 3 },
  ])('holds for a bug of depth $depth: $steps of 5 steps each', ({ depth, steps, entities }) => {
    const schedules = 8000;
    const report = drawn(meeting(steps), 'pct', { schedules, depth, seed: 11 });
    const pct = report.pct!;
    expect(pct).toMatchObject({ depth, entities, beyond: 0 });
    expect(pct.horizon).toBeGreaterThanOrEqual(pct.decisions);
    expect(pct.horizon).toBeLessThanOrEqual(5 * entities);
    const { perSchedule } = boundOf(pct, schedules);
    const met = report.findings[0]?.broke ?? 0;
    // Deterministic from the seed. Three standard deviations below the bound would be no accident.
    const deviation = Math.sqrt((perSchedule * (1 - perSchedule)) / schedules);
    expect(met / schedules).toBeGreaterThan(perSchedule - 3 * deviation);
    expect(met).toBeGreaterThan(0);
  });

  it('cannot meet a bug that takes more orderings than its depth', () => {
    expect(drawn(meeting([3, 2, 1]), 'pct', { schedules: 4000, depth: 1 }).findings).toEqual([]);
    expect(drawn(meeting([3, 2]), 'pct', { schedules: 4000, depth: 1 }).findings).toEqual([]);
  });

  it('is computed without losing small chances', () => {
    const bound = boundOf({ depth: 3, horizon: 1000, entities: 10, decisions: 900, beyond: 0 }, 10_000);
    expect(bound.perSchedule).toBeCloseTo(1e-7, 12);
    expect(bound.overall).toBeCloseTo(0.0009995, 6);
    expect(boundOf({ depth: 1, horizon: 5, entities: 2, decisions: 5, beyond: 0 }, 1).overall).toBeCloseTo(0.5, 12);
  });
});

describe('a sample', () => {
  it('reports a deadlock and a property that never came true', () => {
    const stuck = toy(nodes(1, 2), []);
    expect(drawn(stuck, 'random').findings).toEqual([]);
    const waits = { ...nodes(1, 2), machines: { node: machineOf(chain(2, { on: {} })) } };
    expect(drawn(toy(waits), 'pos', { schedules: 3 }).findings).toMatchObject([{ property: DEADLOCK, broke: 3, schedule: 0 }]);
    const never = { ...rule(() => null, 'never'), form: 'sometimes' as const };
    expect(drawn(toy(nodes(2, 2), [never]), 'surw').missed).toEqual([never.id]);
  });

  it('says what it is, what it does not promise, and what was cut', () => {
    const { guarantee } = finish(
      sample({ scenario: shipped('rmp-churn'), strategy: 'pct', seed: 5, schedules: 40, stepsMax: 100, depth: 2 }),
    );
    const text = guarantee.join('\n');
    expect(text).toContain('40 schedules drawn by pct from seed 5');
    expect(text).toContain('A sample, no proof');
    expect(text).toContain('40 schedules were cut after 100 steps');
    expect(text).toMatch(/a chance of at least 1\/\(n k\^1\) = /);
  });

  it('ends when its caller says so', () => {
    const search = new Sampler({
      scenario: shipped('rmp-churn'),
      strategy: 'random',
      seed: 1,
      schedules: Number.POSITIVE_INFINITY,
      stepsMax: 1000,
      depth: 3,
    }).run();
    expect(search.next().done).toBe(false);
    let last = search.next(true);
    // What it has met is executed again before it ends.
    while (!last.done) last = search.next(true);
    expect(last).toMatchObject({ done: true, value: { limit: 'stopped' } });
  });
});

/** A view of events by key; each belongs to the actor of its tens digit. */
const viewOf = (keys: readonly number[]): StepView => ({
  count: keys.length,
  key: (index) => keys[index]!,
  entity: (index) => keys[index]!,
  actor: (index) => Math.floor(keys[index]! / 10),
  isDeviation: () => false,
  touches: () => false,
  racing: () => new Uint8Array(keys.length),
});

describe('starvation', () => {
  it('holds one actor up for a whole interval, and steps it where no other can go', () => {
    const runs = Array.from({ length: 40 }, (_, seed) => {
      const strategy = new StarveStrategy(seed);
      return Array.from({ length: 400 }, () => strategy.choose(viewOf([10, 20])));
    });
    const longest = Math.max(
      ...runs.map((run) =>
        Math.max(
          ...run
            .join('')
            .split(/01|10/)
            .map((part) => part.length),
        ),
      ),
    );
    // Evenly drawn, a stretch of 60 of 16,000 has a chance below 10^-13.
    expect(longest).toBeGreaterThan(60);
    const alone = new StarveStrategy(3);
    expect(Array.from({ length: 400 }, () => alone.choose(viewOf([10])))).toEqual(Array.from({ length: 400 }, () => 0));
  });
});

describe('changing a schedule', () => {
  it('follows what fits, skips what does not, and leaves the rest to another strategy', () => {
    const guided = new GuidedStrategy([20, 99, 10, 20], new RandomStrategy(1));
    expect([guided.choose(viewOf([10, 20])), guided.choose(viewOf([10, 20])), guided.choose(viewOf([10, 20]))]).toEqual([1, 0, 1]);
    const rest = Array.from({ length: 50 }, () => guided.choose(viewOf([10, 20])));
    expect(new Set(rest).size).toBe(2);
  });

  it('makes one change at a time', () => {
    const keys = [1, 2, 3, 4, 5];
    const prng = new Prng(9);
    const lengths = new Set(Array.from({ length: 300 }, () => changed(keys, [7, 8], prng).length));
    // Left out, put in, moved, spliced, cut.
    expect([...lengths].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(keys).toEqual([1, 2, 3, 4, 5]);
  });

  it('shows more than the strategies alone: the portfolio keeps what was new', () => {
    const { corpus, strategies } = drawn(shipped('rmpadjust-vs-rmpupdate', 'inuse'), 'portfolio', { schedules: 900 });
    expect(corpus!.kept).toBeGreaterThan(50);
    expect(corpus!.pairs).toBeGreaterThan(corpus!.steps);
    expect(strategies.mutate!.news).toBeGreaterThan(0);
  });
});
