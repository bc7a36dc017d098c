/**
 * What `verify` says of an expectation: no more than was looked at, and with --full-coverage what
 * the search of every schedule shows.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { offering, oneActor, writeModel } from './own-models.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

/** Twelve times the same decision; the actor is stuck if it was never the second. */
const DEEP = oneActor(
  `{ ${['s', ...Array.from({ length: 10 }, (_, i) => `s${i}`), 'last']
    .map((state, i, all) => `${state}: { ${offering('x', 'y')}, on: { x: '${all[i + 1] ?? 'stuck'}', y: 'end' } }`)
    .join(', ')}, stuck: {}, end: { tags: 'rest' } }`,
  "{ x: 'offer', y: 'offer' }",
);
const STILL = oneActor("{ s: { tags: 'rest' } }", '{}');
const verify = (given: readonly string[], ...flags: string[]) => bench.run(['verify', ...given, ...flags]);

describe('verify --full-coverage', () => {
  it('fails on a deadlock that the search finds and `expect: clean` denies, though no seed meets it', async () => {
    const given = writeModel(bench, DEEP);
    expect((await verify(given)).code).toBe(0);
    const { code, out } = await verify(given, '--full-coverage');
    expect([code, out]).toEqual([1, expect.stringContaining('default: the search finds deadlock, which is not expected: ')]);
    const { json } = await verify(given, '--full-coverage', '--json');
    expect(json()).toMatchObject({ ok: false, coverage: { ok: false, against: [expect.stringContaining('deadlock')] } });
  });

  it('fails on an expected violation that no schedule reaches', async () => {
    const given = writeModel(bench, STILL, 'expect: { default: { violates: [deadlock] } }');
    const { code, out } = await verify(given, '--full-coverage');
    expect([code, out]).toEqual([1, expect.stringContaining('default: no schedule reaches deadlock, which is expected')]);
  });

  it('says that every schedule does what is expected, and counts what the file excuses', async () => {
    const { code, out } = await verify(writeModel(bench, DEEP, 'expect: { default: { violates: [deadlock] } }'), '--full-coverage');
    expect(code).toBe(0);
    expect(out).toContain('every schedule of default does what is expected');
    expect(out).toContain('full coverage: the variants together take every micro-step, branch and operation');
    expect(out).not.toContain('was not checked');
  });

  it('leaves undecided, with exit code 4, what a search in part has not taken', async () => {
    const given = writeModel(bench, DEEP, 'expect: { default: { violates: [deadlock] } }');
    const { code, out } = await verify(given, '--full-coverage', '--max-states', '3');
    expect([code, out]).toEqual([
      4,
      expect.stringMatching(/^cut .*: what was searched does not take \d+ micro-steps.*, which a wider search may/),
    ]);
    expect(out).toContain('searched in part, to 3 states');
    const { json } = await verify(given, '--full-coverage', '--max-states', '3', '--json');
    expect(json()).toMatchObject({ ok: false, coverage: { ok: false, partly: ['default'], stale: [] } });
  });

  it('fails where a search in part has taken all that an entry names', async () => {
    const given = writeModel(bench, DEEP, 'expect: { default: { violates: [deadlock] } }\nuncovered: [{ steps: s, why: x }]');
    const { code, out } = await verify(given, '--full-coverage', '--max-states', '3');
    expect([code, out]).toEqual([1, expect.stringContaining('uncovered: s names nothing')]);
  });

  it('hides no failure of a folder behind what is undecided', async () => {
    const [cut, ...models] = writeModel(bench, DEEP, 'expect: { default: { violates: [deadlock] } }');
    const [wrong, ...others] = writeModel(bench, STILL, 'uncovered: [{ steps: zz, why: x }]');
    mkdirSync(bench.path('both'));
    for (const name of [cut!, wrong!]) copyFileSync(bench.path(name), bench.path(`both/${name}`));
    const { code, out } = await verify(['both', ...models, ...others], '--full-coverage', '--max-states', '3');
    expect([code, out]).toEqual([1, expect.stringMatching(/^cut /m)]);
    expect(out).toMatch(/^BAD /m);
  });

  it('does not praise a file whose only mistake is an entry that names nothing', async () => {
    const given = writeModel(bench, STILL, 'uncovered: [{ steps: zz, why: x }]');
    const { code, out } = await verify(given, '--full-coverage');
    expect([code, out]).toEqual([1, expect.stringContaining('uncovered: zz names nothing')]);
    expect(out).not.toContain('the file says why');
  });
});

describe('verify', () => {
  it('does not say that what is expected happens where nothing was committed that shows it', async () => {
    const { code, out } = await verify(writeModel(bench, STILL, 'expect: { default: { violates: [deadlock] } }'));
    expect(code).toBe(0);
    expect(out).toContain('both engines give the same bytes, and no run that was made breaks what is not expected');
    expect(out).toContain('whether expected violations happen was not checked');
    expect(out).not.toContain('what is expected happens');
  });

  it('says of which variants nothing is expected', async () => {
    const { code, out } = await verify(writeModel(bench, STILL, ''));
    expect(code).toBe(0);
    expect(out).toContain('nothing is expected of default: what breaks there was not judged');
  });
});
