/** Every claim of the domain document is either tested here or said not to be modelled, with its reason, in docs/fidelity.md. */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { shippedFile } from '../../../cli/shipped.ts';
import { fileOf, shippedNames } from '../../sim/play.ts';

const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.test.ts') && file !== 'coverage.test.ts');
/** A test title is the first argument of a call and begins with an id. */
const titles = files.flatMap((file) =>
  [...fileOf(`test/claims/sev-snp/${file}`).matchAll(/\(\s*['"`]((?:SNP-|R)\d+)[ :]/g)].map((match) => match[1]!),
);
const tested = new Set(titles);

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
  it('are SNP-1 to SNP-72', () => {
    expect(claims).toEqual(Array.from({ length: 72 }, (_, i) => `SNP-${i + 1}`));
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

  it.each(['R1', 'R2', 'R5', 'R6', 'R7', 'R8', 'R14', 'R20'])('race %s is tested', (id) => {
    expect(tested.has(id)).toBe(true);
  });
});
