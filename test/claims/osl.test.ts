/** The arm64 OS Lock: every claim of the domain document, and every mutant of the mechanism. */
import { describe, expect, it } from 'vitest';
import { osLock } from '../../sim/mechanisms/os-lock/index.ts';
import { fileOf } from '../sim/play.ts';
import { testClaims } from './claim-cases.ts';
import { broken, shippedAs } from './intel.ts';
import { OSL_CLAIMS } from './osl-claims.ts';

describe('the OS Lock', () => {
  testClaims(OSL_CLAIMS);
});

/** What a search of a sound variant finds under a mutant, besides what the claims show. */
const SEEN: readonly (readonly [mutant: string, scenario: string, variant: string, property: string])[] = [
  // D.6: one bit for two users; a copy that does not follow; the wrong bit of a register.
  ['oslock-shared-tde', 'oslock-shared-tde', 'all-users', 'oslock.debugger-sees-its-events'],
  ['oslock-pkvm-stale', 'oslock-pkvm-copy', 'flushed', 'oslock.no-exception-lost'],
  ['oslock-wrong-bit', 'oslock-status-bit', 'bit-1', 'oslock.no-exception-under-lock'],
  ['oslock-any-key', 'oslock-dbgoslar-key', 'architecture', 'oslock.no-exception-lost'],
  ['oslock-reset-locked', 'oslock-old-to-new', 'mainline', 'oslock.lock-survives-migration'],
  ['oslock-preemptible-reload', 'oslock-oslar-reload', 'atomic', 'oslock.loads-are-balanced'],
  ['oslock-sleep-in-reload', 'oslock-oslar-reload', 'atomic', 'oslock.no-sleep-in-atomic'],
];

describe('a search under a mutant', () => {
  it.each(SEEN)('%s breaks %s %s: %s', (mutant, scenario, variant, property) => {
    expect(broken(shippedAs(scenario, variant))).toEqual([]);
    expect(broken(shippedAs(scenario, variant, mutant))).toContain(property);
  });
});

describe('the claims of the OS Lock', () => {
  it('are those of the domain document', () => {
    const listed = [...fileOf('docs/domain/debug-and-split-lock.md').matchAll(/^\* (OSL-\d+)x? -/gm)].map((match) => match[1]);
    expect(OSL_CLAIMS.map(({ id }) => id)).toEqual(listed);
  });

  it('and the searches notice every mutant', () => {
    const noticed = new Set([...OSL_CLAIMS.flatMap(({ mutants }) => mutants), ...SEEN.map(([mutant]) => mutant)]);
    expect(Object.keys(osLock.mutants ?? {}).filter((name) => !noticed.has(name))).toEqual([]);
  });
});
