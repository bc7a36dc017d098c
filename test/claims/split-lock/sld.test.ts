/**
 * Split-lock detection under VMX: every claim of the domain document, and every mutant of the
 * mechanism.
 */
import { describe, expect, it } from 'vitest';
import { Explorer } from '../../../sim/explore/breadth/explorer.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { splitLock } from '../../../sim/mechanisms/split-lock/index.ts';
import { fileOf } from '../../sim/play.ts';
import { testClaims } from '../claim-cases.ts';
import { shippedAs } from './intel.ts';
import { SLD_CLAIMS } from './sld-claims.ts';
import { MUTANT_CASES } from './sld-mutant-cases.ts';

describe('split-lock detection', () => {
  testClaims(SLD_CLAIMS);
});

/** The shortest counterexamples, in steps; a model that changes on purpose changes them. */
const SHORTEST: readonly (readonly [string, Readonly<Record<string, number>>])[] = [
  ['sld-unguarded-wrmsr', { 'sld.msr-matches-task': 65, 'sld.host-setting-kept': 101 }],
  ['sld-unguarded-test', { 'sld.host-setting-kept': 105 }],
  ['sld-put-preemptible', {}],
  ['sld-put-loaded-first', { 'sld.msr-matches-task': 99 }],
  ['sld-put-notifier-first', { 'sld.msr-matches-task': 94 }],
  ['sld-flag-only', {}],
  ['sld-flagless', { 'sld.msr-matches-task': 34 }],
  ['sld-no-restore', { 'sld.host-setting-kept': 89 }],
  ['sld-save-nothing', { 'sld.host-setting-kept': 89 }],
  ['sld-save-late', { 'sld.host-setting-kept': 90 }],
];

describe('preempting and migrating at every micro-step', () => {
  it.each(SHORTEST)('finds the shortest violation of %s', (mutant, shortest) => {
    const explorer = new Explorer({ scenario: shippedAs('sld-wrmsr-preempted', 'v8', mutant), budget: { states: 200_000 } });
    const report = finish(explorer.run());
    expect(report.limit).toBeNull();
    expect(Object.fromEntries(report.findings.map(({ property, steps }) => [property, steps]))).toEqual(shortest);
    expect(report.findings.every(({ state, steps }) => explorer.labelsTo(state).length === steps)).toBe(true);
  });
});

describe('the claims of split-lock detection', () => {
  it('are those of the domain document', () => {
    const listed = [...fileOf('docs/domain/debug-and-split-lock.md').matchAll(/^\* (SLD-\d+)x? -/gm)].map((match) => match[1]);
    expect(SLD_CLAIMS.map(({ id }) => id)).toEqual(listed);
  });

  it('notice every mutant, with the cases beside them, but one that is itself what a claim is about', () => {
    const noticed = new Set([...SLD_CLAIMS.flatMap(({ mutants }) => mutants), ...MUTANT_CASES.map(({ mutant }) => mutant)]);
    expect(Object.keys(splitLock.mutants ?? {}).filter((name) => !noticed.has(name))).toEqual(['sld-flag-only']);
  });
});
