/**
 * kill -9 at each call of the file system, among them the rename and those of the seal; and of one
 * of two writers of the same file.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { verifyJournal } from '../../replay/integrity.ts';
import { memorySource } from '../../replay/source.ts';
import { framesOf } from '../replay/surgery.ts';

const SCRIPT = join(import.meta.dirname, 'kill-writer.ts');
const OLD = 'what was there before';

/** Processes that run at once. */
const TOGETHER = 2;

interface Left {
  /** Calls that were made, where it was not killed. */
  readonly calls: readonly string[];
  readonly killed: boolean;
  readonly file: Buffer;
  /** Unfinished files, by name. */
  readonly parts: ReadonlyMap<string, Buffer>;
}

async function written(...argv: readonly string[]): Promise<Left> {
  const folder = mkdtempSync(join(tmpdir(), 'worldswitch-kill-at-'));
  try {
    writeFileSync(join(folder, 'file'), OLD);
    const { calls, killed } = await new Promise<Pick<Left, 'calls' | 'killed'>>((done) =>
      execFile(process.execPath, ['--import', 'tsx', SCRIPT, folder, ...argv], (error, stdout) =>
        done({ calls: JSON.parse(stdout || '[]') as string[], killed: error?.signal === 'SIGKILL' }),
      ),
    );
    const parts = readdirSync(folder).filter((name) => name !== 'file');
    return {
      calls,
      killed,
      file: readFileSync(join(folder, 'file')),
      parts: new Map(parts.map((name) => [name, readFileSync(join(folder, name))])),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What is left at each call, before it and within it. */
async function atEachCall(what: string): Promise<{ readonly clean: Left; readonly killed: readonly Left[] }> {
  const clean = await written(what);
  const places = clean.calls.flatMap((call, at) =>
    (call === 'write' ? ['before', 'within'] : ['before']).map((how) => [String(at), how] as const),
  );
  const killed: Left[] = [];
  for (let i = 0; i < places.length; i += TOGETHER)
    killed.push(...(await Promise.all(places.slice(i, i + TOGETHER).map(([at, how]) => written(what, at, how)))));
  expect([clean.killed, killed.every((one) => one.killed), clean.calls.includes('rename')]).toEqual([false, true, true]);
  return { clean, killed };
}

describe.runIf(process.platform === 'linux')('a writer that is killed at a call', () => {
  it.each(['buffered', 'sync'])('leaves a journal that is whole, or the one of before and a part that can be read: %s', async (mode) => {
    const { clean, killed } = await atEachCall(mode);
    const { records } = verifyJournal(memorySource(clean.file));
    const [, start] = framesOf(clean.file);
    const startBytes = start!.offset;
    expect([clean.parts.size, records > 100]).toEqual([0, true]);
    let sealed = 0;
    for (const { file, parts } of killed) {
      expect(file.equals(clean.file) || file.toString() === OLD).toBe(true);
      expect([...parts.keys()].every((name) => name === 'file.part')).toBe(true);
      for (const part of parts.values()) {
        const report = verifyJournal(memorySource(part));
        // Before its first write is done it holds no start.
        const isTooShort = part.length < startBytes;
        expect([part.length, report.problem?.name]).toEqual([part.length, isTooShort ? expect.any(String) : undefined]);
        expect(part.equals(clean.file) || !report.sealed).toBe(true);
        if (report.sealed) sealed++;
      }
    }
    // Killed between the seal and the rename.
    expect(sealed).toBeGreaterThan(0);
  });

  it('leaves any other file whole, or as it was', async () => {
    const { clean, killed } = await atEachCall('whole');
    expect(clean.file.length).toBe(400_000);
    for (const { file, parts } of killed) {
      expect(file.equals(clean.file) || file.toString() === OLD).toBe(true);
      expect([...parts.keys()].every((name) => /^file\.[0-9a-f]{8}\.part$/.test(name))).toBe(true);
    }
  });
});

describe.runIf(process.platform === 'linux')('two writers of one file', () => {
  it('leave it whole at each instant, also where one of them is killed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'worldswitch-two-'));
    const path = join(folder, 'file');
    const start = (name: string) => spawn(process.execPath, ['--import', 'tsx', SCRIPT, folder, name], { stdio: 'inherit' });
    const [one, two] = [start('a'), start('b')];
    const look = (): string => {
      const bytes = readFileSync(path);
      const letter = String.fromCharCode(bytes[0]!);
      expect([bytes.length, bytes.equals(Buffer.alloc(400_000, letter))]).toEqual([400_000, true]);
      return letter;
    };
    try {
      while (!existsSync(path)) await sleep(5);
      const seen = new Set<string>();
      for (let looks = 0; looks < 300 || seen.size < 2; looks++) {
        seen.add(look());
        await sleep(3);
      }
      one.kill('SIGKILL');
      await new Promise((done) => one.once('exit', done));
      while (look() !== 'b') await sleep(3);
      for (let looks = 0; looks < 100; looks++) expect(look()).toBe('b');
    } finally {
      for (const child of [one, two]) child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
