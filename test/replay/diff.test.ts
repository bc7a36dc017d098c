/** Two journals side by side: the first step that differs, and what only one of them did. */
import { describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../events/journal.ts';
import { type Difference, diff, type Only } from '../../replay/diff.ts';
import { changedBy, type InjectOptions, inject } from '../../replay/inject.ts';
import { openJournal } from '../../replay/open.ts';
import type { Journal } from '../../replay/reader.ts';
import { memorySource } from '../../replay/source.ts';
import { JournalWriter } from '../../replay/writer.ts';
import type { ChooserSpec } from '../../sim/session.ts';
import { engineOf, journalOf, shipped } from '../sim/play.ts';

const race = shipped('rmp-host-write-race', 'map-lock-user');
const recorded = (how: ChooserSpec, scenario = race): Journal =>
  openJournal(memorySource(journalOf(scenario, how, engineOf(scenario, 'memo')).bytes));

/** The journal with one choice replaced. */
function injected(journal: Journal, options: InjectOptions): { readonly fork: Journal; readonly at: number } {
  let writer: JournalWriter | null = null;
  const { run, fork } = inject(journal, options, (start) => {
    writer = JournalWriter.open(null, start, { mode: 'memory' });
    return (block, names) => writer!.block(block, names);
  });
  const end = run.toEnd() ?? run.stop();
  return { fork: openJournal(memorySource(writer!.seal(end).content!)), at: fork.at };
}

const turned = ({ same, first, onlyA, onlyB }: Difference): Difference => ({
  same,
  first: first && { step: first.step, a: first.b, b: first.a },
  onlyA: onlyB,
  onlyB: onlyA,
});

describe('diff', () => {
  const inOrder = recorded({ name: 'fifo' });

  it('finds no difference between a journal and itself, or the same run again', () => {
    const same = { same: true, first: null, onlyA: [], onlyB: [] };
    expect(diff(inOrder, inOrder)).toEqual(same);
    expect(diff(inOrder, recorded({ name: 'fifo' }))).toEqual(same);
  });

  const MIGRATE = { migrate: { thread: 'thread:vhost0/0', cpu: 'pcpu:0' } } as const;

  it.each([
    [12, { preempt: 'pcpu:0' }, 'preempt(pcpu:0)'],
    [30, MIGRATE, 'migrate(sched, thread:vhost0/0, pcpu:0)'],
    [55, MIGRATE, 'migrate(sched, thread:vhost0/0, pcpu:0)'],
  ] as const)('parts where something was injected, at step %i', (step, action, label) => {
    const { fork, at } = injected(inOrder, { at: String(step), action, after: { name: 'fifo' } });
    expect(at).toBe(step);
    const difference = diff(inOrder, fork);
    expect(difference).toMatchObject({ same: false, first: { step, a: [...inOrder.choices(step)][0]!.label, b: label } });
    expect(difference.first!.step).toBe(changedBy(inOrder, fork).firstDifferentStep);
  });

  it('says the same of the two the other way round', () => {
    const { fork } = injected(inOrder, { at: '30', action: MIGRATE, after: { name: 'random-uniform', seed: 4 } });
    expect(diff(fork, inOrder)).toEqual(turned(diff(inOrder, fork)));
  });

  it('lists exactly the deliveries that the other has not, however they were interleaved', () => {
    const a = recorded({ name: 'random-uniform', seed: 1 });
    const b = recorded({ name: 'random-uniform', seed: 2 });
    const { onlyA, onlyB } = diff(a, b);
    const left = (mine: Journal, theirs: Journal) => {
      const name = ({ actor, type, payload, peer }: JournalRecord) =>
        `${actor} ${type} ${type === 'step' || type === 'notify.step' ? '' : peer} ${JSON.stringify(payload)}`;
      const deliveries = (journal: Journal) => [...journal.recordsFrom(1)].filter(({ kind }) => kind === 'deliver');
      const others = deliveries(theirs).map(name);
      return deliveries(mine).flatMap((record) => {
        const at = others.indexOf(name(record));
        if (at >= 0) others.splice(at, 1);
        return at >= 0 ? [] : [record.seq];
      });
    };
    const seqs = (only: readonly Only[]) => only.map(({ seq }) => seq);
    expect(seqs(onlyA)).toEqual(left(a, b));
    expect(seqs(onlyB)).toEqual(left(b, a));
    expect(onlyA.length + onlyB.length).toBeGreaterThan(0);
  });

  it('aligns steps that only changed places: nothing is missing on either side', () => {
    const scenario = shipped('rmpadjust-vs-rmpupdate', 'overlap-2m');
    const first = recorded({ name: 'replay', choices: [{ index: 0 }, { index: 1 }], match: 'index', after: { name: 'fifo' } }, scenario);
    const labels = [...first.choices()].map(({ label }) => label);
    expect(labels[0]).not.toBe(labels[1]);
    const swapped = [labels[1]!, labels[0]!, ...labels.slice(2)].map((label) => ({ index: 0, label }));
    const second = recorded({ name: 'replay', choices: swapped, match: 'label' }, scenario);
    expect(diff(first, second)).toEqual({ same: false, first: { step: 1, a: labels[0], b: labels[1] }, onlyA: [], onlyB: [] });
  });

  it('sees where one ends before the other', () => {
    const short = recorded({ name: 'fifo' }, { ...race, bounds: { ...race.bounds, steps: 20 } });
    const { label } = [...inOrder.choices(21)][0]!;
    expect(diff(inOrder, short)).toMatchObject({ same: false, first: { step: 21, a: label, b: null }, onlyB: [] });
    expect(diff(short, inOrder)).toMatchObject({ same: false, first: { step: 21, a: null, b: label }, onlyA: [] });
  });

  it('sees at once that two are of different scenarios', () => {
    const other = recorded({ name: 'fifo' }, shipped('rmpadjust-vs-rmpupdate'));
    expect(diff(inOrder, other)).toMatchObject({ same: false, first: { step: 0, a: null, b: null } });
  });
});
