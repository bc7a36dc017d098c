/** Every injury that peers of the journal are known to have met: torn ends are recovered, all else is refused with its place. */
import { describe, expect, it } from 'vitest';
import { JournalDamagedError, JournalError, JournalTooNewError, JournalTornError, NotAJournalError } from '../../replay/errors.ts';
import { crc32c } from '../../replay/crc32c.ts';
import { CHECKPOINT, FRAME_HEADER_BYTES, INDEX, RECORDS, SEAL, START } from '../../replay/frame.ts';
import { HEADER_BYTES } from '../../replay/header.ts';
import { verifyJournal } from '../../replay/integrity.ts';
import { openJournal } from '../../replay/open.ts';
import type { Journal } from '../../replay/reader.ts';
import { memorySource } from '../../replay/source.ts';
import { JournalWriter } from '../../replay/writer.ts';
import { assembled, flipped, frameOfType, framesOf, joined, rewritten } from './surgery.ts';
import { END, SyntheticRun, syntheticJournal } from './synthetic.ts';

const open = (bytes: Uint8Array): Journal => openJournal(memorySource(bytes));
const verify = (bytes: Uint8Array) => verifyJournal(memorySource(bytes));

/** Small, with every type of frame and blocks that are closed early. */
function small(seed = 1): Uint8Array {
  const run = new SyntheticRun({ seed, actors: 2, variety: 3, events: 2, fields: 1 });
  const parts: Uint8Array[] = [];
  const files = {
    open: () => 3,
    write: (_fd: number, bytes: Uint8Array, offset: number, length: number) => {
      parts.push(bytes.slice(offset, offset + length));
      return length;
    },
    datasync() {},
    sync() {},
    truncate() {},
    close() {},
    rename() {},
    remove() {},
    syncFolder() {},
  };
  const writer = JournalWriter.open({ path: 'small.wsj', files }, run.start, { mode: 'sync', checkpointEvery: 10 });
  run.steps(
    14,
    (block) => {
      writer.block(block, run.names);
      writer.acknowledge();
    },
    12,
  );
  writer.seal(END);
  return joined(...parts);
}

const sealed = small();
const frames = framesOf(sealed);
const indexFrame = frameOfType(sealed, INDEX);
const unsealed = sealed.subarray(0, indexFrame.offset);
const recordFrames = frames.filter(({ header }) => header.type === RECORDS);
const lastFrame = framesOf(unsealed).at(-1)!;

/** The error that both opening with reading everything, and verifying, end with. */
function refusal(bytes: Uint8Array): JournalError {
  const { problem } = verify(bytes);
  if (!problem) throw new Error('verify found nothing wrong');
  return problem;
}

const damage = (bytes: Uint8Array): JournalDamagedError => {
  const error = refusal(bytes);
  if (!(error instanceof JournalDamagedError)) throw error;
  return error;
};

describe('the journal under test', () => {
  it('has every type of frame and verifies', () => {
    expect(new Set(frames.map(({ header }) => header.type))).toEqual(new Set([START, RECORDS, CHECKPOINT, INDEX, SEAL]));
    expect(verify(sealed)).toMatchObject({ ok: true, sealed: true, torn: null });
    expect(verify(unsealed)).toMatchObject({ ok: true, sealed: false, torn: null });
  });
});

describe('a journal cut off at any byte', () => {
  it('is refused before its start frame is whole, and recovered after', () => {
    for (let length = 0; length < sealed.length; length++) {
      const bytes = sealed.subarray(0, length);
      if (length < 8) expect(() => open(bytes)).toThrow(NotAJournalError);
      else if (length < frames[0]!.end) expect(() => open(bytes)).toThrow(JournalTornError);
      else {
        const whole = frames.filter(({ end }) => end <= length);
        const journal = open(bytes);
        const { end } = whole.at(-1)!;
        expect(journal.sealed).toBe(false);
        expect(journal.torn === null ? null : [journal.torn.offset, journal.torn.lostBytes]).toEqual(end === length ? null : [end, length - end]);
        expect(journal.records).toBe(whole.reduce((sum, { header }) => sum + header.records, 0));
        expect([...journal.recordsFrom()].length).toBe(journal.records);
        expect(verify(bytes)).toMatchObject({ ok: true, sealed: false, torn: journal.torn });
      }
    }
  });
});

describe('a flipped bit', () => {
  const expected = (at: number) => (at < HEADER_BYTES ? { offset: 0, frame: 0 } : frames.find(({ end }) => at < end)!);

  it.each([
    ['a sealed', sealed],
    ['an unsealed', unsealed],
  ])('in any byte of %s journal is damage, with its place', (_name, bytes) => {
    for (let at = 0; at < bytes.length; at++) {
      const error = refusal(flipped(bytes, at, 1 << (at % 8)));
      if (at < 8) expect(error).toBeInstanceOf(NotAJournalError);
      else {
        expect(error).toBeInstanceOf(JournalDamagedError);
        const { offset, frame } = expected(at);
        expect(error).toMatchObject({ offset, frame });
      }
    }
  });

  it('is met by whoever reads the frame, also through the index', () => {
    for (const { offset, frame } of recordFrames) {
      const journal = open(flipped(sealed, offset + FRAME_HEADER_BYTES + 5));
      expect(() => [...journal.recordsFrom()]).toThrow(expect.objectContaining({ name: 'JournalDamagedError', offset, frame }));
    }
  });
});

describe('frames out of place', () => {
  const [first, second] = [recordFrames[1]!, recordFrames[2]!];
  const cut = ({ offset, end }: { offset: number; end: number }, bytes = sealed) => bytes.slice(offset, end);

  it('refuses two frames that changed places', () => {
    const between = sealed.slice(first.end, second.offset);
    const bytes = joined(sealed.slice(0, first.offset), cut(second), between, cut(first), sealed.slice(second.end));
    expect(damage(bytes)).toMatchObject({ offset: first.offset, frame: first.frame });
  });

  it.each(frames.map((frame) => [frame.frame, frame] as const))('refuses a second copy of frame %i', (_number, frame) => {
    const bytes = joined(sealed.slice(0, frame.end), cut(frame), sealed.slice(frame.end));
    expect(damage(bytes)).toMatchObject({ offset: frame.end, frame: frame.frame + 1 });
  });

  it.each(frames.slice(0, -1).map((frame) => [frame.frame, frame] as const))('refuses a file without frame %i', (_number, frame) => {
    const bytes = joined(sealed.slice(0, frame.offset), sealed.slice(frame.end));
    expect(damage(bytes)).toMatchObject({ offset: frame.offset, frame: frame.frame });
  });

  it('refuses a frame of another run, also at a torn end', () => {
    const other = small(2);
    const foreign = framesOf(other).find(({ header }) => header.type === RECORDS)!;
    const own = recordFrames[0]!;
    const bytes = joined(sealed.slice(0, own.offset), cut(foreign, other), sealed.slice(own.end));
    expect(damage(bytes)).toMatchObject({ offset: own.offset, frame: own.frame });
    expect(damage(joined(sealed.slice(0, own.offset), cut(foreign, other).slice(0, -9)))).toMatchObject({ offset: own.offset });
    expect(damage(joined(sealed.slice(0, own.offset), cut(foreign, other).slice(0, 50)))).toMatchObject({ offset: own.offset });
  });

  it('refuses the header of another run before its own frames', () => {
    expect(damage(joined(small(2).slice(0, HEADER_BYTES), sealed.slice(HEADER_BYTES)))).toMatchObject({ offset: HEADER_BYTES, frame: 1 });
  });

  it('refuses whatever follows the seal, zeros too', () => {
    expect(damage(joined(sealed, new Uint8Array(1)))).toMatchObject({ offset: sealed.length, frame: frames.length + 1 });
    expect(damage(joined(sealed, sealed.slice(HEADER_BYTES)))).toMatchObject({ offset: sealed.length });
  });
});

describe('what a crash of the machine leaves', () => {
  const large = syntheticJournal(700, { variety: 40 }).content;
  const body = large.subarray(0, frameOfType(large, INDEX).offset);
  const tail = framesOf(body).at(-1)!;
  const zeroed = (bytes: Uint8Array, sector: number) => bytes.slice().fill(0, Math.max(512 * sector, HEADER_BYTES), Math.min(512 * (sector + 1), bytes.length));

  it('is torn where zeros follow the last good frame', () => {
    for (const zeros of [1, 4, 63, 64, 68, 511, 512, 100_000]) {
      const bytes = joined(unsealed, new Uint8Array(zeros));
      expect(open(bytes).torn).toEqual({ offset: unsealed.length, lostBytes: zeros, reason: 'only zeros follow' });
    }
    expect(open(joined(body.slice(0, tail.offset + 700), new Uint8Array(5000))).torn).toMatchObject({ offset: tail.offset });
  });

  it('is torn where sectors of the last frame are zero, and damage where they are of an earlier one', () => {
    const start = framesOf(body)[0]!;
    for (let sector = 1; 512 * sector < body.length; sector++) {
      if (512 * (sector + 1) <= start.end) continue;
      const bytes = zeroed(body, sector);
      if (512 * sector < tail.offset) expect(damage(bytes).offset).toBeLessThanOrEqual(512 * sector);
      else expect(verify(bytes)).toMatchObject({ ok: true, torn: { offset: tail.offset, reason: 'whole sectors of the last frame are zero' } });
    }
  });

  it('is damage in a sealed journal', () => {
    for (let sector = 1; 512 * sector < large.length - 512; sector++) expect(verify(zeroed(large, sector)).problem).toBeInstanceOf(JournalDamagedError);
  });

  it('is damage where something else than zeros or the start of a frame follows', () => {
    for (const tailBytes of [Uint8Array.of(1), new Uint8Array(40).fill(7), new Uint8Array(300).fill(7), joined(new Uint8Array(30), Uint8Array.of(1))]) {
      expect(damage(joined(unsealed, tailBytes))).toMatchObject({ offset: unsealed.length });
    }
  });

  it('is damage where the last frame is whole and one of its bits is not', () => {
    expect(damage(flipped(unsealed, lastFrame.end - 10))).toMatchObject({ offset: lastFrame.offset, frame: lastFrame.frame });
  });
});

describe('a header that lies under a valid checksum', () => {
  const lying = (bytes: Uint8Array, frame: { offset: number }, write: (view: DataView) => void) => {
    const copy = bytes.slice();
    const view = new DataView(copy.buffer, frame.offset, FRAME_HEADER_BYTES);
    write(view);
    view.setUint32(60, crc32c(copy, frame.offset, frame.offset + 60), true);
    return copy;
  };
  const target = recordFrames[1]!;

  it.each([
    ['0', 0],
    ['-1', 0xffffffff],
    ['over the limit', 64 * 1024 * 1024 + 1],
    ['too small', 10],
  ])('is refused when its length is %s', (_name, length) => {
    for (const frame of [target, lastFrame]) expect(damage(lying(unsealed, frame, (view) => view.setUint32(8, length, true)))).toMatchObject({ offset: frame.offset });
  });

  it.each([
    ['count of records', (view: DataView) => view.setUint32(12, 4_000_000_000, true)],
    ['count of steps', (view: DataView) => view.setUint32(32, 1, true)],
    ['first record', (view: DataView) => view.setBigUint64(16, 2n ** 63n, true)],
    ['first step', (view: DataView) => view.setBigUint64(24, 0n, true)],
    ['type', (view: DataView) => view.setUint16(4, 99, true)],
  ])('is refused when it lies about its %s', (_name, write) => {
    expect(damage(lying(sealed, target, write))).toMatchObject({ offset: target.offset, frame: target.frame });
  });

  it('is torn when its length reaches past the end', () => {
    expect(open(lying(unsealed, lastFrame, (view) => view.setUint32(8, 60_000, true))).torn).toMatchObject({ offset: lastFrame.offset });
  });

  it('is too new when it says that the payload is compressed, or uses an unknown flag', () => {
    expect(refusal(lying(sealed, target, (view) => view.setUint16(6, 1, true)))).toMatchObject({ name: 'JournalTooNewError', message: expect.stringContaining('is compressed') });
    expect(refusal(lying(sealed, target, (view) => view.setUint16(6, 0x80, true)))).toBeInstanceOf(JournalTooNewError);
  });

  it('is too new when the file asks for a newer reader, and read when only its writer was newer', () => {
    const versioned = (at: number) => {
      const copy = sealed.slice();
      copy[at] = 2;
      new DataView(copy.buffer).setUint32(124, crc32c(copy, 0, 124), true);
      return copy;
    };
    expect(() => open(versioned(10))).toThrow(JournalTooNewError);
    const pieces = frames.map(({ header, payload }) => ({ ...header, payload }));
    expect(open(assembled(versioned(8), pieces.slice(0, -2))).header.formatVersion).toBe(2);
  });
});

describe('a writer that is wrong, or lies', () => {
  it('may use a type of frame that nobody knows: it is skipped', () => {
    const extra = (after: { firstSeq: number; firstStep: number; records: number; steps: number }) => ({
      type: 77,
      firstSeq: after.firstSeq + after.records,
      firstStep: after.firstStep + after.steps,
      records: 0,
      steps: 0,
      payload: Uint8Array.of(1, 2, 3),
    });
    const bytes = rewritten(unsealed, (piece) => [piece, extra(piece)]);
    expect(framesOf(bytes).length).toBe(2 * framesOf(unsealed).length);
    expect([...open(bytes).recordsFrom()]).toEqual([...open(unsealed).recordsFrom()]);
  });

  it('is caught with a payload that does not decode', () => {
    for (const { frame, offset, header } of frames) {
      const bytes = rewritten(sealed, (piece) => (piece.type === header.type && piece.firstSeq === header.firstSeq ? { ...piece, payload: Uint8Array.of(0xc1, 0xc1) } : piece));
      expect(damage(bytes)).toMatchObject({ frame, offset });
    }
  });

  it('is caught with an index that is about other blocks', () => {
    const { payload } = indexFrame;
    let caught = 0;
    for (let at = 3; at < payload.length; at++) {
      const lie = rewritten(sealed, (piece) => (piece.type === INDEX ? { ...piece, payload: flipped(payload, at, 1) } : piece));
      expect(damage(lie).offset).toBe(indexFrame.offset);
      // Whoever trusts the index gets the right records or a typed error, never wrong ones.
      try {
        expect([...open(lie).recordsFrom()]).toEqual([...open(sealed).recordsFrom()]);
      } catch (error) {
        expect(error).toBeInstanceOf(JournalError);
        caught++;
      }
    }
    expect(caught).toBeGreaterThan(5);
  });

  it('is caught with a checkpoint that is another state', () => {
    const checkpoint = frameOfType(sealed, CHECKPOINT);
    for (let at = 1; at < checkpoint.payload.length; at++) {
      const lie = rewritten(sealed, (piece) => (piece.type === CHECKPOINT && piece.firstSeq === checkpoint.header.firstSeq ? { ...piece, payload: flipped(checkpoint.payload, at, 1) } : piece));
      expect(damage(lie)).toMatchObject({ offset: checkpoint.offset });
    }
  });

  it('is caught with a root that is another one', () => {
    const { root } = verify(sealed);
    expect(verifyJournal(memorySource(sealed), { root: root!.toUpperCase() }).ok).toBe(true);
    const forged = rewritten(sealed, (piece) => (piece.type === SEAL ? { ...piece } : piece));
    expect(verifyJournal(memorySource(forged), { root: root! }).ok).toBe(true);
    expect(verifyJournal(memorySource(small(2)), { root: root! })).toMatchObject({ ok: false, problem: { name: 'WrongRootError' } });
  });
});
