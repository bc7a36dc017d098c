/** `compare`: one table of all variants, for people, for a mail, for programs. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench, type Outcome } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const RACE = 'rmpadjust-vs-rmpupdate';

interface Range {
  readonly reachable: boolean;
  readonly inAll: boolean;
  readonly witness: readonly string[] | null;
}
interface Row {
  readonly variant: string;
  readonly verdict: string;
  readonly exhausted: boolean;
  readonly states: number;
  readonly violations: readonly { readonly property: string }[];
  readonly outcomes: Readonly<Record<string, Range>>;
}

let asJson: Outcome;
beforeAll(async () => {
  asJson = await bench.run(['compare', RACE, '--json']);
});

describe('compare', () => {
  it('has a row for each variant, with its verdict, and ends with 1 as one of them breaks', () => {
    const { rows } = asJson.json<{ rows: Row[] }>();
    expect([asJson.code, asJson.err]).toEqual([1, '']);
    expect(rows.map(({ variant, verdict, exhausted, states }) => [variant, verdict, exhausted, states])).toEqual([
      ['inuse', 'violation', true, 26_580],
      ['overlap-2m', 'clean', true, 26_488],
      ['inuse-retried', 'clean', true, 26_488],
    ]);
    expect(rows[0]!.violations.map(({ property }) => property)).toEqual(['rmp.vm-bugged']);
  });

  it('tells what is reachable from what happens in all runs and in none, with a witness that leads there', () => {
    const [inuse, overlap] = asJson.json<{ rows: Row[] }>().rows;
    expect(inuse!.outcomes.guestsBugged).toMatchObject({ reachable: true, inAll: false });
    expect(inuse!.outcomes.guestsBugged!.witness!.length).toBeGreaterThan(0);
    expect(overlap!.outcomes.guestsBugged).toEqual({ reachable: false, inAll: false, witness: null });
  });

  it('prints the table as text', async () => {
    const { out } = await bench.run(['compare', RACE]);
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^variant +verdict +least deviating violation +host panics .* guest bugged/);
    expect(lines[1]).toMatch(/^inuse +violation +rmp\.vm-bugged, 52 steps, 0 preemptions +never .* reachable/);
    expect(lines[2]).toMatch(/^overlap-2m +clean +never/);
    // The table, and below it what was never taken: in each row, and in none of them.
    expect(lines.slice(0, 5).indexOf('')).toBe(4);
    // Where a row breaks, what follows was left out, and so may be taken all the same.
    const told = [
      ['inuse', 'Not taken in what was searched'],
      ['overlap-2m', 'Never taken'],
      ['inuse-retried', 'Never taken'],
    ].map(([row, text]) => `${row}: ${text}: N micro-steps, N branches. A mistake there is not seen.`.replace('2', 'N'));
    expect(lines.slice(5, 8).map((line) => line.replace(/\d+/g, 'N'))).toEqual(told);
    expect(lines[8]).toMatch(/^No variant has taken in what was searched: \d+ micro-steps, \d+ branches\.$/);
  });

  it('prints it as Markdown, with as many cells in each row', async () => {
    const { out } = await bench.run(['compare', RACE, '--markdown']);
    const rows = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split('|').length);
    expect(rows).toHaveLength(5);
    expect(new Set(rows).size).toBe(1);
    expect(out).toContain('| inuse | violation | rmp.vm-bugged, 52 steps, 0 preemptions |');
    const both = await bench.run(['compare', 'rmpadjust-vs-rmpupdate', '--json', '--markdown']);
    expect([both.code, both.json()], 'two forms at once').toMatchObject([2, { error: { code: 'usage' } }]);
  });

  it('says "not found" and not "never" where a search ended early, however early', async () => {
    const { code, out, err } = await bench.run(['compare', RACE, '--max-states', '10']);
    expect(code).toBe(4);
    expect(out).toContain('not exhausted');
    expect(out).toContain('not found');
    expect(out).not.toMatch(/never|clean/);
    expect(err).toContain('"not found" is no proof');
  });

  it('stops with what it has when it is interrupted', async () => {
    const { code, json } = await bench.run(['compare', 'rmp-churn', '--json'], { signal: AbortSignal.abort() });
    expect(code).toBe(4);
    expect(json<{ rows: Row[] }>().rows).toMatchObject([{ verdict: 'unknown', exhausted: false }]);
  });

  it('refuses a scenario there is not', async () => {
    expect((await bench.run(['compare', 'nothing'])).code).toBe(2);
  });
});
