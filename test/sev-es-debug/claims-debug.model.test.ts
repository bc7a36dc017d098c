/** World switch and DebugSwap: every claim of the domain document, and every mutant. */
import { describe, expect, it } from 'vitest';
import { filledBy } from '../../actors/sev-es-debug/swap-types.ts';
import { sevEsMutants } from '../../sim/mechanisms/sev-es-debug/mutants.ts';
import { testClaims } from '../claims/claim-cases.ts';
import { fileOf } from '../sim/play.ts';
import { DEBUG_CLAIMS } from './debug-claims.ts';

describe('the debug state of an encrypted guest', () => {
  testClaims(DEBUG_CLAIMS);
});

describe('the claims of DebugSwap', () => {
  it('are those of the domain document, but for those of a launch', () => {
    const text = fileOf('docs/domain/debug-and-split-lock.md');
    const listed = [...text.matchAll(/^\* (DBG-\d+)x? -/gm)].map((match) => match[1]!).filter((id) => !/^DBG-1[345]$/.test(id));
    expect(DEBUG_CLAIMS.map(({ id }) => id).sort()).toEqual(listed.sort());
  });

  it('notice every mutant, but for the stores that world-switch.model.test.ts leaves out', () => {
    const stores = filledBy('vmsave', 'kvm', 'kvm-debug', 'vmenter', 'at-enable').map(
      (name) => `sev-es-forgets-${name.toLowerCase().replaceAll('_', '-')}`,
    );
    const noticed = DEBUG_CLAIMS.flatMap(({ mutants, shows }) => [...mutants, ...shows.flatMap((show) => show.mutants)]);
    expect(Object.keys(sevEsMutants).filter((name) => !noticed.includes(name) && !stores.includes(name))).toEqual([]);
  });
});
