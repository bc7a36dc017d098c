/** Files whose checksums are right and whose contents are not: a writer that is wrong, or lies. */
import { describe, expect, it } from 'vitest';
import type { RunEnd } from '../../events/journal.ts';
import { crc32c } from '../../replay/crc32c.ts';
import { JournalError, JournalTooNewError } from '../../replay/errors.ts';
import { CHECKPOINT, FRAME_HEADER_BYTES, INDEX, SEAL } from '../../replay/frame.ts';
import { HEADER_BYTES } from '../../replay/header.ts';
import { verifyJournal, WrongRootError } from '../../replay/integrity.ts';
import { memorySource } from '../../replay/source.ts';
import { damage, frames, indexFrame, lastFrame, open, recordFrames, refusal, sealed, smallJournal, unsealed, verify } from './small.ts';
import { assembled, flipped, frameOfType, framesOf, rewritten } from './surgery.ts';
import { END } from './synthetic.ts';

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
    for (const frame of [target, lastFrame])
      expect(damage(lying(unsealed, frame, (view) => view.setUint32(8, length, true)))).toMatchObject({ offset: frame.offset });
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
    expect(refusal(lying(sealed, target, (view) => view.setUint16(6, 1, true)))).toMatchObject({
      name: 'JournalTooNewError',
      message: expect.stringContaining('is compressed'),
    });
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
    expect(open(assembled(versioned(8).slice(0, HEADER_BYTES), pieces.slice(0, -2))).header.formatVersion).toBe(2);
  });
});

describe('a writer that is wrong, or lies', () => {
  it('may use an unknown type of frame, which is skipped', () => {
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
      const bytes = rewritten(sealed, (piece) =>
        piece.type === header.type && piece.firstSeq === header.firstSeq ? { ...piece, payload: Uint8Array.of(0xc1, 0xc1) } : piece,
      );
      expect(damage(bytes)).toMatchObject({ frame, offset });
    }
  });

  it('is caught with an index that is about other blocks', () => {
    const { payload } = indexFrame;
    let caught = 0;
    for (let at = 3; at < payload.length; at++) {
      const lie = rewritten(sealed, (piece) => (piece.type === INDEX ? { ...piece, payload: flipped(payload, at, 1) } : piece));
      expect(damage(lie).offset).toBe(indexFrame.offset);
      // A reader that trusts the index gets the right records or a typed error, never wrong ones.
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
      const lie = rewritten(sealed, (piece) =>
        piece.type === CHECKPOINT && piece.firstSeq === checkpoint.header.firstSeq
          ? { ...piece, payload: flipped(checkpoint.payload, at, 1) }
          : piece,
      );
      expect(damage(lie)).toMatchObject({ offset: checkpoint.offset });
    }
  });

  it.each([{ from: 3, length: 4 }, { from: 14, length: -1 }, { from: 13 }, 'often'])(
    'is caught with an end that comes back to %j',
    (comesBack) => {
      const end: RunEnd = { ...END, ended: 'bound', comesBack: comesBack as NonNullable<RunEnd['comesBack']> };
      expect(open(smallJournal(1, { ...end, comesBack: { from: 3, length: 10 } })).end).toMatchObject({
        comesBack: { from: 3, length: 10 },
      });
      expect(damage(smallJournal(1, end)).message).toContain('what comes back of the seal');
    },
  );

  it('is caught with a root that is another one', () => {
    const { root } = verify(sealed);
    expect(verifyJournal(memorySource(sealed), { root: root!.toUpperCase() }).ok).toBe(true);
    const forged = rewritten(sealed, (piece) => (piece.type === SEAL ? { ...piece } : piece));
    expect(verifyJournal(memorySource(forged), { root: root! }).ok).toBe(true);
    expect(verifyJournal(memorySource(smallJournal(2)), { root: root! })).toMatchObject({ ok: false, problem: expect.any(WrongRootError) });
  });
});
