/** docs/paths.md against the machines that it is written from. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { PATHS_DOCUMENT, pathsText } from '../../scripts/paths-text.ts';

it('docs/paths.md is what `npm run paths` writes', () => {
  expect(readFileSync(PATHS_DOCUMENT, 'utf8')).toBe(pathsText());
});
