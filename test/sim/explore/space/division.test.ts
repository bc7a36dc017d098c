/**
 * Shards: whatever one search meets, some shard meets, at the same depth; and none meets anything
 * else.
 */
import { describe, expect, it } from 'vitest';
import { Explorer } from '../../../../sim/explore/breadth/explorer.ts';
import { Division } from '../../../../sim/explore/space/division.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { shipped } from '../../play.ts';
import { digestsOf } from '../drive.ts';
import { firmware } from '../firmware.ts';

const BUDGET = { states: 5_000_000 };

function whole(scenario: ResolvedScenario) {
  const explorer = new Explorer({ scenario, budget: BUDGET });
  return { report: finish(explorer.run()), digests: digestsOf(explorer) };
}

function shards(scenario: ResolvedScenario, of: number) {
  return Array.from({ length: of }, (_, i) => {
    const division = new Division({ index: i + 1, of });
    const explorer = new Explorer({ scenario, budget: BUDGET, division });
    return { report: finish(explorer.run()), digests: digestsOf(explorer), cut: division.cut };
  });
}

describe('shards of a search', () => {
  it.each([
    ['rmpadjust-vs-rmpupdate', shipped('rmpadjust-vs-rmpupdate', 'inuse'), 3],
    ['vmsa-in-use-kick', shipped('vmsa-in-use-kick', 'no-kick'), 2],
    ['the firmware', firmware, 2],
  ] as const)('meet together what one search meets: %s', (_, scenario, of) => {
    const one = whole(scenario);
    const parts = shards(scenario, of);
    expect(new Set(parts.flatMap(({ digests }) => [...digests]))).toEqual(one.digests);
    const shortest = new Map<string, number>();
    for (const { property, steps } of parts.flatMap(({ report }) => report.findings))
      shortest.set(property, Math.min(steps, shortest.get(property) ?? steps));
    expect(shortest).toEqual(new Map(one.report.findings.map(({ property, steps }) => [property, steps])));
    for (const { report, cut } of parts) {
      expect(report.exhausted).toBe(true);
      if (cut) expect(report.states).toBeLessThanOrEqual(one.digests.size);
    }
    expect(new Set(parts.map(({ cut }) => JSON.stringify(cut))).size).toBe(1);
  });

  it('search everything, each of them, where no level is wide enough to be divided', () => {
    const scenario = shipped('rmpadjust-vs-rmpupdate', 'inuse');
    const { report } = whole(scenario);
    const division = new Division({ index: 7, of: 4000 });
    expect(finish(new Explorer({ scenario, budget: BUDGET, division }).run())).toMatchObject({
      states: report.states,
      transitions: report.transitions,
    });
    expect(division.cut).toBeNull();
  });
});
