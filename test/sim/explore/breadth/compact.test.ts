/**
 * Fingerprints instead of exact states: the same counts, the same schedules, fewer bytes, and an
 * honest word about what may be missed.
 */
import { describe, expect, it } from 'vitest';
import { Explorer } from '../../../../sim/explore/breadth/explorer.ts';
import { explore, omissionsOf } from '../../../../sim/explore/explore.ts';
import { StateSpace } from '../../../../sim/explore/space/state-space.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { shipped } from '../../play.ts';
import { firmware } from '../firmware.ts';

const SUBJECTS = [
  ['rmpadjust-vs-rmpupdate', shipped('rmpadjust-vs-rmpupdate', 'inuse')],
  ['vmsa-in-use-kick', shipped('vmsa-in-use-kick', 'no-kick')],
  ['the firmware', firmware],
  ['rmp-lock', shipped('rmp-lock')],
] as const;

function searched(scenario: ResolvedScenario, compact: boolean) {
  const explorer = new Explorer({ scenario, budget: { states: 1_000_000 }, compact });
  const { trie: _, bytesPerState, ...report } = finish(explorer.run());
  return { report, bytesPerState, ways: report.findings.map(({ state }) => explorer.labelsTo(state)) };
}

describe('a search by fingerprints', () => {
  it.each(SUBJECTS)('finds what an exact one finds: %s', (_, scenario) => {
    const exact = searched(scenario, false);
    const compact = searched(scenario, true);
    expect(compact.report).toEqual(exact.report);
    expect(compact.ways).toEqual(exact.ways);
    // Reactions are executed again all the same.
    expect(compact.report.reactions).toBeGreaterThan(0);
    if (exact.report.states > 100_000) expect(compact.bytesPerState).toBeLessThan(exact.bytesPerState);
  });

  it('says so, with the omissions that are to be expected', () => {
    const request = { scenario: shipped('rmpadjust-vs-rmpupdate', 'overlap-2m'), maxStates: 100_000 };
    const compact = finish(explore({ ...request, compact: true }));
    expect(compact.omissions).toBe(omissionsOf(compact.states));
    expect(compact.guarantee.join(' ')).toContain('64-bit fingerprints of states (expected omissions ');
    expect(compact.guarantee.join(' ')).not.toContain('exact state vectors');
    expect(finish(explore(request)).omissions).toBeUndefined();
    // As many as pairs of states, over 2^64.
    expect(omissionsOf(1)).toBe(0);
    expect(omissionsOf(2)).toBe(2 ** -64);
    expect(omissionsOf(2 ** 32 + 1)).toBeCloseTo(0.5, 8);
  });

  it('lets go of rows that are expanded, keeps the others where they can be found, and takes no lane B for a free place', () => {
    const space = new StateSpace(1, { exact: false });
    space.first([7], 5, 0);
    expect([...space.table.subarray(10, 12)]).toEqual([1, 5]);
    const states = 10_000;
    space.reserve(states);
    for (let state = 1; state < states; state++) space.rows[space.at(state)] = state % 200;
    space.count = states;
    space.release(100);
    expect(space.rowBase).toBe(0);
    space.release(6000);
    expect(space.rowBase).toBe(6000);
    const row = new Int32Array(1);
    for (const state of [6000, 7777, states - 1]) {
      space.read(state, row);
      expect(row[0]).toBe(state % 200);
    }
    expect(() => space.at(5999)).toThrow(RangeError);
  });
});
