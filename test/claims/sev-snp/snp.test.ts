/**
 * SEV-SNP: every claim of the domain document that the model can express, its races, and every
 * mutant of the mechanism.
 */
import { describe, expect, it } from 'vitest';
import { sevSnp } from '../../../sim/mechanisms/sev-snp/index.ts';
import { testClaims } from '../claim-cases.ts';
import { SNP_CLAIMS } from './snp-claims.ts';
import { SNP_RACES } from './snp-races.ts';

describe('SEV-SNP', () => {
  testClaims(SNP_CLAIMS);
});

describe('races of SEV-SNP', () => {
  testClaims(SNP_RACES);
});

describe('the claims of SEV-SNP', () => {
  it('notice every mutant, with the races', () => {
    const noticed = new Set([...SNP_CLAIMS, ...SNP_RACES].flatMap(({ mutants }) => mutants));
    expect(Object.keys(sevSnp.mutants ?? {}).filter((name) => !noticed.has(name))).toEqual([]);
  });
});
