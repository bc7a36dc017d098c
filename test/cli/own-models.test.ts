/** Models of a user's own at their edges: what they may be, with the right answer, and what is refused, with what, where and why. */
import { afterAll, describe, expect, it } from 'vitest';
import { oneActor, writeModel } from './own-models.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

describe('a run of no step', () => {
  it('is a sample of every strategy: a deadlock in 0 steps', async () => {
    const given = writeModel(bench, oneActor('{ s: {} }', '{}'));
    const { code, json } = await bench.run(['explore', ...given, '--strategy', 'portfolio', '--schedules', '20', '--json']);
    expect(code).toBe(1);
    expect(json()).toMatchObject({ schedules: 20, violations: [{ property: 'deadlock', steps: 0, broke: 20 }] });
  });
});
