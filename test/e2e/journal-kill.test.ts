/**
 * kill -9 at random instants: what was acknowledged is there, what is there is good, and writing
 * can go on.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fileSource } from '../../replay/file-source.ts';
import { realFiles } from '../../replay/files.ts';
import { verifyJournal } from '../../replay/integrity.ts';
import { openJournal } from '../../replay/open.ts';
import { partPathOf } from '../../replay/part-file.ts';
import { reopenJournal } from '../../replay/recover.ts';
import { END } from '../replay/synthetic.ts';

const WRITERS = 25;
/**
 * Instants at which each writer is stopped and its file is looked at; at the last one it is killed.
 */
const INSTANTS = 8;

const seed = Number(process.env.WORLDSWITCH_SEED ?? Date.now() % 1_000_000);

/** mulberry32: enough to spread instants, and a seed that can be given again. */
const randomFrom = (start: number) => {
  let state = start;
  return (below: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
};

const stateOf = (pid: number): string => /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '?';

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited++) {
    if (waited > 5000) throw new Error(`waited in vain for ${what}`);
    await sleep(1);
  }
}

/** What the writer noted: which journal, and up to which record it is safe. */
function acknowledged(folder: string): { file: number; seq: number } {
  const bytes = readFileSync(join(folder, 'acknowledged'));
  return { file: bytes.readUInt32LE(0), seq: bytes.readUInt32LE(4) };
}

function check(folder: string): { path: string; sealed: boolean; torn: boolean } {
  const { file, seq } = acknowledged(folder);
  const path = join(folder, `${file}.wsj`);
  const sealed = existsSync(path);
  const source = fileSource(sealed ? path : partPathOf(path));
  const report = verifyJournal(source);
  expect(report.problem).toBeNull();
  expect(report.records).toBeGreaterThanOrEqual(seq);
  if (sealed) expect(report.sealed).toBe(true);
  const journal = openJournal(source);
  expect([...journal.recordsFrom()].length).toBe(report.records);
  source.close();
  return { path, sealed, torn: report.torn !== null };
}

function goOn(path: string): void {
  const source = fileSource(partPathOf(path));
  // Killed between the seal and the rename: the journal is whole and lacks its name only.
  if (openJournal(source).sealed) {
    source.close();
    return;
  }
  const { writer, records } = reopenJournal({ path, files: realFiles }, source, { mode: 'sync' });
  source.close();
  writer.seal({ ...END, ended: 'stopped' });
  const sealed = fileSource(path);
  expect(verifyJournal(sealed)).toMatchObject({ ok: true, sealed: true, records });
  sealed.close();
}

async function watch(writer: ChildProcess, folder: string, random: (below: number) => number): Promise<void> {
  const pid = writer.pid!;
  await until(
    'the first acknowledgement',
    () => existsSync(join(folder, 'acknowledged')) && readFileSync(join(folder, 'acknowledged')).length === 8,
  );
  for (let instant = 1; instant < INSTANTS; instant++) {
    await sleep(random(30));
    // A stopped process has written what a killed one would have.
    writer.kill('SIGSTOP');
    await until('the writer to stop', () => stateOf(pid) === 'T');
    check(folder);
    writer.kill('SIGCONT');
  }
  await sleep(random(30));
  const gone = new Promise((resolve) => writer.once('exit', resolve));
  writer.kill('SIGKILL');
  await gone;
  const { path, sealed } = check(folder);
  if (!sealed) goOn(path);
}

async function writeAndKill(number: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'worldswitch-kill-'));
  const script = join(import.meta.dirname, 'journal-writer.ts');
  const writer = spawn(process.execPath, ['--import', 'tsx', script, folder, String(seed + number)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    await watch(writer, folder, randomFrom(seed + number));
  } finally {
    writer.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

describe.runIf(process.platform === 'linux')(`a writer that is killed (seed ${seed})`, () => {
  it(`loses nothing that was acknowledged, at ${WRITERS * INSTANTS} instants`, async () => {
    for (let number = 0; number < WRITERS; number += 2) {
      await Promise.all([number, number + 1].filter((n) => n < WRITERS).map(writeAndKill));
    }
  });
});
