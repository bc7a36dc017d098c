/**
 * Every claim of SEV-SNP's domain document is either in the list of claims or said not to be
 * modelled, with its reason, in docs/fidelity.md.
 */
import { describe, expect, it } from 'vitest';
import { shippedFile } from '../../../api/shipped-scenarios.ts';
import { fileOf, shippedNames } from '../../sim/play.ts';
import { SNP_CLAIMS } from './snp-claims.ts';
import { SNP_RACES } from './snp-races.ts';

/** Each claim of these lists is a test (snp.test.ts), which cannot be skipped alone. */
const tested = new Set(SNP_CLAIMS.map(({ id }) => id));
const races = SNP_RACES.map(({ id }) => id);

/** Ids of section g of the domain document, as its table has them. */
const claims = [...fileOf('docs/domain/snp.md').matchAll(/^\| (SNP-\d+) \|/gm)].map((match) => match[1]!);
const fidelity = fileOf('docs/fidelity.md');
const section = fidelity.slice(fidelity.indexOf('## Not modelled yet'));
const listed = [...section.slice(0, section.indexOf('\n## ', 1) >>> 0).matchAll(/^\| ((?:SNP|R)-?\d+) \| (.+) \|$/gm)].map((match) => ({
  id: match[1]!,
  reason: match[2]!,
}));
const notModelled = new Set(listed.map(({ id }) => id));

describe('claims', () => {
  it('are SNP-1 to SNP-73', () => {
    expect(claims).toEqual(Array.from({ length: 73 }, (_, i) => `SNP-${i + 1}`));
  });

  it.each(claims)('%s is either tested or listed as not modelled yet', (id) => {
    expect(tested.has(id) ? 'tested' : 'not tested').toBe(notModelled.has(id) ? 'not tested' : 'tested');
  });

  it('that are listed as not modelled exist, stand there once, and have a reason', () => {
    expect(listed.filter(({ id }) => id.startsWith('SNP-') && !claims.includes(id))).toEqual([]);
    expect(listed.length).toBe(notModelled.size);
    for (const { id, reason } of listed) expect(reason.length, id).toBeGreaterThan(5);
  });

  it('of shipped scenarios exist and are tested', () => {
    const named = shippedNames.flatMap((name) => fileOf(`scenarios/${shippedFile(name)}`).match(/SNP-\d+(?=[^\n]*\])/g) ?? []);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((id) => !tested.has(id))).toEqual([]);
  });

  it('of races are in order, and none of those is listed as not modelled', () => {
    expect(races.filter((id) => notModelled.has(id))).toEqual([]);
    expect([...races].sort()).toEqual([
      'R1',
      'R10',
      'R11',
      'R12',
      'R13',
      'R14',
      'R2',
      'R20',
      'R23',
      'R25',
      'R28',
      'R5',
      'R6',
      'R7',
      'R8',
      'R9',
    ]);
  });
});
