/**
 * Every injury that peers of the journal are known to have met: torn ends are recovered, all else
 * is refused with its place.
 */
import { describe, expect, it } from 'vitest';
import { JournalDamagedError, JournalTornError, NotAJournalError } from '../../replay/errors.ts';
import { CHECKPOINT, FRAME_HEADER_BYTES, INDEX, RECORDS, SEAL, START } from '../../replay/frame.ts';
import { HEADER_BYTES } from '../../replay/header.ts';
import { damage, frames, lastFrame, open, recordFrames, refusal, sealed, smallJournal, unsealed, verify } from './small.ts';
import { flipped, frameOfType, framesOf, joined } from './surgery.ts';
import { syntheticJournal } from './synthetic.ts';

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
        expect(journal.torn === null ? null : [journal.torn.offset, journal.torn.lostBytes]).toEqual(
          end === length ? null : [end, length - end],
        );
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

  it('is met by every reader of the frame, also through the index', () => {
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
    const other = smallJournal(2);
    const foreign = framesOf(other).find(({ header }) => header.type === RECORDS)!;
    const own = recordFrames[0]!;
    const bytes = joined(sealed.slice(0, own.offset), cut(foreign, other), sealed.slice(own.end));
    expect(damage(bytes)).toMatchObject({ offset: own.offset, frame: own.frame });
    expect(damage(joined(sealed.slice(0, own.offset), cut(foreign, other).slice(0, -9)))).toMatchObject({ offset: own.offset });
    expect(damage(joined(sealed.slice(0, own.offset), cut(foreign, other).slice(0, 50)))).toMatchObject({ offset: own.offset });
  });

  it('refuses the header of another run before its own frames', () => {
    expect(damage(joined(smallJournal(2).slice(0, HEADER_BYTES), sealed.slice(HEADER_BYTES)))).toMatchObject({
      offset: HEADER_BYTES,
      frame: 1,
    });
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
  const zeroed = (bytes: Uint8Array, sector: number) =>
    bytes.slice().fill(0, Math.max(512 * sector, HEADER_BYTES), Math.min(512 * (sector + 1), bytes.length));

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
      else
        expect(verify(bytes)).toMatchObject({
          ok: true,
          torn: { offset: tail.offset, reason: 'whole sectors of the last frame are zero' },
        });
    }
  });

  it('is damage in a sealed journal', () => {
    for (let sector = 1; 512 * sector < large.length - 512; sector++)
      expect(verify(zeroed(large, sector)).problem).toBeInstanceOf(JournalDamagedError);
  });

  it('is damage where something else than zeros or the start of a frame follows', () => {
    for (const tailBytes of [
      Uint8Array.of(1),
      new Uint8Array(40).fill(7),
      new Uint8Array(300).fill(7),
      joined(new Uint8Array(30), Uint8Array.of(1)),
    ]) {
      expect(damage(joined(unsealed, tailBytes))).toMatchObject({ offset: unsealed.length });
    }
  });

  it('is damage where the last frame is whole and one of its bits is not', () => {
    expect(damage(flipped(unsealed, lastFrame.end - 10))).toMatchObject({ offset: lastFrame.offset, frame: lastFrame.frame });
  });
});
