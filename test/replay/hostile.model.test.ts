/** Made-up bytes: whatever they are, nothing but a typed error comes out. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../replay/crc32c.ts';
import { JournalError } from '../../replay/errors.ts';
import { stateAt } from '../../replay/fold.ts';
import { FoldError } from '../../replay/folder.ts';
import { HEADER_BYTES } from '../../replay/header.ts';
import { verifyJournal } from '../../replay/integrity.ts';
import { openJournal } from '../../replay/open.ts';
import { memorySource } from '../../replay/source.ts';
import { assembled, framesOf, joined, rewritten } from './surgery.ts';
import { syntheticJournal } from './synthetic.ts';

const { content } = syntheticJournal(60, {}, { checkpointEvery: 50 });
const frames = framesOf(content);

/** Reads everything there is to read. Anything but the errors of the journal fails the test. */
function readAll(bytes: Uint8Array): void {
  verifyJournal(memorySource(bytes));
  try {
    const journal = openJournal(memorySource(bytes));
    for (const _ of journal.recordsFrom());
    for (const _ of journal.recordsBefore(journal.records + 1));
    for (const _ of journal.choices());
    if (journal.records > 0) stateAt(journal, journal.steps);
  } catch (error) {
    if (!(error instanceof JournalError) && !(error instanceof FoldError)) throw error;
  }
}

const edits = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80, 0xc1, 0xdd, 0xff))), {
  minLength: 1,
  maxLength: 6,
});
const edited = (bytes: Uint8Array, changes: readonly (readonly [number, number])[]) => {
  const copy = bytes.slice();
  for (const [at, value] of changes) copy[at % copy.length] = value;
  return copy;
};

describe('made-up bytes', () => {
  it('are refused when nothing fits', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => readAll(bytes)));
  });

  it('are refused behind a good header and start frame', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => readAll(joined(content.slice(0, frames[0]!.end), bytes))));
  });

  it('are refused in a file header whose checksum fits', () => {
    fc.assert(
      fc.property(edits, (changes) => {
        const bytes = joined(edited(content.slice(0, HEADER_BYTES), changes), content.slice(HEADER_BYTES));
        new DataView(bytes.buffer).setUint32(124, crc32c(bytes, 0, 124), true);
        readAll(bytes);
      }),
    );
  });

  it('are refused in payloads whose checksums, chain and seal fit', () => {
    fc.assert(
      fc.property(fc.nat(frames.length - 1), edits, (which, changes) => {
        let at = 0;
        readAll(rewritten(content, (piece) => (at++ === which ? { ...piece, payload: edited(piece.payload, changes) } : piece)));
      }),
      { numRuns: 2000 },
    );
  });

  it('are refused as payloads and counts of frames whose checksums fit', () => {
    const piece = fc.record({
      type: fc.integer({ min: 1, max: 6 }),
      firstSeq: fc.constantFrom(1, 2, 0),
      firstStep: fc.constantFrom(0, 1),
      records: fc.constantFrom(0, 1, 5, 2 ** 32 - 1),
      steps: fc.constantFrom(0, 1, 2 ** 32 - 1),
      payload: fc.uint8Array({ minLength: 1, maxLength: 60 }),
    });
    const { header, payload } = frames[0]!;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 4 }), (pieces) =>
        readAll(assembled(content.slice(0, HEADER_BYTES), [{ ...header, payload }, ...pieces])),
      ),
    );
  });

  it('cannot ask for more memory than they are worth', () => {
    const bytes = rewritten(content, (piece) => (piece.type === 2 ? { ...piece, records: 2 ** 32 - 1, steps: 2 ** 31 } : piece));
    const before = process.memoryUsage().arrayBuffers;
    expect(verifyJournal(memorySource(bytes)).ok).toBe(false);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 24);
  });
});
