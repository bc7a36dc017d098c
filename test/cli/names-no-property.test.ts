/** A clean verdict says what it is about: nothing was asked, or the file expects something else. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cleanResult } from '../../api/vitest-matchers.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const WORD = 'the scenario names no property that has to hold, so only deadlocks were looked for';
const SCENARIO = {
  name: 'bare',
  summary: 's',
  host: { arch: 'amd', cpus: 1 },
  processes: { p: { threads: [[{ compute: {} }]] } },
  variants: { one: {}, two: {} },
  expect: { one: { violates: ['deadlock'] }, two: 'clean' },
};
const ASKING = { ...SCENARIO, properties: { always: ['object.use-after-free'] } };

beforeAll(() => {
  writeFileSync(bench.path('bare.yaml'), JSON.stringify(SCENARIO));
  writeFileSync(bench.path('asking.yaml'), JSON.stringify(ASKING));
});

it('compare says it below its table, and in which variants another verdict was expected', async () => {
  const { code, out } = await bench.run(['compare', './bare.yaml']);
  expect([code, out]).toEqual([0, expect.stringContaining(`\n\nClean (one, two): ${WORD}.\n`)]);
  expect(out).toContain('\none: Not as expected: no schedule reaches deadlock, which is expected.\n');
  expect(out).not.toContain('two: Not');
  const markdown = await bench.run(['compare', './bare.yaml', '--markdown']);
  expect(markdown.err).toContain(`note: Clean (one, two): ${WORD}.`);
  const { rows } = (await bench.run(['compare', './bare.yaml', '--json'])).json<{ rows: unknown }>();
  expect(rows).toMatchObject([
    {
      variant: 'one',
      expect: { violates: ['deadlock'] },
      notAsExpected: ['no schedule reaches deadlock, which is expected'],
      namesProperty: false,
    },
    { variant: 'two', expect: 'clean', notAsExpected: [], namesProperty: false },
  ]);
});

it('run and explore say it in text and --json', async () => {
  for (const words of [
    ['run', './bare.yaml', '--mode', 'memory'],
    ['explore', './bare.yaml'],
  ]) {
    expect((await bench.run(words)).out).toContain(WORD);
    expect((await bench.run([...words, '--json'])).json()).toMatchObject({ namesProperty: false });
  }
});

it('none says it of a scenario that names one', async () => {
  for (const words of [
    ['run', './asking.yaml', '--mode', 'memory'],
    ['explore', './asking.yaml'],
    ['compare', './asking.yaml'],
  ])
    expect((await bench.run(words)).out).not.toContain('names no property');
  const { rows } = (await bench.run(['compare', './asking.yaml', '--json'])).json<{ rows: unknown }>();
  expect(rows).toMatchObject([{ namesProperty: true }, { namesProperty: true }]);
});

it('toBeClean() warns, and says it where it was not to be clean', () => {
  const warned: string[] = [];
  const emit = process.emitWarning;
  process.emitWarning = (warning: string | Error) => void warned.push(String(warning));
  try {
    const text = readFileSync(bench.path('bare.yaml'), 'utf8');
    expect(cleanResult(`${text}\n`, {}, false).pass).toBe(true);
    expect(cleanResult(`${text}\n`, {}, true).message().replaceAll(/\s+/g, ' ')).toContain(
      `is clean under all schedules; ${WORD}; expected something to break`,
    );
    cleanResult(`${JSON.stringify(ASKING)}\n`, {}, false);
  } finally {
    process.emitWarning = emit;
  }
  expect(warned).toEqual(Array(2).fill(`toBeClean(): bare (one) is clean under all schedules; ${WORD}`));
});
