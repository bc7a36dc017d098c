/** What is listed of a step: of a big host the first alternatives, and how many there are. */
import { describe, expect, it } from 'vitest';
import { listPoints } from '../../cli/point-list.ts';
import { reportStep } from '../../replay/inspect.ts';
import { openJournal } from '../../replay/open.ts';
import { memorySource } from '../../replay/source.ts';
import { bigHost } from '../sim/big-host.ts';
import { engineOf, journalOf } from '../sim/play.ts';

describe('a step of a host of 40 CPUs', { timeout: 60_000 }, () => {
  const scenario = { ...bigHost({ cpus: 40 }), bounds: { steps: 30, states: 1 } };
  const { bytes } = journalOf(scenario, { name: 'random-uniform', seed: 1 }, engineOf(scenario, 'memo'));
  const journal = openJournal(memorySource(bytes));
  const all = reportStep(journal, 20);

  it('has all its alternatives where no limit is given', () => {
    expect(all.count).toBeGreaterThan(1000);
    expect(all.alternatives.map(({ index }) => index)).toEqual(Array.from({ length: all.count }, (_, index) => index));
    expect(all.alternatives.filter(({ taken }) => taken)).toHaveLength(1);
  });

  it('is listed in part, with moves, with other offers, and with what was taken', () => {
    const few = reportStep(journal, 20, 3);
    expect(few.count).toBe(all.count);
    const taken = all.alternatives.find((alternative) => alternative.taken)!;
    const offersAt = all.alternatives.findIndex(({ label }) => label.startsWith('migrate('));
    const expected = new Set([0, 1, 2, offersAt, offersAt + 1, offersAt + 2, taken.index]);
    expect(few.alternatives).toEqual(all.alternatives.filter(({ index }) => expected.has(index)));
  });

  it('is a point with how many there were', () => {
    const [point] = [...listPoints(journal, { from: 21, limit: 1 })];
    expect(point).toMatchObject({ step: 21, count: all.count });
    expect(point!.alternatives.length).toBeLessThan(70);
    expect(point!.alternatives).toContain(point!.label);
  });
});
