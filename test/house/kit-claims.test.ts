/** Each claim of docs/domain/kit.md has a test, and a mutant under which that fails. */
import { describe, expect, it } from 'vitest';
import { kitRows, testedIds } from '../claims/kit.ts';

/** Their tests have no mutants: each is played with what it needs, and most without it as well. */
const PLAIN: readonly string[] = [80, 81, 82, 83, 84, 87, 88, 92, 93, 94].map((number) => `KIT-${number}`);

const rows = kitRows();
const ids = rows.map(({ id }) => id);

describe('the claims of the kit', () => {
  it('stand in the document once', () => {
    expect(ids.length).toBeGreaterThan(60);
    expect(ids.filter((id, at) => ids.indexOf(id) < at)).toEqual([]);
  });
  it('have a test each', () => expect(rows.filter(({ tests }) => tests.length === 0).map(({ id }) => id)).toEqual([]));
  it('are all that tests name', () => expect(testedIds().filter((id) => !ids.includes(id))).toEqual([]));
  it('have mutants, but for a few', () => expect(rows.filter(({ mutants }) => mutants.length === 0).map(({ id }) => id)).toEqual(PLAIN));
});
