/** Going on with what a killed writer left, and copying what is good out of a damaged file. */
import { describe, expect, it } from 'vitest';
import { JournalDamagedError } from '../../replay/errors.ts';
import { INDEX } from '../../replay/frame.ts';
import { verifyJournal } from '../../replay/integrity.ts';
import { openJournal } from '../../replay/open.ts';
import { reopenJournal, salvage } from '../../replay/recover.ts';
import { memorySource } from '../../replay/source.ts';
import { JournalWriter, type Sealed } from '../../replay/writer.ts';
import { MemoryFiles } from './memory-files.ts';
import { flipped, frameOfType, framesOf, joined, rewritten } from './surgery.ts';
import { END, SyntheticRun } from './synthetic.ts';

const PATH = 'a.wsj';
const PART = `${PATH}.part`;
const STEPS = 200;
const OPTIONS = { mode: 'sync', checkpointEvery: 300 } as const;

/**
 * Writes the run in blocks of about 100 records; `from` says with which record to begin, the ones
 * before are there already.
 */
function write(writer: JournalWriter, from = 1): Sealed {
  const run = new SyntheticRun();
  run.steps(
    STEPS,
    (block) => {
      if (block.firstSeq < from) return;
      writer.block(block, run.names);
      writer.acknowledge();
    },
    100,
  );
  return writer.seal(END);
}

const whole = (() => {
  const files = new MemoryFiles();
  write(JournalWriter.open({ path: PATH, files }, new SyntheticRun().start, OPTIONS));
  return files.contents.get(PATH)!;
})();
const frames = framesOf(whole);
const seal = frames.at(-1)!;
const recordsIn = (bytes: Uint8Array) => [...openJournal(memorySource(bytes)).recordsFrom()];
const allRecords = recordsIn(whole);

const filesWith = (bytes: Uint8Array) => {
  const files = new MemoryFiles();
  files.contents.set(PART, bytes);
  return files;
};

describe('reopening', () => {
  it('goes on after any frame, and ends with the very file that an undisturbed writer makes', () => {
    for (const { end } of frames.slice(0, -1)) {
      const files = filesWith(whole.slice(0, end));
      const { writer, torn, records } = reopenJournal({ path: PATH, files }, memorySource(whole.slice(0, end)), OPTIONS);
      expect(torn).toBeNull();
      write(writer, records + 1);
      expect([...files.contents.keys()]).toEqual([PATH]);
      expect(files.contents.get(PATH)).toEqual(whole);
    }
  });

  it('says what was torn, and goes on from before it', () => {
    for (const frame of frames.slice(1, -2)) {
      for (const bytes of [
        whole.slice(0, frame.offset + 30),
        whole.slice(0, frame.end - 1),
        joined(whole.slice(0, frame.offset), new Uint8Array(777)),
      ]) {
        const files = filesWith(bytes);
        const { writer, torn, records, steps } = reopenJournal({ path: PATH, files }, memorySource(bytes), OPTIONS);
        expect(torn).toMatchObject({ offset: frame.offset, lostBytes: bytes.length - frame.offset });
        expect(records).toBe(frame.header.firstSeq - 1);
        expect(steps).toBe(Math.max(frame.header.firstStep - 1, 0));
        write(writer, records + 1);
        const mended = files.contents.get(PATH)!;
        expect(verifyJournal(memorySource(mended))).toMatchObject({ ok: true, sealed: true });
        expect(recordsIn(mended)).toEqual(allRecords);
      }
    }
  });

  it('drops an index without a seal', () => {
    const index = frameOfType(whole, INDEX);
    const files = filesWith(whole.slice(0, index.end));
    const { writer, records } = reopenJournal({ path: PATH, files }, memorySource(whole.slice(0, index.end)), OPTIONS);
    expect(write(writer, records + 1).bytes).toBe(whole.length);
    expect(files.contents.get(PATH)).toEqual(whole);
  });

  it('refuses a damaged file and a sealed one, and leaves them alone', () => {
    for (const [bytes, error] of [
      [flipped(whole.slice(0, seal.offset), frames[3]!.offset + 99), JournalDamagedError],
      [whole, RangeError],
    ] as const) {
      const files = filesWith(bytes);
      expect(() => reopenJournal({ path: PATH, files }, memorySource(bytes), OPTIONS)).toThrow(error);
      expect(files.calls).toEqual([]);
    }
  });
});

describe('salvage', () => {
  it('copies the frames before the damage to a new journal without a seal', () => {
    for (const frame of frames.slice(1)) {
      const bytes = flipped(whole, frame.offset + 70);
      const { records, steps, lost, bytes: copied, content } = salvage(memorySource(bytes));
      expect(lost).toMatchObject({ offset: frame.offset, lostBytes: whole.length - frame.offset });
      const good = joined(...content);
      const journal = openJournal(memorySource(good));
      expect(good.length).toBe(copied);
      expect(good).toEqual(whole.slice(0, copied));
      expect(journal).toMatchObject({ records, steps, sealed: false, torn: null });
      expect(verifyJournal(memorySource(good))).toMatchObject({ ok: true, sealed: false, records, steps });
    }
  });

  it('leaves a torn end behind, and seal and index', () => {
    expect(salvage(memorySource(whole.slice(0, frames[4]!.end - 1))).lost).toMatchObject({ offset: frames[4]!.offset });
    expect(salvage(memorySource(whole))).toMatchObject({ lost: null, bytes: frameOfType(whole, INDEX).offset });
  });

  it('refuses where not even the start frame is good', () => {
    for (const bytes of [flipped(whole, 40), flipped(whole, 200), whole.slice(0, 300), new Uint8Array(9)]) {
      expect(() => salvage(memorySource(bytes))).toThrow();
    }
  });

  it('stops before a block that does not decode, although its checksums fit', () => {
    const frame = frames[5]!;
    const bytes = rewritten(whole.slice(0, seal.offset), (piece) =>
      piece.firstSeq === frame.header.firstSeq && piece.records > 0 ? { ...piece, payload: Uint8Array.of(0x90) } : piece,
    );
    const { lost, records } = salvage(memorySource(bytes));
    expect(lost!.offset).toBeLessThanOrEqual(frame.offset);
    expect(records).toBeLessThan(frame.header.firstSeq);
  });
});
