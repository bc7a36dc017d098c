/** Launches of SEV-ES guests: every claim of the domain document, and every mutant. */
import { describe, expect, it } from 'vitest';
import { DEADLOCK } from '../../sim/end.ts';
import { sevLaunchMutants } from '../../sim/mechanisms/sev-es-debug/launch-mutants.ts';
import { testClaims } from '../claims/claim-cases.ts';
import { broken, shippedAs } from '../claims/split-lock/intel.ts';
import { fileOf } from '../sim/play.ts';
import { LAUNCH_CLAIMS } from './launch-claims.ts';

describe('the launch of an SEV-ES guest', () => {
  testClaims(LAUNCH_CLAIMS);
});

/** What a search of a sound variant finds under a mutant, besides what the claims show. */
const SEEN: readonly (readonly [mutant: string, scenario: string, variant: string, property: string])[] = [
  ['sev-db-intercept-stays', 'sev-move-features', 'lbrv', 'sev.intercepts-follow-features'],
  ['sev-move-vcpus-unlocked', 'sev-move-features', 'lbrv', 'sev.running-vcpu-is-not-moved'],
  ['sev-move-forgets-guest', 'sev-move-features', 'lbrv', 'sev.vmsa-is-measured'],
  ['sev-move-unguarded', 'sev-crosswise-move', 'default', DEADLOCK],
];

describe('a search under a mutant', { timeout: 60_000 }, () => {
  it.each(SEEN)('%s breaks %s %s: %s', (mutant, scenario, variant, property) => {
    expect(broken(shippedAs(scenario, variant, mutant))).toContain(property);
  });
});

describe('the claims of a launch', () => {
  it('are those of the domain document', () => {
    const text = fileOf('docs/domain/debug-and-split-lock.md');
    const listed = [...text.matchAll(/^\* (VMSA-\d+|DBG-1[345]) -/gm)].map((match) => match[1]!);
    expect(LAUNCH_CLAIMS.map(({ id }) => id).sort()).toEqual(listed.sort());
  });

  it('and the searches notice every mutant', () => {
    const noticed = new Set([
      ...LAUNCH_CLAIMS.flatMap(({ mutants, shows }) => [...mutants, ...shows.flatMap((show) => show.mutants)]),
      ...SEEN.map(([mutant]) => mutant),
    ]);
    expect(Object.keys(sevLaunchMutants).filter((name) => !noticed.has(name))).toEqual([]);
  });
});
