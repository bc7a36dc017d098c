/** `bounds.states` of a scenario file: searches give up there, and `--max-states` wins. */
import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { compare, explore } from '../../api/search.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const TEXT =
  'name: two\nsummary: s\nhost: { arch: amd, cpus: 1 }\nprocesses: { p: { threads: [[{ compute: {} }]] } }\nbounds: { states: 3 }\n';
writeFileSync(bench.path('two.yaml'), TEXT);

describe('the states of a search', () => {
  it.each([
    [['explore', './two.yaml', '--json'], false],
    [['explore', './two.yaml', '--max-states', '1000', '--json'], true],
    [['compare', './two.yaml', '--json'], false],
    [['compare', './two.yaml', '--max-states', '1000', '--json'], true],
  ])('are those of the file unless the command says how many: %j', async (argv, whole) => {
    const { code, json } = await bench.run(argv);
    const { exhausted, rows } = json<{ exhausted?: boolean; rows?: { exhausted: boolean }[] }>();
    expect([code, exhausted ?? rows![0]!.exhausted]).toEqual([whole ? 0 : 4, whole]);
  });

  it('are those of the file in programs too', () => {
    expect([explore(TEXT).limit, explore(TEXT, { statesMax: 1000 }).limit]).toEqual(['states', null]);
    expect([compare(TEXT), compare(TEXT, { statesMax: 1000 })].map(({ rows }) => rows[0]!.exhausted)).toEqual([false, true]);
  });
});
