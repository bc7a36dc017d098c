/** Runs the built program and tells how much memory and time of the processor it took. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Another build may be named, for example that of an installed package. */
export const MAIN = resolve(process.env.WORLDSWITCH_MAIN ?? 'dist/cli/main.js');

/** A process that hangs fails its test and not the whole suite. */
const TIMEOUT_MS = 50_000;
const FILE = 'usage.json';

/** What the child does before it ends: a process that is killed tells nothing. */
const TELL = `data:text/javascript,${encodeURIComponent(
  `import { writeFileSync } from 'node:fs'; process.on('exit', () => writeFileSync(process.env.USAGE_FILE, JSON.stringify(process.resourceUsage())));`,
)}`;

export interface Measured {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The most memory that was resident at one time. */
  readonly megabytes: number;
  /** Of all processors together. */
  readonly seconds: number;
}

export function measured(folder: string, ...argv: readonly string[]): Measured {
  const file = join(folder, FILE);
  rmSync(file, { force: true });
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', TELL, MAIN, ...argv], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', WORLDSWITCH_DEBUG: '', USAGE_FILE: file },
    timeout: TIMEOUT_MS,
  });
  const usage = JSON.parse(readFileSync(file, 'utf8')) as NodeJS.ResourceUsage;
  return { status, stdout, stderr, megabytes: usage.maxRSS / 1024, seconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6 };
}
