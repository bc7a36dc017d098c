/** docs/claims.json and docs/claims.md are those of the tests, and what they name exists. */
import { describe, expect, it } from 'vitest';
import { claimFiles } from '../../scripts/claims-text.ts';
import { DEADLOCK } from '../../sim/end.ts';
import { mechanisms } from '../../sim/host/registry.ts';
import { fileOf, SHIPPED, shipped } from '../sim/play.ts';
import { ALL_CLAIMS } from './all.ts';

describe('the table of claims', () => {
  it.each(Object.entries(claimFiles()))('%s is that of the tests', (file, text) => {
    expect(fileOf(file), `${file} is stale: run npm run claims`).toBe(text);
  });

  it('has each claim once', () => {
    const ids = ALL_CLAIMS.map(({ id }) => id);
    expect(ids.filter((id, index) => ids.indexOf(id) < index)).toEqual([]);
  });

  it('names variants, properties and mutants that exist', () => {
    const mutants = mechanisms().flatMap((mechanism) => Object.keys(mechanism.mutants ?? {}));
    for (const { id, shows, mutants: inSmallWorlds, why } of ALL_CLAIMS) {
      const named = [...inSmallWorlds, ...shows.flatMap((show) => show.mutants)];
      expect(
        named.filter((name) => !mutants.includes(name)),
        id,
      ).toEqual([]);
      for (const { scenario, variant, property } of shows) {
        expect(SHIPPED, id).toContainEqual({ name: scenario, variant });
        expect([DEADLOCK, ...Object.values(shipped(scenario, variant).properties).flat()], id).toContain(property);
        expect(shipped(scenario, variant).claims, `${id} is shown by ${scenario}`).toContain(id);
      }
      expect(shows.length > 0 || why !== undefined, `${id} says why it cannot be run`).toBe(true);
    }
  });

  it('gives each claim that cannot be run a reason of its own', () => {
    const reasons = ALL_CLAIMS.flatMap(({ why }) => why ?? []);
    expect(new Set(reasons).size).toBe(reasons.length);
  });

  it('has what each scenario says that it bears on', () => {
    const ids = new Set(ALL_CLAIMS.map(({ id }) => id));
    const topics = new Set([...ids].map((id) => id.slice(0, id.indexOf('-'))));
    const named = SHIPPED.flatMap(({ name, variant }) => shipped(name, variant).claims);
    expect(named.filter((id) => topics.has(id.slice(0, id.indexOf('-'))) && !ids.has(id))).toEqual([]);
  });
});
