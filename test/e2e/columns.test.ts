/** COLUMNS of the environment, where it is a number of columns and where it is none. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './packed.ts';

const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

describe('COLUMNS', () => {
  it.each(['-5', '0', '1e9', 'abc', '2.5', ' '])('is no number of columns where it is %j', (COLUMNS) => {
    const help = (env: NodeJS.ProcessEnv) => execFileSync(process.execPath, [MAIN, 'run', '--help'], { env: { ...process.env, ...env } });
    expect(help({ COLUMNS }).equals(help({ COLUMNS: '' }))).toBe(true);
  });
});
