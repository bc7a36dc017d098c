/** docs/shipped.md against the files of scenarios/. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { shippedNames } from '../../api/shipped-scenarios.ts';
import { SHIPPED_DOCUMENT, shippedText } from '../../scripts/shipped-text.ts';

it('docs/shipped.md is what `npm run shipped` writes, with a row for every scenario', () => {
  const text = shippedText();
  expect(readFileSync(SHIPPED_DOCUMENT, 'utf8')).toBe(text);
  expect(shippedNames().filter((name) => !text.includes(`| \`${name}\` |`))).toEqual([]);
});
