/** Walking in a journal: forward, backward, by step, from anywhere, sealed or not. */
import { describe, expect, it } from 'vitest';
import { openJournal } from '../../replay/open.ts';
import type { Journal } from '../../replay/reader.ts';
import { type JournalSource, memorySource } from '../../replay/source.ts';
import { framesOf } from './surgery.ts';
import { END, syntheticJournal } from './synthetic.ts';

const STEPS = 6000;
const made = syntheticJournal(STEPS, { variety: 200 }, { checkpointEvery: 5000 });
const unsealed = made.content.subarray(0, framesOf(made.content).at(-2)!.offset);

/** Counts what is read, so that tests can say what must not be. */
const counting = (bytes: Uint8Array): JournalSource & { readonly ranges: number[] } => {
  const ranges: number[] = [];
  const { size, read } = memorySource(bytes);
  return {
    size,
    ranges,
    read: (offset, length) => {
      ranges.push(offset);
      return read(offset, length);
    },
  };
};

describe.each([
  ['sealed', made.content],
  ['unsealed', unsealed],
])('a %s journal', (name, bytes) => {
  const open = (): Journal => openJournal(memorySource(bytes));

  it('tells its facts', () => {
    const journal = open();
    expect(journal.sealed).toBe(name === 'sealed');
    expect(journal.end).toEqual(name === 'sealed' ? END : null);
    expect(journal).toMatchObject({ torn: null, records: made.records, steps: STEPS - 1 });
    expect(journal.start).toMatchObject({ chooser: 'random', schedule: '', seed: 1 });
    expect(journal.header).toMatchObject({ formatVersion: 1, minimumReader: 1, seed: 1, modelVersion: 1 });
    if (name === 'sealed') expect(journal.root).toBe(made.root);
  });

  it('reads backward what it reads forward', () => {
    const forward = [...open().recordsFrom()];
    expect(forward.map(({ seq }) => seq)).toEqual(Array.from({ length: made.records }, (_, i) => i + 1));
    expect([...open().recordsBefore(made.records + 1)]).toEqual(forward.toReversed());
  });

  it('starts at any record', () => {
    const all = [...open().recordsFrom()];
    const journal = open();
    for (const seq of [1, 2, 4095, 4096, 4097, 9000, 12_345, made.records]) {
      expect(journal.recordsFrom(seq).next().value).toEqual(all[seq - 1]);
      expect(journal.recordsBefore(seq).next().value).toEqual(all[seq - 2]);
    }
    expect([...journal.recordsFrom(made.records + 1)]).toEqual([]);
    expect([...journal.recordsBefore(1)]).toEqual([]);
    expect([...journal.recordsBefore(Number.MAX_SAFE_INTEGER)].length).toBe(made.records);
  });

  it('gives a step with its choice, digest and vtime', () => {
    const journal = open();
    const choices = [...journal.choices()];
    const digests = [...journal.digests()];
    expect(choices.length).toBe(STEPS - 1);
    expect(digests.length).toBe(STEPS);
    for (const step of [1, 777, 4000, STEPS - 1]) {
      const [first, ...rest] = journal.recordsOfStep(step);
      expect(first).toMatchObject({ step, kind: 'choice', payload: choices[step - 1] });
      expect(rest.every((record) => record.step === step && record.kind !== 'choice')).toBe(true);
      expect(journal.stepEnd(step)).toEqual(digests[step]);
      expect(first!.vtime).toBe(digests[step - 1]!.vtime);
      expect(journal.choices(step).next().value).toEqual(choices[step - 1]);
      expect(journal.digests(step).next().value).toEqual(digests[step]);
    }
    expect(journal.recordsOfStep(0).map(({ kind }) => kind)).toEqual(['change', 'change', 'change', 'change']);
  });

  it('names the last step when asked for one that is not there', () => {
    expect(() => open().stepEnd(STEPS)).toThrow(`there is no step ${STEPS}: the journal ends with step ${STEPS - 1}`);
    expect(() => open().recordsOfStep(-1)).toThrow(RangeError);
    expect(() => open().recordsOfStep(1.5)).toThrow(RangeError);
  });
});

describe('random access', () => {
  it('reads only the block asked for and those that define texts', () => {
    // A block of 4096 records meets each of the few states of this world, so that later blocks
    // define nothing.
    const { content } = syntheticJournal(40_000, { variety: 5, actors: 2 });
    const source = counting(content);
    const journal = openJournal(source);
    source.ranges.length = 0;
    journal.recordsOfStep(39_000);
    const blocks = new Set(source.ranges);
    expect(framesOf(content).length).toBeGreaterThan(30);
    expect(blocks.size).toBeLessThan(8);
  });

  it('freezes what records share', () => {
    const [record] = openJournal(memorySource(made.content)).recordsFrom();
    expect(Object.isFrozen(record!.payload)).toBe(true);
    expect(Object.isFrozen(record!.payload.context)).toBe(true);
  });
});
