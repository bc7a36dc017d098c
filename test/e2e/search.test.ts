/**
 * Long searches as processes: killed in the middle, resumed, and shared among workers; always the
 * counts of one undisturbed search.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FIX } from '../cli/own-modules.ts';

const MAIN = resolve(process.env.WORLDSWITCH_MAIN ?? 'dist/cli/main.js');
const TIMEOUT_MS = 50_000;
const LOCK = { exhausted: true, states: 232_105, transitions: 643_436, unchanged: 445_176 };

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-search-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing; npm run build makes it`);
});

const env = { ...process.env, NO_COLOR: '1', WORLDSWITCH_DEBUG: '' };

function explore<T = Record<string, unknown>>(...argv: string[]): { readonly status: number | null; readonly document: T } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'explore', ...argv, '--json'], {
    cwd: folder,
    encoding: 'utf8',
    env,
    timeout: TIMEOUT_MS,
  });
  expect(stderr).toBe('');
  return { status, document: JSON.parse(stdout) as T };
}

/**
 * Kills the search -9 once it has written its file, and a little later.
 * @returns whether it was killed before it was through
 */
async function killed(file: string, delay: number, ...argv: string[]): Promise<boolean> {
  const child = spawn(process.execPath, [MAIN, 'explore', ...argv, '--checkpoint-every', '1', '--json'], {
    cwd: folder,
    env,
    stdio: 'ignore',
  });
  const gone = new Promise<NodeJS.Signals | null>((done) => child.once('close', (_, signal) => done(signal)));
  while (!existsSync(join(folder, file)) && child.exitCode === null) await sleep(1);
  await sleep(delay);
  child.kill('SIGKILL');
  return (await gone) === 'SIGKILL';
}

describe('a search that is killed', () => {
  it('goes on from its file to the same counts, at whatever instant it is killed', async () => {
    let kills = 0;
    for (const [number, delay] of [0, 3, 7, 20, 45, 90].entries()) {
      const file = `killed-${number}.wss`;
      if (await killed(file, delay, 'rmp-lock', '--checkpoint', file)) kills++;
      // Killed again while it goes on: what the first one kept is not lost.
      await killed(file, delay, '--resume', file);
      expect(explore('--resume', file)).toMatchObject({ status: 0, document: LOCK });
    }
    expect(kills).toBeGreaterThan(0);
  });

  it('keeps its file when it is asked to stop', async () => {
    const child = spawn(
      process.execPath,
      [MAIN, 'explore', 'rmp-lock', '--set', 'vcpus=5', '--checkpoint', 'stopped.wss', '--checkpoint-every', '100000', '--json'],
      {
        cwd: folder,
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let out = '';
    child.stdout.on('data', (piece) => {
      out += String(piece);
    });
    const code = new Promise((done) => child.once('close', done));
    while (!existsSync(join(folder, 'stopped.wss'))) await sleep(1);
    child.kill('SIGINT');
    expect(await code).toBe(4);
    const { exhausted, limit, states } = JSON.parse(out) as { exhausted: boolean; limit: string; states: number };
    expect({ exhausted, limit }).toEqual({ exhausted: false, limit: 'stopped' });
    expect(states).toBeGreaterThan(1);
    expect(explore('--resume', 'stopped.wss').document).toMatchObject({ exhausted: true, states: 2_249_750, transitions: 6_895_400 });
  });
});

describe('a budget of memory', () => {
  it('bounds what the process has in memory, within 15 %', () => {
    const tellsPeak = "process.on('exit', () => process.stderr.write('peak ' + process.resourceUsage().maxRSS))";
    const peakOf = (mib: number) => {
      const args = [MAIN, 'explore', 'rmp-lock', '--set', 'vcpus=6', '--max-memory', String(mib), '--json'];
      const options = { cwd: folder, env: { ...env, NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(tellsPeak)}` } };
      const { stdout, stderr, status } = spawnSync(process.execPath, args, { ...options, encoding: 'utf8' });
      expect([status, JSON.parse(stdout)]).toMatchObject([4, { exhausted: false, limit: 'bytes' }]);
      return Number(/peak (\d+)/.exec(stderr)![1]) / 1024 / mib;
    };
    for (const mib of [192, 320]) expect([mib, peakOf(mib) < 1.15]).toEqual([mib, true]);
  });
});

/** Larger spaces are left to the benchmark. */
const SMALL_STATES = 200_000;

interface Explored {
  readonly exhausted: boolean;
  readonly limit: string | null;
  readonly states: number;
  readonly coverage: { readonly bytesPerState: number; readonly stepMisses: number };
}

const scenarios = JSON.parse(spawnSync(process.execPath, [MAIN, 'scenarios', '--json'], { encoding: 'utf8', env }).stdout) as readonly {
  readonly name: string;
  readonly variants: readonly string[];
}[];

/** Of each mechanism some with few states: each case is a search alone and one by workers. */
const SHARED = ['rmp-lock', 'rmpadjust-vs-rmpupdate', 'vmsa-in-use-kick', 'sld-warn-preempted', 'sld-one-work-item', 'oslock-oslar-reload'];
/** Two properties break: they come in the same order. */
const TWO_BREAK = ['sld-wrmsr-preempted', 'v8-no-guard'] as const;
const cases = scenarios.filter(({ name }) => SHARED.includes(name));

describe('several workers', () => {
  it.each([
    [...TWO_BREAK, '4'],
    // Two and four in turn: a variant differs from the next one by a rule or two.
    ...cases.flatMap(({ name, variants }) => variants.map((variant, at) => [name, variant, at % 2 === 0 ? '2' : '4'] as const)),
  ] as const)('say what one says, to the byte of each counterexample: %s %s, %s workers', (name, variant, workers) => {
    const asked = [name, '--variant', variant, '--max-states', String(SMALL_STATES)];
    const alone = explore<Explored>(...asked);
    // A search that was cut has no counts to agree on.
    if (!alone.document.exhausted && name !== 'rmp-lock') return;
    if (name === 'rmp-lock') return expect(explore(name, '--workers', '2').document).toMatchObject(LOCK);
    // How often tables were filled is each worker's own affair.
    const told = ({ coverage: { bytesPerState: _, stepMisses: __, ...coverage }, ...rest }: Explored) => ({ ...rest, coverage });
    const { status, document } = explore<Explored>(...asked, '--workers', workers);
    expect([status, told(document)]).toEqual([alone.status, told(alone.document)]);
  });

  it('keep what they have found when they are asked to stop, or run out of budget', async () => {
    const { status, document } = explore<Explored>('rmp-lock', '--workers', '2', '--max-states', '50000');
    expect([status, document.exhausted, document.limit]).toEqual([4, false, 'states']);
    expect(document.states).toBeLessThan(232_105);
    const child = spawn(process.execPath, [MAIN, 'explore', 'rmp-lock', '--set', 'vcpus=6', '--workers', '2', '--time', '1', '--json'], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (piece) => {
      out += String(piece);
    });
    expect(await new Promise((done) => child.once('close', done))).toBe(4);
    expect(JSON.parse(out)).toMatchObject({ exhausted: false, limit: 'stopped' });
  });

  it('load the modules of a user', () => {
    const built = FIX.replace(/(file:[^"]*)\/((?:actors|api|events|sim)\/[^"]*)\.ts"/g, '$1/dist/$2.js"');
    writeFileSync(join(folder, 'fix.mjs'), built);
    const asked = ['rmpadjust-vs-rmpupdate', '--models', 'fix.mjs', '--variant', 'once'];
    const { states, transitions, violations } = explore<Record<string, unknown>>(...asked).document;
    expect(explore(...asked, '--workers', '2').document).toMatchObject({ states, transitions, violations });
  });

  it('search all futures of a recorded run', () => {
    spawnSync(process.execPath, [MAIN, 'run', 'vmsa-in-use-kick', '-o', 'run.wsj'], { cwd: folder, env });
    const { states, violations, guarantee } = explore<Record<string, unknown>>('run.wsj', '--from', '3').document;
    expect(explore('run.wsj', '--from', '3', '--workers', '2').document).toMatchObject({ states, violations, guarantee });
  });
});
