/**
 * Runs of every shipped scenario have the digests of test/golden: a change of behaviour is seen,
 * named and never silent.
 */
import { describe, expect, it } from 'vitest';
import { changedRuns, type Golden, goldenOf } from '../../scripts/golden-runs.ts';
import { MODEL_VERSION } from '../../sim/model-version.ts';
import { fileOf, SHIPPED } from '../sim/play.ts';

const golden = JSON.parse(fileOf('test/golden/digests.json')) as Golden;

describe('golden digests', () => {
  const now = goldenOf();

  it('are of this version', () => {
    const stale = `test/golden/digests.json is of model version ${golden.modelVersion}, the tree has ${MODEL_VERSION}: run npm run golden`;
    expect(golden.modelVersion, stale).toBe(MODEL_VERSION);
  });

  it('have every scenario and variant, in order and under three draws', () => {
    const names = SHIPPED.flatMap(({ name, variant }) =>
      ['fifo', 'seed-1', 'seed-2', 'random-1'].map((chooser) => `${name} ${variant} ${chooser}`),
    );
    expect(Object.keys(golden.runs).sort(), 'scenarios came or went: run npm run golden').toEqual(names.sort());
  });

  it('change only with the version', () => {
    const changed = changedRuns(golden, now);
    const advice = 'add an entry to BEHAVIOUR_LOG in sim/model-version.ts that says what changed and why, then run npm run golden';
    expect(changed, `the model behaves otherwise under the same version ${MODEL_VERSION}: ${advice}`).toEqual([]);
  });

  it('tell runs apart that end in the same state', () => {
    const [name, run] = Object.entries(now.runs)[0]!;
    const other = { ...now, runs: { ...now.runs, [name]: { ...run, trail: '0000000000000000' } } };
    expect(changedRuns(now, other)).toEqual([name]);
    expect(changedRuns(now, now)).toEqual([]);
  });
});
