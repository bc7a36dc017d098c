/**
 * What the package promises: docs/api-report.md is what was built, and each export says that it is
 * public.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { apiReport } from '../../scripts/api-report.ts';
import { ROOT } from './packed.ts';

const { text, unpromised } = await apiReport(ROOT);

describe('what the entry points export', () => {
  it('is what docs/api-report.md says: npm run api writes it, and a change of it stands in the changelog', () => {
    expect(text).toBe(readFileSync(join(ROOT, 'docs', 'api-report.md'), 'utf8'));
  });

  it('has a comment that says what it is, with @public', () => {
    expect(unpromised).toEqual([]);
  });
});
