/**
 * State from records alone: the digest of every step, any step from a checkpoint, and records that
 * contradict each other.
 */
import { describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../events/journal.ts';
import { foldAll, foldSteps, stateAt } from '../../replay/fold.ts';
import { FoldError, Folder } from '../../replay/folder.ts';
import { RECORDS } from '../../replay/frame.ts';
import { openJournal } from '../../replay/open.ts';
import { memorySource } from '../../replay/source.ts';
import {
  canonical,
  channelLaneA,
  channelLaneB,
  digestOf,
  hexOf,
  queueLaneA,
  queueLaneB,
  slotLaneA,
  slotLaneB,
} from '../../sim/canonical.ts';
import { rewritten } from './surgery.ts';
import { syntheticJournal } from './synthetic.ts';

const STEPS = 1500;
const made = syntheticJournal(STEPS, { seed: 5 }, { checkpointEvery: 1000 });
const journal = openJournal(memorySource(made.content));

/** The definition, from the whole state. */
function digestByDefinition({ actors, inFlight }: ReturnType<typeof stateAt>): string {
  const ids = [...actors.keys()];
  let [a, b] = [0, 0];
  for (const [slot, id] of ids.entries()) {
    const lanes = digestOf(canonical(actors.get(id)));
    a = (a + slotLaneA(lanes.a, slot)) | 0;
    b = (b + slotLaneB(lanes.b, slot)) | 0;
  }
  for (const first of inFlight.filter(({ from, to }, i) => inFlight.findIndex((other) => other.from === from && other.to === to) === i)) {
    const queue = inFlight.filter(({ from, to }) => from === first.from && to === first.to);
    let [queueA, queueB] = [0, 0];
    for (const { type, from, payload } of queue) {
      const lanes = digestOf(canonical({ type, from, ...payload }));
      queueA = queueLaneA(queueA, lanes.a);
      queueB = queueLaneB(queueB, lanes.b);
    }
    const [from, to] = [ids.indexOf(first.from), ids.indexOf(first.to)];
    a = (a + channelLaneA(queueA, from, to)) | 0;
    b = (b + channelLaneB(queueB, from, to)) | 0;
  }
  return hexOf(a, b);
}

describe('fold', () => {
  it('gives the digest of every step', () => {
    expect(foldAll(journal)).toEqual({
      identical: true,
      steps: STEPS - 1,
      records: made.records,
      digest: journal.stepEnd(STEPS - 1).digest,
      mismatch: null,
    });
    expect([...foldSteps(journal)].length).toBe(STEPS);
  });

  it('gives the state of any step, from a checkpoint or from the start, with the digest of the definition', () => {
    const bare = openJournal(memorySource(syntheticJournal(STEPS, { seed: 5 }, { checkpointEvery: 1e9 }).content));
    expect(journal.checkpointAt(STEPS - 1)!.seq).toBeGreaterThan(4000);
    expect(bare.checkpointAt(STEPS - 1)).toBeNull();
    let messages = 0;
    for (const step of [0, 1, 2, 500, 900, 1000, 1001, 1300, STEPS - 1]) {
      const state = stateAt(journal, step);
      expect(state).toEqual(stateAt(bare, step));
      expect(state.digest).toBe(journal.stepEnd(step).digest);
      expect(digestByDefinition(state)).toBe(state.digest);
      expect(state.seq).toBe(journal.recordsOfStep(step).at(-1)!.seq);
      messages += state.inFlight.length;
    }
    expect(messages).toBeGreaterThan(0);
  });

  it('stands exactly at a checkpoint', () => {
    const { step, seq } = journal.checkpointAt(STEPS - 1)!;
    expect(stateAt(journal, step)).toMatchObject({ step, seq });
    expect(journal.checkpointAt(step)).toMatchObject({ step, seq });
    expect(journal.checkpointAt(step - 1)?.step ?? -1).toBeLessThan(step);
  });

  it('names the first step whose digest is another', () => {
    const digest = journal.stepEnd(20).digest;
    const lane = Uint8Array.from(digest.slice(0, 8).match(/../g)!.toReversed(), (hex) => Number.parseInt(hex, 16));
    const wrong = rewritten(made.content, (piece) => {
      const at = piece.type === RECORDS ? piece.payload.findIndex((_, i) => lane.every((byte, k) => piece.payload[i + k] === byte)) : -1;
      if (at < 0) return piece;
      const payload = piece.payload.slice();
      payload[at]! ^= 1;
      return { ...piece, payload };
    });
    const report = foldAll(openJournal(memorySource(wrong)));
    expect(report.identical).toBe(false);
    expect(report.mismatch).toMatchObject({ step: 20, found: digest });
    expect(report.digest).toBe(journal.stepEnd(19).digest);
    expect(() => stateAt(openJournal(memorySource(wrong)), 20)).toThrow(FoldError);
  });
});

describe('records that contradict each other', () => {
  const records = [...journal.recordsFrom()];
  const deliver = records.find((record) => record.kind === 'deliver' && records[record.cause - 1]!.kind === 'send')!;
  const folded = (change: (record: JournalRecord) => JournalRecord) => () => {
    const folder = new Folder(journal.actors);
    for (const record of records.slice(0, deliver.seq)) folder.apply(change(record));
  };
  const changing = (part: Partial<JournalRecord>) => folded((record) => (record.seq === deliver.seq ? { ...record, ...part } : record));

  it('accepts the ones of the journal', () => {
    expect(folded((record) => record)).not.toThrow();
  });

  it.each([
    ['a gap', { seq: deliver.seq + 1 }, /expected was record/],
    ['an unknown actor', { actor: 'pcpu:99' }, /no actor of this run/],
    ['another receiver than was sent to', { actor: journal.actors.find((id) => id !== deliver.actor)! }, /not what record/],
    ['another message than was sent', { payload: { pfn: 1 } }, /not what record/],
    ['a message without receiver', { kind: 'send', peer: null } as const, /without receiver/],
  ])('refuses %s', (_name, part, message) => {
    expect(changing(part)).toThrow(message);
    expect(changing(part)).toThrow(FoldError);
  });
});
