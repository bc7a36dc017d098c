/**
 * Hostile files as processes: however much their counts ask for, the answer is one error with its
 * place, for little memory and time.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonical } from '../../sim/canonical.ts';
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

describe('a device that never ends', () => {
  it.each([['verify'], ['replay'], ['show']])('is no journal: %s', (command) => {
    const done = measured(folder, command, '/dev/zero');
    expect([done.status, done.stdout + done.stderr]).toEqual([3, expect.stringContaining('does not start with the magic bytes')]);
    expectSmall(done);
  });

  it('is no scenario and no schedule', () => {
    const checked = measured(folder, 'check', '/dev/zero');
    expect(checked.status).toBe(2);
    expectSmall(checked);
    const ran = measured(folder, 'run', 'rmp-churn', '--mode', 'memory', '--schedule', '@/dev/zero');
    expect([ran.status, ran.stderr]).toEqual([2, expect.stringContaining('it has more than 67108864 bytes')]);
    expectSmall(ran);
  });
});

/** The name of a new file with this content. */
function written(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return name;
}

const DEEP = '['.repeat(1_000_000) + ']'.repeat(1_000_000);

describe('a hostile schedule', () => {
  it.each([
    ['nests a million deep', () => DEEP, 'its values nest 1000000 deep; at most 64 levels are allowed'],
    ['nests deep in an object', () => `{"a":${DEEP}}`, 'nest 1000001 deep'],
    ['nests deep in one choice', () => `[{"index":${'['.repeat(5000)}${']'.repeat(5000)}}]`, 'nest 5002 deep'],
    ['nests deep in a line', () => `{"index":0}\n{"index":${DEEP}}\n`, 'nest 1000001 deep'],
    ['has 20 million numbers', () => `[${'0,'.repeat(20_000_000)}0]`, 'values; at most 4194304 are allowed'],
    ['has 20 million steps', () => `${'0.'.repeat(20_000_000)}0`, 'the schedule has over 1048576 steps'],
    ['has 20 million lines', () => '{}\n'.repeat(20_000_000), 'it has more than 1048576 steps'],
    ['is longer than any', () => '1'.repeat(90_000_000), 'it has more than 67108864 bytes'],
  ])('is refused where it %s', (_, content, says) => {
    const done = measured(folder, 'run', 'rmp-churn', '--mode', 'memory', '--schedule', `@${written('schedule.txt', content())}`);
    expect(done.stderr).toContain(says);
    expect(done.stderr.length).toBeLessThan(1000);
    expect(done.status).toBe(2);
    expectSmall(done);
  });
});

describe('a hostile scenario', () => {
  const head = 'name: x\nsummary: y\nhost: { arch: amd }\nprocesses:\n';
  const threads = Array.from(
    { length: 9 },
    (_, i) => `  p${i}:\n    threads:\n      - [${'{ KVM_RUN: { vcpu: vm9/0 } }, '.repeat(3000)}]\n`,
  );

  it('has its first mistakes told, and how many more there are', () => {
    const done = measured(folder, 'check', written('mistakes.yaml', head + threads.join('')));
    expect(done.stdout).toContain('50900 more mistakes are not listed');
    expect(done.stdout.length).toBeLessThan(20_000);
    expect([done.status, done.stderr]).toEqual([2, '']);
    expectSmall(done);
  });
});

describe('a hostile result of a shard', () => {
  /** All results in a folder, as the only one is changed and its checksum made right. */
  function merged(change: (body: Record<string, unknown>) => object) {
    const parts = join(folder, 'parts');
    rmSync(parts, { recursive: true, force: true });
    const made = measured(folder, 'explore', 'rmpadjust-vs-rmpupdate', '--shard', '1/2', '--max-states', '50', '-o', 'parts');
    expect(made.status).toBe(4);
    const [name] = readdirSync(parts).filter((file) => file.endsWith('.shard.json'));
    const { checksum: _, ...body } = JSON.parse(readFileSync(join(parts, name!), 'utf8')) as Record<string, unknown>;
    const changed = change(body);
    const checksum = createHash('sha256').update(canonical(changed)).digest('hex');
    writeFileSync(join(parts, name!), canonical({ ...changed, checksum }));
    return measured(folder, 'explore', '--merge', 'parts');
  }

  it.each([
    ['is one of three million', { shard: { index: 1, of: 3_000_000 } }, 'it lacks something: shard.of'],
    ['is one of 2^53', { shard: { index: 1, of: Number.MAX_SAFE_INTEGER } }, 'it lacks something: shard.of'],
    ['is behind the last', { shard: { index: 5, of: 1 } }, 'it lacks something: shard'],
    ['nests deep', { scenario: JSON.parse('['.repeat(500) + ']'.repeat(500)) as unknown }, 'its values nest 501 deep'],
  ])('is refused where it %s', (_, change, says) => {
    const done = merged((body) => ({ ...body, ...change }));
    expect([done.status, done.stderr]).toEqual([3, expect.stringContaining(says)]);
    expect(done.stderr.length).toBeLessThan(1000);
    expectSmall(done);
  });

  it('lacks thousands of others: some are named, the rest is counted', () => {
    const done = merged((body) => ({ ...body, shard: { index: 1, of: 4096 } }));
    expect([done.status, done.stderr]).toEqual([2, expect.stringContaining('21/4096 and 4075 more: without all shards')]);
  });

  it.each([
    ['nests a million deep', () => DEEP],
    ['is a list of 20 million maps', () => `[${'{},'.repeat(20_000_000)}0]`],
  ])('is refused where it %s', (_, content) => {
    const parts = join(folder, 'parts');
    rmSync(parts, { recursive: true, force: true });
    mkdirSync(parts);
    written('parts/a.shard.json', content());
    const done = measured(folder, 'explore', '--merge', 'parts');
    expect([done.status, done.stderr]).toEqual([3, expect.stringContaining('it is no JSON of a shard')]);
    expectSmall(done);
  });
});
