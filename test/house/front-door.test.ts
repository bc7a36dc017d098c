/**
 * What the package exports has the types that shipped mechanisms add, and no file of a user's needs
 * another import for them.
 */
import { describe, expect, it } from 'vitest';
import { importsOf, projectFiles, textOf, withoutComments } from './source.ts';

const SHIPPED = 'api/shipped.ts';
const imported = importsOf(SHIPPED, textOf(SHIPPED)).map(({ to }) => to);
const declaring = projectFiles().filter(
  (file) => /^(?:events|actors|sim)\/.*\.ts$/.test(file) && /^declare module /m.test(withoutComments(textOf(file))),
);

describe('api/shipped.ts', () => {
  it('imports each file that adds to the types of others', () => {
    expect(declaring.length).toBeGreaterThan(20);
    expect(declaring.filter((file) => !imported.includes(file))).toEqual([]);
  });

  it.each(['api/index.ts', 'api/extend.ts', 'api/kit.ts'])('is part of %s', (entry) => {
    expect(importsOf(entry, textOf(entry)).map(({ to }) => to)).toContain(SHIPPED);
  });
});
