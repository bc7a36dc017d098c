/**
 * Runs contenders as processes of their own and by turns: the explorer compiled and under plain
 * Node, other tools as they come.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shippedPath } from '../api/shipped-scenarios.ts';
import type { Lap } from './explore-child.ts';
import { median, type RaceOptions, type Rate, type Ratio } from './harness.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The folder of a shipped scenario. */
export const folderOf = (name: string): string => dirname(shippedPath(name));

/** A finished process. */
export interface Ended extends Lap {
  readonly stdout: string;
}

/**
 * Seconds of a whole process and of those it started, from its start to its end.
 * @throws if it fails
 */
export function timedProcess(command: readonly string[], cwd: string): Ended {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const { status, stdout, stderr, error } = spawnSync('bash', ['-c', 'TIMEFORMAT="%R %U %S"; time "$@"', 'time', ...command], {
    cwd,
    encoding: 'utf8',
    env: { ...env, LC_ALL: 'C' },
    maxBuffer: 1 << 26,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command.join(' ')} ended with status ${status}: ${stderr}`);
  const [wall, user, system] = stderr.trim().split('\n').at(-1)!.split(' ').map(Number) as [number, number, number];
  return { wall, cpu: user + system, stdout };
}

/** The sources compiled into a folder of their own. */
export interface Compiled {
  readonly folder: string;
  /** One task of explore-child.ts. */
  child<R>(task: string, request: unknown): R;
  /** The same, with what the whole process took. */
  timed(task: string, request: unknown): Ended;
  /** The command line. */
  cli(args: readonly string[]): Ended;
}

/** Compiles what is measured, as the build does but without its checks; `dist` stays as it is. */
export function withCompiled<R>(work: (compiled: Compiled) => R): R {
  const folder = mkdtempSync(join(tmpdir(), 'worldswitch-bench-'));
  try {
    for (const name of ['node_modules', 'scenarios']) symlinkSync(join(ROOT, name), join(folder, name));
    copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
    const off = { noCheck: true, noEmitOnError: false, declaration: false, declarationMap: false, sourceMap: false, inlineSources: false };
    const config = {
      extends: join(ROOT, 'tsconfig.build.json'),
      compilerOptions: { ...off, rootDir: ROOT, outDir: join(folder, 'dist') },
      include: [],
      files: [join(ROOT, 'bench', 'explore-child.ts'), join(ROOT, 'cli', 'main.ts')],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
    timedProcess([process.execPath, compiler, '--project', folder], folder);
    const program = (name: string, args: readonly string[]) =>
      timedProcess([process.execPath, join(folder, 'dist', name), ...args], folder);
    const timed = (task: string, request: unknown) => program('bench/explore-child.js', [task, JSON.stringify(request)]);
    return work({
      folder,
      timed,
      child: (task, request) => JSON.parse(timed(task, request).stdout) as never,
      cli: (args) => program('cli/main.js', args),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Laps by row, one for each round. */
export type Laps = ReadonlyMap<string, readonly Lap[]>;
export type Clock = RaceOptions['clock'];

/** A process that gives a lap to one or several rows. */
export type Turn = () => Readonly<Record<string, Lap>>;

/** Takes turns, each round begun by another process. */
export function takeTurns(turns: readonly Turn[], rounds: number): Laps {
  const laps = new Map<string, Lap[]>();
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < turns.length; at++) {
      for (const [row, lap] of Object.entries(turns[(at + round) % turns.length]!())) laps.set(row, [...(laps.get(row) ?? []), lap]);
    }
  }
  return laps;
}

/** The row's seconds over the base's, round by round. */
export function secondsOver(laps: Laps, row: string, base: string, clock: Clock): number[] {
  const [mine, theirs] = [row, base].map((name) => {
    const found = laps.get(name);
    if (!found) throw new Error(`${name} is no row; ${[...laps.keys()].join(', ')} are`);
    return found.map((lap) => lap[clock]);
  });
  return mine!.map((seconds, round) => seconds / theirs![round]!);
}

/** Rows that each row is compared with, and the aim of that. */
export type Against = Readonly<Record<string, readonly (readonly [base: string, aim?: number])[]>>;

/**
 * States a second of all rows. An aim is compared with CPU time: wall time has what other processes
 * did meanwhile in it.
 */
export const ratesOf = (laps: Laps, states: number, clock: Clock, against: Against): Rate[] =>
  [...laps].map(([name, mine]) => ({
    name,
    unit: 'states',
    clock,
    median: median(mine.map((lap) => states / lap[clock])),
    ratios: (against[name] ?? []).map(([base, aim]): Ratio => {
      const ratios = secondsOver(laps, base, name, clock);
      const held = clock === 'cpu' && aim !== undefined ? aim : null;
      return { base, median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios), aim: held };
    }),
  }));
