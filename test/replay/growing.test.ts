/** The file of a run in progress: what it shows at each moment, and what is left in the end. */
import { describe, expect, it } from 'vitest';
import { verifyJournal } from '../../replay/integrity.ts';
import { openJournal } from '../../replay/open.ts';
import { PartFile } from '../../replay/part-file.ts';
import { reopenJournal } from '../../replay/recover.ts';
import { memorySource } from '../../replay/source.ts';
import { JournalWriter } from '../../replay/writer.ts';
import { MemoryFiles } from './memory-files.ts';
import { END, SyntheticRun, syntheticJournal } from './synthetic.ts';

const PATH = 'runs/a.wsj';

/** How many records a file shows after each call that changes it. */
class WatchedFiles extends MemoryFiles {
  readonly shown: number[] = [];
  readonly #path: string;

  constructor(path: string) {
    super();
    this.#path = path;
  }

  #look(): void {
    const content = this.contents.get(this.#path);
    if (content && content.length > 0) this.shown.push(openJournal(memorySource(content)).records);
  }

  override write(...call: Parameters<MemoryFiles['write']>): number {
    const count = super.write(...call);
    this.#look();
    return count;
  }

  override truncate(...call: Parameters<MemoryFiles['truncate']>): void {
    super.truncate(...call);
    this.#look();
  }
}

describe('a file that is followed', () => {
  const partOf = (files: MemoryFiles) => openJournal(memorySource(files.contents.get(`${PATH}.part`)!));

  it('shows every record at each flush, and is in the end the same', () => {
    const { content } = syntheticJournal(400, {}, { checkpointEvery: 500 });
    for (const size of [1, 7, 300]) {
      const files = new MemoryFiles();
      const run = new SyntheticRun();
      const writer = JournalWriter.open({ path: PATH, files }, run.start, { mode: 'buffered', checkpointEvery: 500 });
      expect(partOf(files)).toMatchObject({ records: 0, sealed: false, torn: null });
      run.steps(
        400,
        (block) => {
          writer.block(block, run.names);
          writer.flush();
          if (writer.records % 5 === 0) expect(partOf(files)).toMatchObject({ records: writer.records, sealed: false, torn: null });
        },
        size,
      );
      const shown = partOf(files);
      expect(verifyJournal(memorySource(files.contents.get(`${PATH}.part`)!))).toMatchObject({ ok: true, records: writer.records });
      writer.seal(END);
      expect(files.contents.get(PATH)).toEqual(content);
      expect([...shown.recordsFrom()]).toEqual([...openJournal(memorySource(content)).recordsFrom()]);
    }
  });

  it('shows between any two calls of its writer no less than before', () => {
    for (const rounds of [1, 3]) {
      const files = new WatchedFiles(`${PATH}.part`);
      const run = new SyntheticRun();
      const writer = JournalWriter.open({ path: PATH, files }, run.start, { mode: 'buffered', checkpointEvery: 100 });
      run.steps(
        400,
        (block) => {
          writer.block(block, run.names);
          if (writer.records % rounds === 0) writer.flush();
        },
        1,
      );
      writer.seal(END);
      expect(files.shown).toEqual(files.shown.toSorted((a, b) => a - b));
      expect(new Set(files.shown).size).toBeGreaterThan(100);
    }
  });

  it('shows what is older than a second without being asked, in buffered mode', () => {
    const shown = (mode: 'buffered' | 'sync'): number[] => {
      const files = new MemoryFiles();
      const run = new SyntheticRun();
      let now = 0;
      const writer = JournalWriter.open({ path: PATH, files }, run.start, { mode, now: () => now });
      const counts: number[] = [];
      run.steps(
        6,
        (block) => {
          writer.block(block, run.names);
          counts.push(writer.records - partOf(files).records);
          now += 400;
        },
        1,
      );
      return counts;
    };
    const behind = shown('buffered');
    expect(behind.map((count) => count === 0)).toEqual([false, false, false, true, false, false]);
    expect(shown('sync').every((count) => count > 0)).toBe(true);
  });

  it.each(['ENOSPC', 'EIO'])('is gone, as no run can be continued from it, when any call for a draft fails with %s', (code) => {
    const write = (files: MemoryFiles): void => {
      const run = new SyntheticRun();
      const writer = JournalWriter.open({ path: PATH, files }, run.start, { mode: 'buffered' });
      run.steps(
        4,
        (block) => {
          writer.block(block, run.names);
          writer.flush();
        },
        1,
      );
      writer.seal(END);
    };
    const clean = new MemoryFiles();
    write(clean);
    expect(clean.calls.filter((call) => call === 'write').length).toBeGreaterThan(4);
    for (let at = 0; at < clean.calls.indexOf('rename'); at++) {
      const files = new MemoryFiles({ at, code });
      expect(() => write(files), `${clean.calls[at]} ${at}`).toThrow(code);
      expect([...files.contents.keys()], `${clean.calls[at]} ${at}`).toEqual([]);
    }
  });

  it('has nothing of a longer draft behind what took its place, and is gone when any call for that fails', () => {
    const bytes = (byte: number, count: number): Uint8Array => new Uint8Array(count).fill(byte);
    const write = (files: MemoryFiles): string[] => {
      const shown: string[] = [];
      const file = PartFile.create({ path: PATH, files });
      for (const [kind, byte, count] of [
        ['draft', 1, 5],
        ['draft', 2, 3],
        ['draft', 3, 4],
        ['append', 4, 2],
        ['draft', 5, 2],
        ['append', 6, 1],
      ] as const) {
        file[kind](bytes(byte, count));
        file.flush();
        shown.push(files.contents.get(`${PATH}.part`)!.join(''));
      }
      file.draft(bytes(7, 1));
      file.commit();
      return [...shown, files.contents.get(PATH)!.join('')];
    };
    const clean = new MemoryFiles();
    expect(write(clean)).toEqual(['11111', '222', '3333', '44', '4455', '446', '446']);
    const until = clean.calls.indexOf('rename');
    expect(until).toBe(13);
    for (let at = 0; at < until; at++) {
      const files = new MemoryFiles({ at, code: 'EIO' });
      expect(() => write(files), `${clean.calls[at]} ${at}`).toThrow('EIO');
      expect([...files.contents.keys()], `${clean.calls[at]} ${at}`).toEqual([]);
    }
  });

  it('can be written on where its writer was killed behind a draft', () => {
    const files = new MemoryFiles();
    const run = new SyntheticRun();
    const writer = JournalWriter.open({ path: PATH, files }, run.start, { mode: 'buffered' });
    run.steps(30, (block) => writer.block(block, run.names), 30);
    writer.flush();
    const left = files.contents.get(`${PATH}.part`)!;
    const { writer: next, records } = reopenJournal({ path: PATH, files }, memorySource(left), { mode: 'buffered' });
    expect(records).toBe(writer.records);
    next.seal(END);
    expect(verifyJournal(memorySource(files.contents.get(PATH)!))).toMatchObject({ ok: true, sealed: true, records });
  });
});
