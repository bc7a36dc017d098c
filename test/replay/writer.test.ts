/** Writing: modes, names, acknowledgements, and a disk that fails at the n-th call. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { JournalWriteError } from '../../replay/errors.ts';
import { fileSource } from '../../replay/file-source.ts';
import { realFiles } from '../../replay/files.ts';
import { RECORDS } from '../../replay/frame.ts';
import { verifyJournal } from '../../replay/integrity.ts';
import { openJournal } from '../../replay/open.ts';
import { memorySource } from '../../replay/source.ts';
import { JournalWriter, type Sealed, type WriterMode } from '../../replay/writer.ts';
import type { BlockSink } from '../../sim/sequencer.ts';
import { openSession } from '../../sim/session.ts';
import { shipped } from '../sim/play.ts';
import { MemoryFiles } from './memory-files.ts';
import { framesOf } from './surgery.ts';
import { END, SyntheticRun, startOf, syntheticJournal } from './synthetic.ts';

const PATH = 'runs/a.wsj';

function write(files: MemoryFiles, mode: 'buffered' | 'sync', steps = 400): Sealed {
  const run = new SyntheticRun();
  const writer = JournalWriter.open({ path: PATH, files }, run.start, { mode, checkpointEvery: 500 });
  run.steps(
    steps,
    (block) => {
      writer.block(block, run.names);
      writer.acknowledge();
    },
    300,
  );
  return writer.seal(END);
}

describe('modes', () => {
  it('write the same bytes to memory and to a buffered file', () => {
    const files = new MemoryFiles();
    const { content, root } = syntheticJournal(400, {}, { checkpointEvery: 500 });
    expect(write(files, 'buffered')).toMatchObject({ root, content: null, bytes: content.length });
    expect([...files.contents.keys()]).toEqual([PATH]);
    expect(files.contents.get(PATH)).toEqual(content);
  });

  it('write the same bytes twice in sync mode, and the same records as in the others', () => {
    const [one, two] = [new MemoryFiles(), new MemoryFiles()];
    expect(write(one, 'sync')).toEqual(write(two, 'sync'));
    expect(one.contents.get(PATH)).toEqual(two.contents.get(PATH));
    const journal = openJournal(memorySource(one.contents.get(PATH)!));
    const other = openJournal(memorySource(syntheticJournal(400).content));
    expect([...journal.recordsFrom()]).toEqual([...other.recordsFrom()]);
  });

  it('wait for the disk at each acknowledgement in sync mode only', () => {
    const [sync, buffered] = [new MemoryFiles(), new MemoryFiles()];
    write(sync, 'sync');
    write(buffered, 'buffered');
    expect(sync.calls.filter((call) => call === 'datasync').length).toBeGreaterThan(3);
    // Nor does the name of the unfinished file outlast a loss of power without this.
    expect(sync.calls.slice(0, 2)).toEqual(['open', 'syncFolder']);
    expect(sync.calls.slice(-5)).toEqual(['write', 'sync', 'close', 'rename', 'syncFolder']);
    expect(buffered.calls.filter((call) => call.includes('sync'))).toEqual([]);
  });

  it('acknowledge what the file holds', () => {
    const files = new MemoryFiles();
    const run = new SyntheticRun();
    const writer = JournalWriter.open({ path: PATH, files }, run.start, { mode: 'sync' });
    run.steps(
      50,
      (block) => {
        writer.block(block, run.names);
        expect(writer.acknowledge()).toBe(writer.records);
        expect(openJournal(memorySource(files.contents.get(`${PATH}.part`)!)).records).toBe(writer.records);
      },
      1,
    );
    expect(writer.acknowledge()).toBe(run.records);
  });
});

describe('a run without records', () => {
  it('is a journal too', () => {
    const writer = JournalWriter.open(null, startOf(['pcpu:0']), { mode: 'memory' });
    const { content, records, steps } = writer.seal({ ...END, ended: 'stopped' });
    const source = memorySource(content!);
    expect({ records, steps }).toEqual({ records: 0, steps: 0 });
    expect(verifyJournal(source)).toMatchObject({ ok: true, sealed: true, records: 0 });
    expect([...openJournal(source).recordsFrom(), ...openJournal(source).recordsBefore(5), ...openJournal(source).digests()]).toEqual([]);
    expect(() => openJournal(source).stepEnd(0)).toThrow('the journal has no steps');
  });
});

describe('a seal', () => {
  const violation = { property: 'rmp.owner', step: 9, message: 'two owners' };

  it.each([
    ['a run that is done', END, 0],
    ['a run that breaks a property at a later step', { ...END, verdict: 'violation', ended: 'violation', violation }, 5],
  ] as const)('is refused where the records of %s were not handed over, and leaves no file', (_name, end, steps) => {
    const files = new MemoryFiles();
    const run = new SyntheticRun();
    const writer = JournalWriter.open({ path: PATH, files }, run.start, { mode: 'buffered' });
    if (steps > 0) run.steps(steps, (block) => writer.block(block, run.names), steps);
    expect(() => writer.seal(end)).toThrow(/expected all of them: flush\(\) hands over the rest/);
    expect([...files.contents.keys()]).toEqual([]);
  });

  it('has all records of a run that has ended, though nothing was flushed', () => {
    let writer: JournalWriter | null = null;
    const sink: BlockSink = (block, names) => writer!.block(block, names);
    const { run, start } = openSession({ scenario: shipped('rmp-host-write-race'), engine: 'memo', chooser: { name: 'fifo' }, sink });
    writer = JournalWriter.open(null, start, { mode: 'memory' });
    run.start();
    run.toEnd();
    const { records, steps } = writer.seal(run.stop());
    expect({ records, steps }).toEqual({ records: run.sequencer.seq, steps: run.sequencer.step });
    expect(records).toBeGreaterThan(10);
  });
});

describe('a caller that is wrong', () => {
  const run = new SyntheticRun();

  it.each([
    ['a seed that is negative', { seed: -1 }, /seed -1/],
    ['a seed over 2^53', { seed: 2 ** 60 }, /seed/],
    ['a model id that is no hash', { modelId: 'abc' }, /model id "abc"/],
    ['a scenario that is not plain data', { scenario: { at: Number.NaN } }, /NaN/],
  ])('is told about %s before a file exists', (_name, part, message) => {
    const files = new MemoryFiles();
    expect(() => JournalWriter.open({ path: PATH, files }, { ...run.start, ...part }, { mode: 'sync' })).toThrow(message);
    expect(files.calls).toEqual([]);
  });

  it('is told about a mode that does not fit the target', () => {
    expect(() => JournalWriter.open(null, run.start, { mode: 'sync' })).toThrow('mode sync needs a file');
    expect(() => JournalWriter.open({ path: PATH, files: new MemoryFiles() }, run.start, { mode: 'memory' })).toThrow(
      'mode memory takes no file',
    );
  });

  it('is told about records that do not follow, and about use after the seal', () => {
    const later = new SyntheticRun();
    const writer = JournalWriter.open(null, later.start, { mode: 'memory' });
    expect(() => later.steps(40, (block) => block.firstStep > 0 && writer.block(block, later.names), 20)).toThrow(
      /does not follow record 0/,
    );
    writer.seal({ ...END, ended: 'stopped' });
    expect(() => writer.seal(END)).toThrow('closed');
    expect(() => writer.acknowledge()).toThrow('closed');
  });

  it('finds no partial file after records that cannot be written', () => {
    const files = new MemoryFiles();
    const wrong = new SyntheticRun();
    const writer = JournalWriter.open({ path: PATH, files }, wrong.start, { mode: 'buffered' });
    const act = () =>
      wrong.steps(9, (block) => {
        block.stepNs[3] = 0.5;
        writer.block(block, wrong.names);
      });
    expect(act).toThrow('step 3 costs 0.5 ns');
    expect(() => writer.seal(END)).toThrow('step 3 costs 0.5 ns');
    expect(files.contents.size).toBe(0);
  });
});

describe('a file', () => {
  it('is not taken from another writer: the next one is refused, or has a name of its own', () => {
    const files = new MemoryFiles();
    const open = (part: 'known' | 'own') => JournalWriter.open({ path: PATH, files, part }, new SyntheticRun().start, { mode: 'buffered' });
    open('known').release();
    const left = files.contents.get(`${PATH}.part`);
    expect(() => open('known')).toThrow(expect.objectContaining({ code: 'EEXIST', operation: 'open', path: `${PATH}.part` }));
    expect(files.contents.get(`${PATH}.part`)).toBe(left);
    const others = [open('own'), open('own'), open('own')];
    expect(files.contents.size).toBe(4);
    for (const writer of others) writer.discard();
    expect([...files.contents.keys()]).toEqual([`${PATH}.part`]);
    expect(files.openFiles).toBe(0);
  });

  it('takes short writes and interrupted ones as they come', () => {
    const whole = new MemoryFiles();
    write(whole, 'buffered');
    for (const files of [new MemoryFiles(null, 7), new MemoryFiles({ at: 1, call: 'write', code: 'EINTR' })]) {
      write(files, 'buffered');
      expect(files.contents.get(PATH)).toEqual(whole.contents.get(PATH));
    }
  });

  it('fails when a write takes nothing', () => {
    const files = new MemoryFiles(null, 0);
    expect(() => write(files, 'buffered')).toThrow(
      expect.objectContaining({ name: 'JournalWriteError', operation: 'write', code: 'ESHORT' }),
    );
    expect(files.contents.size).toBe(0);
  });

  it.each(['ENOSPC', 'EIO', 'EACCES'])(
    'leaves nothing behind when any one call fails with %s, but for a whole file that only lacks its name',
    (code) => {
      for (const mode of ['buffered', 'sync'] as const) {
        const clean = new MemoryFiles();
        write(clean, mode);
        for (let at = 0; at < clean.calls.length; at++) {
          const files = new MemoryFiles({ at, code });
          const failing = clean.calls[at]!;
          let error: unknown;
          try {
            write(files, mode);
          } catch (thrown) {
            error = thrown;
          }
          expect(error, `${failing} ${at}`).toBeInstanceOf(JournalWriteError);
          expect(error).toMatchObject({ code, message: expect.stringContaining(code) });
          const kept = failing === 'rename' ? `${PATH}.part` : at === clean.calls.length - 1 ? PATH : null;
          expect(error).toMatchObject({ kept });
          expect([...files.contents.keys()], `${failing} ${at}`).toEqual(kept === null ? [] : [kept]);
          if (kept !== null) expect(files.contents.get(kept)).toEqual(clean.contents.get(PATH));
        }
      }
    },
  );

  it('says so when the partial file cannot be removed, and stays failed', () => {
    const files = new MemoryFiles({ at: 1, call: 'write', code: 'ENOSPC' });
    files.remove = () => {
      throw new Error('EROFS');
    };
    const run = new SyntheticRun();
    const writer = JournalWriter.open({ path: PATH, files }, run.start, { mode: 'sync' });
    const act = () =>
      run.steps(
        30,
        (block) => {
          writer.block(block, run.names);
          writer.acknowledge();
        },
        10,
      );
    expect(act).toThrow(`${PATH}.part could not be removed`);
    expect(() => writer.seal(END)).toThrow(JournalWriteError);
    expect([...files.contents.keys()]).toEqual([`${PATH}.part`]);
  });
});

describe('the file system of the machine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'worldswitch-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['buffered', 'sync'] satisfies WriterMode[])('holds a journal that was written in %s mode', (mode) => {
    const path = join(folder, `${mode}.wsj`);
    const run = new SyntheticRun();
    const writer = JournalWriter.open({ path, files: realFiles }, run.start, { mode });
    run.steps(3000, (block) => {
      writer.block(block, run.names);
      writer.acknowledge();
    });
    expect(readdirSync(folder)).toContain(`${mode}.wsj.part`);
    const { root, bytes } = writer.seal(END);
    expect(readdirSync(folder)).not.toContain(`${mode}.wsj.part`);
    const source = fileSource(path);
    expect(source.size).toBe(bytes);
    expect(verifyJournal(source, { root })).toMatchObject({ ok: true, sealed: true });
    source.close();
    expect(framesOf(readFileSync(path)).filter(({ header }) => header.type === RECORDS).length).toBeGreaterThan(2);
  });

  it('names the folder that is not there', () => {
    const path = join(folder, 'nowhere', 'a.wsj');
    const open = () => JournalWriter.open({ path, files: realFiles }, new SyntheticRun().start, { mode: 'buffered' });
    expect(open).toThrow(expect.objectContaining({ name: 'JournalWriteError', code: 'ENOENT', operation: 'open' }));
  });
});
