/**
 * What every exporter must do. A new one needs a reader in test/timeline/readers.ts and no test of
 * its own.
 */
import { describe, expect, it } from 'vitest';
import type { Journal } from '../../replay/reader.ts';
import { EXPORTERS, type Exporter } from '../../timeline/encode/index.ts';
import { project } from '../../timeline/project.ts';
import { recordingOf } from '../../timeline/recording.ts';
import { engineOf, journalOf, shipped } from '../sim/play.ts';
import { Handmade, open } from '../timeline/handmade.ts';
import { HOSTILE, hostileJournal } from '../timeline/hostile.ts';
import { READERS } from '../timeline/readers.ts';
import { type Drawing, drawingOf, sorted } from '../timeline/slices.ts';

const bytesOf = (exporter: Exporter, journal: Journal): Buffer => Buffer.concat([...exporter.encode(journal)]);

function readBack(exporter: Exporter, journal: Journal): Drawing {
  const { read } = READERS[exporter.name]!;
  return read(bytesOf(exporter, journal));
}

const expected = (exporter: Exporter, journal: Journal): Drawing =>
  drawingOf(project(recordingOf(journal)), READERS[exporter.name]!.without);

function churn(seed: number): Uint8Array {
  const scenario = shipped('rmp-churn');
  return journalOf(scenario, { name: 'random-uniform', seed }, engineOf(scenario, 'memo')).bytes;
}

describe('exporters', () => {
  it('have a reader, a name and an extension of their own', () => {
    expect(EXPORTERS.map(({ name }) => name).sort()).toEqual(Object.keys(READERS).sort());
    expect(new Set(EXPORTERS.map(({ extension }) => extension)).size).toBe(EXPORTERS.length);
  });
});

describe.each(EXPORTERS)('exporter $name', (exporter) => {
  it('writes every span, arrow and number of a run, in the order of time', () => {
    const journal = open(churn(7));
    const drawing = readBack(exporter, journal);
    expect(sorted(drawing)).toEqual(sorted(expected(exporter, journal)));
    expect(drawing.slices.length).toBeGreaterThan(journal.steps);
    expect(drawing.arrows.length).toBeGreaterThan(5);
  });

  it('keeps hostile names as they are', () => {
    const journal = hostileJournal(HOSTILE);
    const drawing = readBack(exporter, journal);
    expect(sorted(drawing)).toEqual(sorted(expected(exporter, journal)));
    const seen = JSON.stringify(drawing);
    for (const text of HOSTILE) expect(seen).toContain(JSON.stringify(text).slice(1, -1));
  });

  it('writes the same bytes for the same journal, and needs to be asked only once', () => {
    const bytes = churn(3);
    const journal = open(bytes);
    const first = bytesOf(exporter, journal);
    expect(bytesOf(exporter, open(bytes)).equals(first)).toBe(true);
    expect(bytesOf(exporter, journal).equals(first)).toBe(true);
  });

  it('writes a whole file for a journal without records', () => {
    const journal = new Handmade([{ id: 'pcpu:0', kind: 'pcpu' }]).journal();
    const { slices, lanes } = readBack(exporter, journal);
    expect(slices.map(({ name, at }) => ({ name, at }))).toEqual([
      { name: 'start', at: 0 },
      { name: 'end: stopped', at: 0 },
    ]);
    expect(lanes).toContain('pCPUs/pCPU 0');
  });

  it('closes what is open where a journal was cut, and says so', () => {
    const bytes = churn(5);
    const whole = open(bytes);
    let shorter = 0;
    for (const part of [0.3, 0.5, 0.7, 0.9]) {
      const cut = open(bytes.subarray(0, Math.floor(part * bytes.length)));
      if (cut.records < whole.records) shorter++;
      const { slices } = readBack(exporter, cut);
      expect(slices.filter(({ lane }) => lane === 'run/steps')).toHaveLength(cut.steps + 2);
      expect(slices.find(({ name }) => name === 'end: not sealed')?.at).toBe(cut.records === 0 ? 0 : cut.stepEnd(cut.steps).vtime);
    }
    expect(shorter).toBeGreaterThan(0);
  });

  it('writes in pieces', () => {
    const pieces = [...exporter.encode(open(churn(7)))];
    expect(pieces.length).toBeGreaterThan(1);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(1 << 18);
  });
});
