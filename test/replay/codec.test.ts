/**
 * Records in, bytes out, the same records back: for any run, and however its records were handed
 * over.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../events/journal.ts';
import { decodePlain, encodeShared } from '../../replay/codec-msgpack.ts';
import { UndecodableError } from '../../replay/errors.ts';
import { verifyJournal } from '../../replay/integrity.ts';
import { openJournal } from '../../replay/open.ts';
import { memorySource } from '../../replay/source.ts';
import { JournalWriter } from '../../replay/writer.ts';
import { recordsOf } from '../../sim/records.ts';
import { END, SyntheticRun, syntheticJournal } from './synthetic.ts';

const options = fc.record({
  actors: fc.integer({ min: 1, max: 9 }),
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  variety: fc.integer({ min: 1, max: 30 }),
  fields: fc.integer({ min: 0, max: 5 }),
});

describe('a record block', () => {
  it('gives back the records that the sequencer shows to observers', () => {
    fc.assert(
      fc.property(options, fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 60 }), (made, steps, blockRecords) => {
        const run = new SyntheticRun(made);
        const writer = JournalWriter.open(null, run.start, { mode: 'memory', checkpointEvery: 40 });
        const shown: JournalRecord[] = [];
        let vtime = 0;
        run.steps(
          steps,
          (block) => {
            writer.block(block, run.names);
            shown.push(...recordsOf(block, run.names, vtime));
            for (let step = 0; step < block.steps; step++) vtime += block.stepNs[step]!;
          },
          blockRecords,
        );
        const { content, records } = writer.seal(END);
        const source = memorySource(content!);
        const journal = openJournal(source);
        expect([...journal.recordsFrom()]).toEqual(shown);
        expect(journal.records).toBe(records);
        expect(verifyJournal(source)).toMatchObject({ ok: true, problem: null });
      }),
      { numRuns: 60 },
    );
  });

  it('has the same bytes however the records were handed over', () => {
    const written = (blockRecords: number, acknowledge: boolean) => {
      const run = new SyntheticRun();
      const writer = JournalWriter.open(null, run.start, { mode: 'memory' });
      run.steps(
        2000,
        (block) => {
          writer.block(block, run.names);
          if (acknowledge) writer.acknowledge();
        },
        blockRecords,
      );
      return writer.seal(END).root;
    };
    const roots = [written(4096, false), written(1, false), written(100, true), written(20_000, false)];
    expect(new Set(roots).size).toBe(1);
  });

  it('takes at most 16 bytes a record in a journal of more than 100,000 records', () => {
    const { bytes, records } = syntheticJournal(23_000, { actors: 16, variety: 1000, events: 40, fields: 10 });
    expect(records).toBeGreaterThan(100_000);
    expect(bytes / records).toBeLessThan(16);
  });
});

describe('MessagePack', () => {
  it('gives equal objects equal bytes, whatever the order of their keys', () => {
    const first = encodeShared({ a: 1, b: { c: 2, d: [3] } }).slice();
    expect(encodeShared({ b: { d: [3], c: 2 }, a: 1 })).toEqual(first);
  });

  it.each([
    ['nesting without end', new Uint8Array(100_000).fill(0x91), /nests deeper|ends early/],
    ['an array that says it has 2^32 - 1 elements', Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff), /ends early/],
    ['a binary longer than the payload', Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff, 1), /ends early/],
    ['an extension type', Uint8Array.of(0xd4, 1, 2), /type 0xd4/],
    ['the byte that MessagePack never uses', Uint8Array.of(0xc1), /type 0xc1/],
    ['more than one value', Uint8Array.of(1, 2), /ends at byte 1 of 2/],
    ['nothing', new Uint8Array(0), /ends early/],
    ['a map whose key is no string', Uint8Array.of(0x81, 0x90, 0x01), /does not decode/],
  ])('refuses %s', (_name, bytes, message) => {
    expect(() => decodePlain(bytes)).toThrow(UndecodableError);
    expect(() => decodePlain(bytes)).toThrow(message);
  });
});
