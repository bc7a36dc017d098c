/**
 * Hostile files as processes: however much their counts ask for, the answer is one error with its
 * place, for little memory and time.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOSTILE } from '../replay/hostile-files.ts';
import { MAIN, type Measured, measured } from './measured.ts';

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-hostile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const RSS_MAX_MB = 512;
/** Of the processor: other processes may have it as well. */
const CPU_MAX_S = 5;

function expectSmall({ megabytes, seconds }: Measured): void {
  expect(megabytes).toBeLessThan(RSS_MAX_MB);
  expect(seconds).toBeLessThan(CPU_MAX_S);
}

/** A journal with checkpoints. */
let base: Uint8Array;
beforeAll(() => {
  const made = spawnSync(process.execPath, [MAIN, 'run', 'rmp-churn', '--set', 'rounds=40', '-o', 'base.wsj'], { cwd: folder });
  expect(made.status).toBe(0);
  base = readFileSync(join(folder, 'base.wsj'));
});

describe('a hostile journal', () => {
  it.each(Object.entries(HOSTILE))('is refused with its place: %s', (_name, { make, says }) => {
    writeFileSync(join(folder, 'hostile.wsj'), make(base));
    const done = measured(folder, 'verify', 'hostile.wsj');
    expect(done.stdout).toMatch(/^BAD hostile\.wsj: the journal is damaged in frame \d+ at byte \d+: /);
    expect(done.stdout).toContain(says);
    expect([done.status, done.stderr]).toEqual([3, '']);
    expectSmall(done);
  });

  it.each([
    ['texts of no pieces', 'replay --fold'],
    ['texts of no pieces', 'export --format chrome -o out.json'],
    ['more index entries for blocks than frames', 'show'],
    ['messages in a checkpoint', 'show --step 1500'],
    ['messages in a checkpoint', 'replay'],
  ])('is refused by every command that reads so far: %s, %s', (name, words) => {
    writeFileSync(join(folder, 'hostile.wsj'), HOSTILE[name]!.make(base));
    const [command = '', ...options] = words.split(' ');
    const done = measured(folder, command, 'hostile.wsj', ...options);
    expect(done.stderr).toContain('hostile.wsj: the journal is damaged in frame ');
    expect(done.status).toBe(3);
    expectSmall(done);
  });
});
