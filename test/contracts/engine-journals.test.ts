/**
 * The live and the memo engine are one definition: the same choices give the same journal, byte for
 * byte.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { HostOptions } from '../../events/options.ts';
import type { Chooser } from '../../sim/choosers/chooser.ts';
import { LiveEngine } from '../../sim/engine/live.ts';
import { MemoEngine } from '../../sim/engine/memo.ts';
import type { ActorEngine } from '../../sim/engine/port.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { properties } from '../../sim/properties/index.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import type { ChooserSpec } from '../../sim/session.ts';
import { bigHost } from '../sim/big-host.ts';
import { crowded } from '../sim/crowded.ts';
import { engineOf, journalOf, SHIPPED, seeds, shipped } from '../sim/play.ts';

/** Seeds of runs in both engines, and of all that fill the memory that is verified. */
const SEEDS = 1;
const FILLED = 3;
const RUNS = 2;
/**
 * Enough for every way through the small scenarios; longer runs end at the bound in both engines.
 */
const STEPS_MAX = 1500;

const bounded = (scenario: ResolvedScenario): ResolvedScenario => ({ ...scenario, bounds: { ...scenario.bounds, steps: STEPS_MAX } });

/** Takes what the numbers say, whatever is there, over and over. */
const arbitrary = (numbers: readonly number[]): Chooser => {
  let at = 0;
  return { name: 'arbitrary', choose: ({ count }) => numbers[at++ % numbers.length]! % count };
};

const bytesOf = (scenario: ResolvedScenario, engine: ActorEngine, how: Chooser | ChooserSpec) =>
  Buffer.from(journalOf(scenario, how, engine).bytes);

/** Everything at once, every property watched. */
const watched = (options: Partial<HostOptions>): ResolvedScenario => ({
  ...bounded(crowded(options, { ticks: 'pending', preemption: 'voluntary' })),
  properties: {
    always: properties()
      .filter(({ id, form }) => form === 'always' && id.startsWith('rmp.'))
      .map(({ id }) => id),
    sometimes: [],
    eventually: [],
  },
});

const scenarios: readonly (readonly [string, ResolvedScenario])[] = [
  ...SHIPPED.map(({ name, variant }) => [`${name} ${variant}`, bounded(shipped(name, variant))] as const),
  ['all operations, auto-share', watched({ 'kvm.rmpFault': 'auto-share' })] as const,
  ['all operations, kill-guest', watched({ 'kvm.rmpFault': 'kill-guest', 'rmp.contention': 'overlap-2m' })] as const,
];

describe('a host of 40 CPUs', { timeout: 60_000 }, () => {
  const scenario = { ...bigHost({ cpus: 40, vcpus: 60 }), bounds: { steps: 3000, states: 1 } };

  it.each([{ name: 'fifo' }, { name: 'random', seed: 1 }, { name: 'random-uniform', seed: 1 }] as const)(
    'gives equal journals under $name',
    (spec) => {
      expect(bytesOf(scenario, engineOf(scenario, 'live'), spec).equals(bytesOf(scenario, engineOf(scenario, 'memo'), spec))).toBe(true);
    },
  );
});

/** Of the scenario that is tested: what one test has it remember, the next one finds. */
let memo: MemoEngine;

describe.each(scenarios)('%s', { timeout: 60_000 }, (_name, scenario) => {
  beforeAll(() => {
    memo = new MemoEngine(topologyOf(scenario));
  });

  it(`gives equal journals in order and under a seed`, () => {
    for (const spec of [{ name: 'fifo' } as const, ...seeds(SEEDS)]) {
      const live = bytesOf(scenario, new LiveEngine(memo.topology), spec);
      expect(live.equals(bytesOf(scenario, memo, spec)), JSON.stringify(spec)).toBe(true);
    }
  });

  it('gives equal journals under any schedule, and a memory that was filled by other runs changes nothing', () => {
    const schedules = fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(schedules, (numbers) => {
        const live = bytesOf(scenario, new LiveEngine(memo.topology), arbitrary(numbers));
        return live.equals(bytesOf(scenario, memo, arbitrary(numbers)));
      }),
      { numRuns: RUNS, seed: 20_240_701 },
    );
  });

  it('remembers only what XState does again', () => {
    for (const spec of seeds(FILLED - SEEDS, SEEDS + 1)) journalOf(scenario, spec, memo);
    expect(memo.misses).toBeGreaterThan(0);
    expect(memo.verify()).toBe(memo.misses);
  });
});
