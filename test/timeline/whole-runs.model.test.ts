/** The timelines of whole runs: totals against the records, and runs that do not end. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../events/journal.ts';
import { findPoint } from '../../replay/points.ts';
import type { Journal } from '../../replay/reader.ts';
import { Projector, project } from '../../timeline/project.ts';
import { recordingOf } from '../../timeline/recording.ts';
import { engineOf, journalOf, SHIPPED, seeds, shipped } from '../sim/play.ts';
import { factsOf } from './facts.ts';
import { DONE, Handmade, open } from './handmade.ts';
import { drawingOf } from './slices.ts';

/** Points that are looked up in each run. */
const POINTS = 40;
const THREAD = 'thread:qemu0/vcpu0';
const ACTORS = [
  { id: 'pcpu:0', kind: 'pcpu' },
  { id: THREAD, kind: 'hostThread' },
];

/** Of the run that is tested, by seed. */
const journals = new Map<number, Journal>();

describe.each(SHIPPED)('a run of $name, $variant', ({ name, variant }) => {
  beforeAll(() => {
    const scenario = shipped(name, variant);
    const engine = engineOf(scenario, 'memo');
    for (const spec of seeds(2)) journals.set(spec.seed, open(journalOf(scenario, spec, engine).bytes));
  });

  it.each([1, 2])('shows every step, micro-step, arrow and switch of seed %i', (seed) => {
    const journal = journals.get(seed)!;
    const facts = factsOf(journal);
    const events = [...project(recordingOf(journal))];
    const drawing = drawingOf(events);
    expect(drawing.slices.filter(({ lane }) => lane === 'run/steps')).toHaveLength(journal.steps + 2);
    expect(drawing.arrows).toHaveLength(facts.arrows);
    for (const { id, kind } of journal.start.actors) {
      if (kind !== 'hostThread' && kind !== 'vcpu') continue;
      const begun = events.filter((e) => e.kind === 'begin' && e.category === 'micro-step' && e.lane.actor === id);
      expect(begun, id).toHaveLength(facts.microSteps.get(id) ?? 0);
    }
    for (const [cpu, switches] of facts.switches.entries()) {
      expect(events.filter((e) => e.kind === 'switch' && e.cpu === cpu)).toHaveLength(switches);
    }
    expect(Math.max(...drawing.slices.map(({ at, ns }) => at + ns))).toBe(facts.end);
  });

  it('names every micro-step by a point that finds its step', () => {
    const journal = journals.get(1)!;
    const shown = [...project(recordingOf(journal))].flatMap((e) => (e.kind === 'begin' && e.args?.point !== undefined ? [e.args] : []));
    expect(new Set(shown.map(({ point, step }) => `${step} ${point}`)).size).toBe(new Set(shown.map(({ point }) => point)).size);
    // Each lookup reads the journal once.
    const some = shown.filter((_, at) => at % Math.ceil(shown.length / POINTS) === 0);
    expect(some.map(({ point }) => findPoint(journal, String(point)))).toEqual(some.map(({ step }) => step));
  });
});

describe('streaming', () => {
  /** Endless: a thread that steps forever. */
  function* endless(): Generator<JournalRecord> {
    const base = { peer: null, cause: 0 };
    yield {
      ...base,
      seq: 1,
      step: 0,
      vtime: 0,
      actor: THREAD,
      kind: 'change',
      type: 'state',
      payload: { value: { code: { main: 'spin' }, notify: 'none' }, context: {} },
    };
    for (let step = 1; ; step++) {
      const at = { ...base, step, vtime: 100 * (step - 1) };
      const payload = { index: 0, count: 1, label: 'exec(pcpu:0)' };
      yield { ...at, seq: 2 * step, actor: 'pcpu:0', kind: 'choice', type: 'exec', payload };
      yield { ...at, seq: 2 * step + 1, actor: THREAD, peer: 'pcpu:0', cause: 2 * step, kind: 'deliver', type: 'step', payload: {} };
    }
  }
  const start = new Handmade(ACTORS).journal({ ...DONE, ended: 'stopped' }).start;

  it('needs no end, and holds no more than a step', () => {
    let begun = 0;
    for (const event of project({ start, records: endless(), end: null, endVtime: 0 })) {
      if (event.kind === 'begin') begun++;
      if (begun > 300_000) break;
    }
    expect(begun).toBe(300_001);
  });

  it('tells a live viewer about a step once it has ended', () => {
    const projector = new Projector(start);
    const seen: [number, number][] = [];
    for (const record of endless()) {
      if (record.step > 3) break;
      projector.take(record);
      for (const event of projector.events) if (event.kind === 'begin' && event.name === 'spin') seen.push([record.step, event.at]);
      projector.events.length = 0;
    }
    expect(seen).toEqual([
      [2, 0],
      [3, 100],
    ]);
  });
});
