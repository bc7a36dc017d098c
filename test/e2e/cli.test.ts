/**
 * The built program as a process: exit codes, JSON, pipes that close, signals, disks that are full.
 */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Another build may be named, for example that of an installed package. */
const MAIN = resolve(process.env.WORLDSWITCH_MAIN ?? 'dist/cli/main.js');
const RACE = 'rmp-host-write-race';

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-e2e-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing; npm run build makes it`);
  expect(run('run', RACE, '-o', 'run.wsj').status).toBe(0);
});

/** A process that hangs fails its test and not the whole suite. */
const TIMEOUT_MS = 40_000;

const env = { ...process.env, NO_COLOR: '1', WORLDSWITCH_DEBUG: '' };

function run(...argv: string[]) {
  return spawnSync(process.execPath, [MAIN, ...argv], { cwd: folder, encoding: 'utf8', env, timeout: TIMEOUT_MS });
}

function json<T = Record<string, unknown>>(...argv: string[]): T {
  const { stdout, stderr } = run(...argv, '--json');
  expect(stderr).toBe('');
  return JSON.parse(stdout) as T;
}

/** A script of bash in which `$WS` is the program. */
const bash = (script: string) =>
  spawnSync('bash', ['-c', script], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...env, WS: `${process.execPath} ${MAIN}` },
    timeout: TIMEOUT_MS,
  });

const ended = (child: ChildProcess): Promise<number | null> => new Promise((done) => child.once('close', (code) => done(code)));

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited += 10) {
    if (waited > 30_000) throw new Error(`waited in vain for ${what}`);
    await sleep(10);
  }
}

describe('the program', () => {
  it('is executable, and knows its version', () => {
    expect(execFileSync(MAIN, ['--version'], { encoding: 'utf8' })).toBe(`${JSON.parse(readFileSync('package.json', 'utf8')).version}\n`);
    expect(readFileSync(MAIN, 'utf8').startsWith('#!/usr/bin/env node\n')).toBe(true);
  });

  it.each([
    [0, ['run', RACE, '--mode', 'memory']],
    [0, ['replay', 'run.wsj']],
    [0, ['verify', 'run.wsj']],
    [0, ['run', RACE, '--variant', 'map-lock-user', '--expect', '--mode', 'memory']],
    [1, ['inject', 'run.wsj', '--at', 'thread:netd/0@emulate_dma_write.store#2', '--preempt', 'pcpu:0', '-o', 'fork.wsj']],
    [1, ['run', RACE, '--expect', '--mode', 'memory']],
    [2, ['run', 'rmp-host-write-rase']],
    [2, ['frobnicate']],
    [2, ['show', 'none.wsj']],
    [3, ['show', MAIN]],
  ])('exits with %i: %j', (status, argv) => {
    expect(run(...argv).status).toBe(status);
  });

  it('prints JSON documents with the keys of the contract', () => {
    const keys = (document: object) => Object.keys(document);
    const ran = ['verdict', 'violation', 'steps', 'records', 'digest', 'root', 'journal', 'schedule'];
    expect(keys(json<object[]>('scenarios')[0]!)).toEqual([
      'name',
      'summary',
      'source',
      'claims',
      'params',
      'variants',
      'default',
      'expect',
    ]);
    expect(keys(json<object[]>('scenarios', 'rmp-lock')[0]!)).toContain('mutants');
    expect(keys(json('run', RACE))).toEqual(expect.arrayContaining(ran));
    expect(keys(json('replay', 'run.wsj'))).toEqual(
      expect.arrayContaining(['identical', 'sealed', 'steps', 'records', 'digest', 'divergence']),
    );
    const forked = json<{ fork: object; changed: object }>('inject', 'run.wsj', '--at', '5', '--preempt', 'pcpu:0');
    expect(keys(forked)).toEqual(expect.arrayContaining([...ran, 'fork', 'changed']));
    expect(keys(forked.fork)).toEqual(['at', 'label', 'microStep']);
    expect(keys(forked.changed)).toEqual(['firstDifferentStep', 'verdictBefore', 'verdictAfter', 'outcomes']);
    expect(keys(json('show', 'run.wsj', '--step', '5'))).toEqual(
      expect.arrayContaining(['step', 'digest', 'state', 'inFlight', 'alternatives']),
    );
    expect(keys(json('verify', 'run.wsj'))).toContain('ok');
    expect(keys(json('demo'))).toEqual(['run', 'replay', 'inject']);
  });

  it('finds its scenarios from any folder', () => {
    const found = spawnSync(process.execPath, [MAIN, 'scenarios', '--json'], { cwd: '/', encoding: 'utf8' });
    expect((JSON.parse(found.stdout) as unknown[]).length).toBeGreaterThan(0);
  });
});

describe('pipes', () => {
  it('says nothing when the reader goes away', () => {
    const { stdout, stderr } = bash('$WS show run.wsj --limit 100000 | head -n 1; echo ${PIPESTATUS[0]}');
    expect(stdout.split('\n').at(-2)).toBe('0');
    expect(stderr).toBe('');
    const json = bash('$WS show run.wsj --points --json | true; echo ${PIPESTATUS[0]}');
    expect([json.stdout, json.stderr]).toEqual(['0\n', '']);
  });

  it('takes a journal from standard input and gives one to standard output', () => {
    const { status, stdout } = bash(`set -o pipefail; $WS run ${RACE} -o - 2>/dev/null | $WS replay - --json`);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ identical: true });
  });

  it('writes over no file that comes in as standard input', () => {
    const before = readFileSync(join(folder, 'run.wsj'));
    const { status, stderr } = bash('$WS export - --format chrome -o run.wsj < run.wsj');
    expect([status, stderr]).toEqual([2, expect.stringContaining('run.wsj is the file that is read as standard input')]);
    expect(readFileSync(join(folder, 'run.wsj')).equals(before)).toBe(true);
  });

  it('writes into a pipe with a name, and leaves it a pipe', () => {
    const { status } = bash(`mkfifo pipe; timeout 20 cat pipe > copy.wsj & $WS run ${RACE} -o pipe > /dev/null && wait && test -p pipe`);
    expect(status).toBe(0);
    expect(run('verify', 'copy.wsj').status).toBe(0);
  });

  it('gives the exit code of its work, whatever colour is asked for', () => {
    const { status, stdout } = bash(`FORCE_COLOR=1 $WS run ${RACE} --mode memory`);
    expect(status).toBe(0);
    expect(stdout).toContain('\u001b[');
  });
});

describe('disks', () => {
  it('says that standard output is full', () => {
    const { status, stderr } = bash('$WS scenarios > /dev/full');
    expect(status).toBe(2);
    expect(stderr).toContain('cannot write standard output: the disk is full');
  });

  it('leaves nothing of a journal that found no room', () => {
    const { status, stderr } = bash('ulimit -f 16; $WS run rmp-churn --set rounds=2000 --engine memo -o full.wsj');
    expect(status).toBe(2);
    expect(stderr).toContain('too big');
    expect(readdirSync(folder).filter((file) => file.startsWith('full'))).toEqual([]);
  });

  it('leaves nothing of an export that found no room', () => {
    const { status } = bash('ulimit -f 1; $WS export run.wsj --format chrome -o full.json');
    expect(status).toBe(2);
    expect(readdirSync(folder).filter((file) => file.startsWith('full'))).toEqual([]);
  });
});

describe('signals', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('seals the journal of a run that %s ends, and exits with 4', async (signal) => {
    const file = `${signal}.wsj`;
    const child = spawn(process.execPath, [MAIN, 'run', 'rmp-churn', '--set', 'rounds=65536', '-o', file, '--json'], { cwd: folder });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    await until('records', () => existsSync(join(folder, `${file}.part`)) && readFileSync(join(folder, `${file}.part`)).length > 100_000);
    child.kill(signal);
    expect(await ended(child)).toBe(4);
    expect(JSON.parse(Buffer.concat(chunks).toString())).toMatchObject({ ended: 'stopped', verdict: 'clean', journal: file });
    expect(json('replay', file)).toMatchObject({ identical: true, sealed: true });
    expect(existsSync(join(folder, `${file}.part`))).toBe(false);
  });

  it('leaves a journal to replay when it is killed', async () => {
    const child = spawn(process.execPath, [MAIN, 'run', 'rmp-churn', '--set', 'rounds=65536', '-o', 'killed.wsj'], { cwd: folder });
    const part = join(folder, 'killed.wsj.part');
    await until('records', () => existsSync(part) && readFileSync(part).length > 100_000);
    child.kill('SIGKILL');
    await ended(child);
    expect(existsSync(join(folder, 'killed.wsj'))).toBe(false);
    const { status, stdout, stderr } = run('replay', 'killed.wsj.part', '--json');
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^note: killed\.wsj\.part is not sealed/)]);
    expect(JSON.parse(stdout)).toMatchObject({ identical: true, sealed: false });
  });

  it('prints the URL of the server first, and ends it by SIGINT', async () => {
    const child = spawn(process.execPath, [MAIN, 'serve', 'run.wsj'], { cwd: folder });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    await until('the URL', () => text.includes('\n'));
    const [url] = text.split('\n') as [string];
    const runs = (await (await fetch(`${url}/api/runs`)).json()) as object[];
    expect(Object.keys(runs[0]!)).toEqual(['id', 'scenario', 'variant', 'records', 'sealed']);
    child.kill('SIGINT');
    expect(await ended(child)).toBe(0);
  });
});

describe('a recorded run that goes on again while it is watched', () => {
  async function watched(...args: readonly string[]): Promise<{ readonly status: number | null; readonly told: string }> {
    const child = spawn(process.execPath, [MAIN, 'serve', ...args], { cwd: folder });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    await until('the URL', () => text.includes('\n'));
    const url = text.split('\n')[0]!;
    const [{ id }] = (await (await fetch(`${url}/api/runs`)).json()) as [{ id: string }];
    const response = await fetch(`${url}/api/runs/${id}/events?from=1`);
    const told = response.status === 200 ? await response.text() : '';
    child.kill('SIGINT');
    return { status: await ended(child), told };
  }
  const bytes = (file: string) => readFileSync(join(folder, file));

  it('as a fork, leaves the journal that inject leaves', async () => {
    expect(run('run', 'rmp-host-write-race', '-o', 'race.wsj').status).toBe(0);
    const at = 'thread:netd/0@emulate_dma_write.store#2';
    expect(run('inject', 'race.wsj', '--at', at, '--preempt', 'pcpu:0', '-o', 'fork.wsj').status).toBe(1);
    const { status, told } = await watched('race.wsj', '--inject', at, '--preempt', 'pcpu:0', '-o', 'watched.wsj', '--pace', '1');
    expect(status).toBe(0);
    expect(told).toContain('event: end\n');
    expect(bytes('watched.wsj').equals(bytes('fork.wsj'))).toBe(true);
  });

  it('as it was, leaves its own bytes', async () => {
    const { status } = await watched('race.wsj', '--replay', '-o', 'again.wsj');
    expect(status).toBe(0);
    expect(bytes('again.wsj').equals(bytes('race.wsj'))).toBe(true);
  });

  it.each([
    [['race.wsj', '--preempt', 'pcpu:0'], 'found --preempt without --inject'],
    [['race.wsj', '--inject', '5'], 'nothing to inject'],
    [['race.wsj', '--chooser', 'random'], 'found --chooser, which is for a live run'],
    [['race.wsj', '--pace', '5'], 'found --pace, which is for a live run'],
    [['race.wsj', '--inject', '--preempt', 'pcpu:0'], 'where to inject is missing'],
    [['race.wsj', '--inject', '5', '--replay'], 'found --inject and --replay'],
    [['race.wsj', 'fork.wsj', '--replay'], '--replay is for one journal'],
    [['race.wsj', '--replay', '--at', '5'], 'found --at with --replay'],
    [['race.wsj', '--replay', '--variant', 'x'], 'found --variant with --replay'],
    [['race.wsj', '--replay', '--seed', '5'], 'found --seed with --replay'],
    [['race.wsj', '--inject', '5', '--preempt', 'pcpu:0', '--engine', 'memo'], 'found --engine with --inject'],
    [['rmp-churn', '--inject', '5', '--preempt', 'pcpu:0'], '--inject is for one journal; found rmp-churn'],
    [['race.wsj', '--inject', '5', '--choose', 'nothing', '-o', 'none.wsj'], 'step 5 has no alternative for choose nothing'],
  ])('is refused for %j before anything is written', (args, message) => {
    const { status, stdout, stderr } = run('serve', ...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(readdirSync(folder).filter((file) => file.startsWith('none'))).toEqual([]);
  });
});

describe('a run into a pipe that no program reads', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('ends by %s', async (signal) => {
    execFileSync('sh', ['-c', 'rm -f unread; mkfifo unread'], { cwd: folder });
    const child = spawn(process.execPath, [MAIN, 'run', 'rmp-churn', '--engine', 'memo', '-o', 'unread'], { cwd: folder });
    // Early on the signal stops the run, whose journal then waits for a reader too.
    await new Promise((done) => setTimeout(done, 200));
    const again = setInterval(() => child.kill(signal), 200);
    const [status, by] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    clearInterval(again);
    expect([
      [4, null],
      [null, signal],
    ]).toContainEqual([status, by]);
  });
});

describe('two at a time', () => {
  it('let the same run be written twice at once', async () => {
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, [MAIN, 'run', 'rmp-churn', '--set', 'rounds=50'], { cwd: folder }),
    );
    expect(await Promise.all(children.map(ended))).toEqual([0, 0, 0, 0]);
    const left = readdirSync(join(folder, 'worldswitch-runs')).filter((file) => !/^[0-9a-f]{32}\.wsj$/.test(file));
    expect(left).toEqual([]);
  });
});

describe('a scenario of the own', () => {
  it('is checked, run, verified and served from its path', () => {
    writeFileSync(join(folder, 'mine.yaml'), readFileSync('scenarios/sev-snp/rmpadjust-vs-rmpupdate.yaml'));
    expect(run('check', 'mine.yaml').status).toBe(0);
    expect(json('run', './mine.yaml', '--variant', 'overlap-2m')).toMatchObject({ verdict: 'clean', variant: 'overlap-2m' });
    expect(run('verify', 'mine.yaml').status).toBe(0);
  });
});
