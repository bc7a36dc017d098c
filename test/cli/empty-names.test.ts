/** A file without a name, as a script has one whose variable is not set: `--decode "$REPORT"`. */
import { afterAll, expect, it } from 'vitest';
import { EXIT } from '../../cli/errors.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const DIGEST = '0'.repeat(96);

it.each([
  [['attest', '--decode', ''], 'found "" as the name of a file to read; expected a name'],
  [['id-block', ''], 'found "" as the name of a file to read; expected a name'],
  [['replay', ''], 'found "" as the name of a file to read; expected a name'],
  [['id-block', '--digest', DIGEST, '-o', ''], 'found "" for -o; expected the name of a file'],
  [['run', 'rmp-lock', '-o', ''], 'found "" for -o; expected the name of a file'],
])('is told so, and not what folder it leads to: %s', async (argv, says) => {
  const { code, err } = await bench.run(argv);
  expect([code, err]).toEqual([EXIT.usage, expect.stringContaining(says)]);
});

it.each(['', '.'])('a folder is not proposed as a scenario: "%s"', async (reference) => {
  const { code, err } = await bench.run(['check', reference]);
  expect(code).toBe(EXIT.usage);
  expect(err).not.toContain('if the file is meant');
});
