/** How long `worldswitch --version` takes, against Node doing nothing. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Figure, median, type Table, timed } from './harness.ts';

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const TIMES = 15;
const AIM_MS = 100;

const startNode = (args: readonly string[]): number => timed(() => execFileSync(process.execPath, args, { stdio: 'ignore' }));

function measure(): Table {
  if (!existsSync(MAIN)) return { title: 'not measured: dist/cli/main.js is missing; npm run build makes it' };
  const version: number[] = [];
  const nothing: number[] = [];
  // The first pair fills the caches of the file system.
  for (let i = -1; i < TIMES; i++) {
    const pair = [startNode([MAIN, '--version']), startNode(['-e', '0'])] as const;
    if (i < 0) continue;
    version.push(pair[0]);
    nothing.push(pair[1]);
  }
  const ratio = median(version.map((time, i) => time / nothing[i]!));
  return {
    title: `wall time of whole processes, median of ${TIMES} by turns`,
    values: [
      { name: 'worldswitch --version', value: median(version), unit: 'ms', aim: AIM_MS },
      { name: 'node -e 0', value: median(nothing), unit: 'ms' },
      { name: 'worldswitch --version to node -e 0', value: ratio, unit: 'x' },
    ],
  };
}

export const startup: Figure = {
  name: 'startup',
  summary: 'milliseconds until the command line has answered',
  run: () => [measure()],
};
