/**
 * Random hosts: a search over classes says of each what a search over all states says, and meets
 * the same program parts. WORLDSWITCH_HOSTS is how many are drawn, WORLDSWITCH_HOSTS_SEED from
 * which seed.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { compared } from './against-plain.ts';
import { HOSTS, resolvedHost } from './hosts.ts';
import { registerLooks } from './sights-of-hosts.ts';

// What it answers is called in the end, and takes the properties away.
beforeAll(registerLooks);

const DRAWN = Number(process.env.WORLDSWITCH_HOSTS ?? 60);
const SEED = Number(process.env.WORLDSWITCH_HOSTS_SEED ?? 20_261);
const STATES_MAX = 3_000;
/** Of those drawn at least so many are small enough to be compared. */
const COMPARED_MIN = DRAWN / 2;
const MS_EACH = 3_000;

describe('random hosts', () => {
  it(`are searched over classes as over all states, with seed ${SEED}`, { timeout: 60_000 + DRAWN * MS_EACH }, () => {
    const seen = { compared: 0, reduced: 0, renamed: 0, violated: 0 };
    fc.assert(
      fc.property(HOSTS, (host) => {
        const result = compared(resolvedHost(host), STATES_MAX);
        if (result === null) return;
        expect(result.differences).toEqual([]);
        seen.compared++;
        if (result.classes * 2 < result.states) seen.reduced++;
        if (result.renamed) seen.renamed++;
        if (result.violated.length > 0) seen.violated++;
      }),
      { numRuns: DRAWN, seed: SEED, endOnFailure: DRAWN > 500 },
    );
    expect(seen.compared).toBeGreaterThan(COMPARED_MIN);
    expect(seen.reduced).toBeGreaterThan(DRAWN / 5);
    expect(seen.renamed).toBeGreaterThan(DRAWN / 20);
    expect(seen.violated).toBeGreaterThan(0);
  });
});
