/** A disk that fails at any one call of any command that writes a file. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeSearch } from '../../cli/search/image-file.ts';
import { memorySource } from '../../replay/source.ts';
import { type Call, type Fault, FaultyFiles } from '../replay/faulty-files.ts';
import { Bench, type Outcome } from './run-cli.ts';

const bench = new Bench();
const MINE = './mine.yaml';

interface Row {
  readonly words: readonly string[];
  /** Whether it goes on where one of several writes of the same file fails. */
  readonly goesOn?: true;
  /** Whether the file is named after what it holds. */
  readonly isNamed?: true;
}

/** Each writes into the folder `out`: the file `out/file`, unless it has another name. */
const WRITERS: Readonly<Record<string, Row>> = {
  run: { words: ['run', MINE, '-o', 'out/file'] },
  'run --mode sync': { words: ['run', MINE, '--mode', 'sync', '-o', 'out/file'] },
  inject: { words: ['inject', 'run.wsj', '--at', '1', '--choose', 'exec(pcpu:1)', '-o', 'out/file'] },
  export: { words: ['export', 'run.wsj', '--format', 'perfetto', '-o', 'out/file'] },
  'verify --salvage': { words: ['verify', 'run.wsj', '--salvage', 'out/file'] },
  'verify --junit': { words: ['verify', 'run.wsj', '--junit', 'out/file'] },
  'explore --checkpoint': {
    words: ['explore', MINE, '--max-states', '600', '--checkpoint', 'out/file', '--checkpoint-every', '200'],
    goesOn: true,
  },
  'explore -o': { words: ['explore', MINE, '--deviations', '2', '-o', 'out'], isNamed: true },
  'explore --shard': { words: ['explore', MINE, '--max-states', '600', '--shard', '1/2', '-o', 'out'], isNamed: true },
};

beforeAll(async () => {
  copyFileSync('scenarios/sev-snp/rmpadjust-vs-rmpupdate.yaml', bench.path('mine.yaml'));
  await bench.run(['run', MINE, '-o', 'run.wsj']);
});
afterAll(() => bench.clear());

const OLD = Buffer.from('what was there before');

interface Done extends Outcome {
  readonly files: FaultyFiles;
  /** What is left in the folder, by name. */
  readonly left: ReadonlyMap<string, Buffer>;
}

/** Runs it over a file of before, and looks at what is left. */
async function done(row: Row, finalName: string | null, fault: Fault | null): Promise<Done> {
  rmSync(bench.path('out'), { recursive: true, force: true });
  mkdirSync(bench.path('out'));
  if (finalName !== null) writeFileSync(bench.path(`out/${finalName}`), OLD);
  const files = new FaultyFiles(fault);
  const outcome = await bench.run(row.words, { files });
  const left = new Map(readdirSync(bench.path('out')).map((name) => [name, readFileSync(bench.path(`out/${name}`))]));
  return { ...outcome, files, left };
}

/** The faults of a call: errors, and for a write what is none. */
const faultsOf = (call: Call, at: number): Fault[] =>
  ['EIO', 'ENOSPC', ...(call === 'write' ? ['EINTR', 'half'] : ['EACCES'])].map((code) => ({ at, code }));

const WORDS = { EIO: 'gave an error', ENOSPC: 'the disk is full', EACCES: 'permission denied' } as const;

/** Whether the bytes under the final name are whole: those of before, or all of the new ones. */
function isWhole(bytes: Buffer, clean: Buffer, { goesOn }: Row): boolean {
  if (bytes.equals(OLD) || bytes.equals(clean)) return true;
  // One of the checkpoints before the last.
  return goesOn === true && decodeSearch(memorySource(new Uint8Array(bytes))).scenario.name === 'rmpadjust-vs-rmpupdate';
}

describe.each(Object.entries(WRITERS))('%s', (_name, row) => {
  it('leaves the file of before, or a whole one, whichever call fails', async () => {
    const first = await done(row, row.isNamed ? null : 'file', null);
    const name = row.isNamed ? [...first.left.keys()][0]! : 'file';
    const clean = first.left.get(name)!;
    expect([...first.left.keys()]).toEqual([name]);
    expect(clean.length).toBeGreaterThan(100);
    const { calls } = first.files;
    expect(calls).toEqual(expect.arrayContaining(['open', 'write', 'close', 'rename']));
    for (const fault of calls.flatMap((call, at) => faultsOf(call, at))) {
      const call = calls[fault.at]!;
      const told = `${fault.code} at ${call} ${fault.at}`;
      const { code, err, left } = await done(row, name, fault);
      const final = left.get(name)!;
      expect(isWhole(final, clean, row), told).toBe(true);
      if (code === first.code) {
        const isNone = fault.code === 'EINTR' || fault.code === 'half';
        // Giving the claim up is the last thing that a search does, and costs it nothing.
        const isLate = row.goesOn && (err.includes('keeps the checkpoint before') || fault.at >= calls.length - 2);
        expect(isNone || isLate, told).toBe(true);
        if (isNone) expect([final.equals(clean), [...left.keys()]], told).toEqual([true, [name]]);
      } else {
        expect([told, code, err]).toEqual([told, 2, expect.stringMatching(/worldswitch: cannot (open|write|close|sync|rename) /)]);
        expect(err, told).toContain(WORDS[fault.code as keyof typeof WORDS]);
      }
      // A whole file whose last rename failed is kept, and named.
      const others = [...left.keys()].filter((other) => other !== name && !other.endsWith('.lock'));
      expect(others.length, told).toBe(call === 'rename' ? 1 : 0);
      for (const other of others) {
        expect(err, told).toContain(`out/${other}`);
        expect(isWhole(left.get(other)!, clean, row), told).toBe(true);
      }
    }
  });
});

/** What is written at one go; the journal of a run is as durable as `--mode` says. */
describe.each(['export', 'verify --junit', 'explore --checkpoint', 'explore --shard'])('the file of %s', (name) => {
  it('is on the disk before it has its name, and its name before the command ends', async () => {
    const row = WRITERS[name]!;
    const { files } = await done(row, row.isNamed ? null : 'file', null);
    const at = files.calls.indexOf('rename');
    expect(files.calls.slice(at - 2, at + 2)).toEqual(['sync', 'close', 'rename', 'syncFolder']);
  });
});
