/** Runs in progress as other processes see them: followed through their files, ended by signals. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MAIN = resolve(process.env.WORLDSWITCH_MAIN ?? 'dist/cli/main.js');
const folder = mkdtempSync(join(tmpdir(), 'worldswitch-live-'));
const started: ChildProcess[] = [];
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing; npm run build makes it`);
});

const env = { ...process.env, NO_COLOR: '1', WORLDSWITCH_DEBUG: '' };

/** A process in the background, and what it has said so far. */
function start(...argv: string[]) {
  const child = spawn(process.execPath, [MAIN, ...argv], { cwd: folder, env });
  started.push(child);
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said.err += chunk.toString();
  });
  const ended = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
  return { child, said, ended };
}

const run = (...argv: string[]) => spawnSync(process.execPath, [MAIN, ...argv], { cwd: folder, encoding: 'utf8', env, timeout: 40_000 });
const json = <T>(...argv: string[]): T => JSON.parse(run(...argv, '--json').stdout) as T;

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await holds()); waited += 20) {
    if (waited > 20_000) throw new Error(`waited in vain for ${what}`);
    await sleep(20);
  }
}

const size = (file: string): number => (existsSync(join(folder, file)) ? statSync(join(folder, file)).size : 0);

interface Facts {
  readonly records: number;
  readonly sealed: boolean;
  readonly live: boolean;
}
const factsOf = (file: string): Facts => json<{ journal: Facts }>('show', file).journal;

/** Few records each second: no block of them is full while the test goes on. */
const SLOW = ['rmp-churn', '--set', 'rounds=2000', '--pace', '20'] as const;

describe.runIf(process.platform === 'linux')('a run of another process', () => {
  it('is on disk within a second, can be read while it grows, and is told to be in progress', async () => {
    const { child, ended } = start('serve', ...SLOW, '-o', 'slow.wsj');
    await until('the file', () => size('slow.wsj.part') > 0);
    const begun = size('slow.wsj.part');
    await until('records', () => size('slow.wsj.part') > begun);
    const first = factsOf('slow.wsj.part');
    expect(first).toMatchObject({ live: true, sealed: false });
    await sleep(1500);
    const second = factsOf('slow.wsj.part');
    expect(second.records).toBeGreaterThan(first.records);
    for (const argv of [['show'], ['replay', '--fold'], ['replay'], ['verify'], ['export', '--format', 'chrome', '-o', 'x.json']]) {
      const { status, stderr, stdout } = run(argv[0]!, 'slow.wsj.part', ...argv.slice(1));
      expect([argv[0], status]).toEqual([argv[0], 0]);
      expect(`${stderr}${stdout}`).toMatch(/its run is in progress, with \d+ records in \d+ steps so far/);
    }
    expect(json('replay', 'slow.wsj.part', '--fold')).toMatchObject({ identical: true, live: true, sealed: false });
    expect(json('verify', 'slow.wsj.part')).toMatchObject({ ok: true, live: true });
    child.kill('SIGKILL');
    await ended;
    const left = factsOf('slow.wsj.part');
    expect(left).toMatchObject({ live: false, sealed: false });
    expect(left.records).toBeGreaterThanOrEqual(second.records);
    expect(run('replay', 'slow.wsj.part').stderr).toContain('what came after it is not known');
  });

  it('is served while it grows, to its end', async () => {
    const writer = start('serve', ...SLOW, '-o', 'served.wsj');
    await until('the file', () => size('served.wsj.part') > 0);
    const follower = start('serve', 'served.wsj.part');
    await until('the URL', () => follower.said.out.includes('\n'));
    expect(follower.said.err).toContain('its run is in progress');
    const url = follower.said.out.trim();
    const [listed] = (await (await fetch(`${url}/api/runs`)).json()) as [{ id: string }];
    const live = async () => (await (await fetch(`${url}/api/runs/${listed.id}`)).json()) as Facts;
    const before = await live();
    expect(before).toMatchObject({ live: true, sealed: false });
    await until('more records', async () => (await live()).records > before.records);
    const stream = fetch(`${url}/api/runs/${listed.id}/events`).then((response) => response.text());
    await sleep(300);
    writer.child.kill('SIGHUP');
    expect(await writer.ended).toBe(4);
    const text = await stream;
    const seqs = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    const { records } = factsOf('served.wsj');
    expect(seqs).toEqual(Array.from({ length: records }, (_, i) => i + 1));
    expect(text).toMatch(/event: end\ndata: .*"sealed":true/);
    follower.child.kill('SIGTERM');
    expect(await follower.ended).toBe(0);
  });
});

describe('SIGHUP', () => {
  it('seals the journal of a run, as SIGTERM does', async () => {
    const { child, said, ended } = start('run', 'rmp-churn', '--set', 'rounds=65536', '-o', 'hup.wsj', '--json');
    await until('records', () => size('hup.wsj.part') > 100_000);
    child.kill('SIGHUP');
    expect(await ended).toBe(4);
    expect(JSON.parse(said.out)).toMatchObject({ ended: 'stopped', verdict: 'clean', journal: 'hup.wsj' });
    expect(run('replay', 'hup.wsj').status).toBe(0);
    expect(existsSync(join(folder, 'hup.wsj.part'))).toBe(false);
  });

  it('keeps what a search has found, and its checkpoint', async () => {
    const { child, ended, said } = start(
      'explore',
      'rmp-host-write-race',
      '--variant',
      'auto-share',
      '--checkpoint',
      'hup.wss',
      '--checkpoint-every',
      '2000',
    );
    await until('a checkpoint', () => size('hup.wss') > 0);
    const before = statSync(join(folder, 'hup.wss')).size;
    child.kill('SIGHUP');
    expect([await ended, said.out]).toEqual([4, expect.stringContaining('states')]);
    expect(size('hup.wss')).toBeGreaterThanOrEqual(before);
    expect(readdirSync(folder).filter((name) => name.startsWith('hup.wss'))).toEqual(['hup.wss']);
    expect(run('explore', '--resume', 'hup.wss', '--max-states', '10').status).toBe(4);
  });
});

describe('standard output and standard error that take nothing', () => {
  const bash = (script: string) =>
    spawnSync('bash', ['-c', script], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...env, WS: `${process.execPath} ${MAIN}` },
      timeout: 40_000,
    });

  it('are told by exit code 2, and hide no other failure', () => {
    for (const argv of ['--version', '--help', 'scenarios --json', 'run none', 'run none --json']) {
      for (const errors of ['', '2>/dev/full', '2>&-']) {
        const { status, stderr } = bash(`$WS ${argv} > /dev/full ${errors}`);
        expect([argv, status, stderr]).toEqual([
          argv,
          2,
          errors === '' ? expect.stringMatching(/^worldswitch: (cannot write standard output|found "none")/) : '',
        ]);
      }
      expect([argv, bash(`$WS ${argv} >&- 2>&-`).status]).toEqual([argv, argv.startsWith('run') ? 2 : 0]);
    }
  });

  it.each(['2>/dev/full', '2>&-', '2> >(true)'])('changes no exit code: %s', (redirect) => {
    for (const [argv, code] of [
      ['run nothing-of-this-name', 2],
      ['show none.wsj', 2],
      [`show ${MAIN}`, 3],
      ['run rmp-host-write-race --expect --mode memory', 1],
      ['run rmp-host-write-race --mode memory --seed 4', 0],
    ] as const) {
      expect([argv, bash(`$WS ${argv} ${redirect} > /dev/null`).status]).toEqual([argv, code]);
    }
  });
});
