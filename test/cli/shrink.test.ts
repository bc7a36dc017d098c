/** `shrink`: a smaller journal that breaks the same, the pair of steps it hangs on by name and source, and what it refuses. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const RACE = 'rmp-host-write-race';

interface Size {
  readonly disturbances: number;
  readonly preemptions: number;
  readonly switches: number;
  readonly steps: number;
}
interface Document {
  readonly property: string;
  readonly before: Size;
  readonly after: Size;
  readonly optimal: boolean;
  readonly critical:
    | readonly {
        readonly step: number;
        readonly label: string;
        readonly microSteps: readonly {
          readonly actor: string;
          readonly name: string;
          readonly source: string | null;
          readonly grade: string | null;
        }[];
      }[]
    | null;
  readonly criticalJournal: string | null;
  readonly journal: string;
}

/** A random run that kills the daemon: long, with more deviations than it needs. */
const SEED = 6;
beforeAll(async () => {
  for (let seed = SEED; seed < SEED + 60; seed++) {
    const { code } = await bench.run(['run', RACE, '--chooser', 'random', '--seed', String(seed), '-o', 'long.wsj']);
    if (code === 1) return;
  }
});

describe('shrink', () => {
  it('writes a smaller journal of the same violation, which replays', async () => {
    const { code, json } = await bench.run(['shrink', 'long.wsj', '-o', 'short.wsj', '--json']);
    const document = json<Document>();
    expect(code).toBe(0);
    expect(document).toMatchObject({ optimal: true, journal: 'short.wsj', after: { disturbances: 0, preemptions: 0 } });
    expect(document.before.preemptions + document.before.switches).toBeGreaterThan(document.after.switches);
    expect((await bench.run(['replay', 'short.wsj', '--json'])).json()).toMatchObject({ identical: true, steps: document.after.steps });
    const explained = (await bench.run(['show', 'short.wsj', '--explain', '--json'])).json<{
      explanation?: { property: string };
      property?: string;
    }>();
    expect(JSON.stringify(explained)).toContain(document.property);
  });

  it('names both steps of the critical pair by micro-step, source and grade, and the journal they stand in', async () => {
    const { json } = await bench.run(['shrink', 'long.wsj', '-o', 'named.wsj', '--json']);
    const { critical, criticalJournal } = json<Document>();
    expect(critical).toHaveLength(2);
    expect(critical![1]!.step).toBe(critical![0]!.step + 1);
    for (const { microSteps } of critical!) expect(microSteps.some(({ source, grade }) => source !== null && grade !== null)).toBe(true);
    const { step } = critical![0]!;
    const points = await bench.run(['show', criticalJournal!, '--points', '--json']);
    expect(points.out).toContain(critical![0]!.label);
    expect((await bench.run(['show', criticalJournal!, '--step', String(step + 1)])).code).toBe(0);
  });

  it('writes no file beside the one asked for, unless it names it', async () => {
    bench.makeFolder('alone');
    const { json } = await bench.run(['shrink', 'long.wsj', '-o', 'alone/one.wsj', '--json']);
    expect(readdirSync(bench.path('alone'))).toEqual(['one.wsj']);
    expect(existsSync(bench.path(json<Document>().criticalJournal!))).toBe(true);
  });

  it('leaves what cannot be smaller as it is', async () => {
    await bench.run(['shrink', 'long.wsj', '-o', 'once.wsj']);
    const { json } = await bench.run(['shrink', 'once.wsj', '-o', 'twice.wsj', '--json']);
    expect(json<Document>().after).toEqual(json<Document>().before);
    expect(readFileSync(bench.path('twice.wsj')).equals(readFileSync(bench.path('once.wsj')))).toBe(true);
  });

  it('tells people the same', async () => {
    const { out, code } = await bench.run(['shrink', 'once.wsj']);
    expect(code).toBe(0);
    expect(out).toMatch(/^before: \d+ steps, 0 disturbances/);
    expect(out).toContain('no schedule is smaller');
    expect(out).toContain('critical pair');
    expect(out).toMatch(/See it: worldswitch show worldswitch-runs\/[0-9a-f]{32}\.wsj --step \d+/);
  });

  it('refuses a journal without a violation', async () => {
    await bench.run(['run', RACE, '-o', 'clean.wsj']);
    const { code, err, out } = await bench.run(['shrink', 'clean.wsj']);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('clean.wsj shows no violation, so there is nothing to shrink');
  });

  it.each([
    ['a file there is not', ['none.wsj'], 2],
    ['nothing', [], 2],
  ])('refuses %s', async (_, args, code) => {
    expect((await bench.run(['shrink', ...args])).code).toBe(code);
  });
});
