/**
 * `explore --strategy` and `run --chooser`: findings that can be seen again, a text that is no
 * guarantee, exit codes, and advice.
 */
import { existsSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const RACE = 'rmpadjust-vs-rmpupdate';
const STRATEGIES = ['random', 'pct', 'pos', 'surw', 'starve', 'portfolio'];

interface Document {
  readonly exhausted: boolean;
  readonly limit: string;
  readonly states: number;
  readonly transitions: number;
  readonly schedules: number;
  readonly guarantee: string;
  readonly violations: readonly {
    readonly property: string;
    readonly steps: number;
    readonly preemptions: number;
    readonly switches: number;
    readonly least: boolean;
    readonly journal: string;
    readonly schedule: number;
    readonly seed: number;
    readonly by: string;
    readonly broke: number;
    readonly again: readonly string[];
  }[];
  readonly missed: readonly string[];
  readonly coverage: Readonly<Record<string, unknown>>;
}

describe.each(STRATEGIES)('explore --strategy %s', (strategy) => {
  const args = ['explore', RACE, '--strategy', strategy, '--seed', '3', '--schedules', '600'];

  it('gives a violation by a journal that replays, and by a command that draws it again', async () => {
    const { code, json, err } = await bench.run([...args, '--json']);
    const document = json<Document>();
    expect([code, err]).toEqual([1, '']);
    expect(document).toMatchObject({ exhausted: false, limit: 'schedules', schedules: 600, missed: [] });
    const [violation] = document.violations;
    expect(violation).toMatchObject({ property: 'rmp.vm-bugged', least: false });
    const replayed = await bench.run(['replay', violation!.journal, '--json']);
    expect(replayed.json()).toMatchObject({ identical: true, steps: violation!.steps });
    const again = await bench.run([...violation!.again, '--json']);
    expect(again.code).toBe(1);
    if (violation!.again[0] === 'run')
      expect(again.json()).toMatchObject({ steps: violation!.steps, violation: { property: 'rmp.vm-bugged', step: violation!.steps } });
    else expect(again.json<Document>().violations.map(({ seed, steps }) => [seed, steps])).toEqual([[violation!.seed, violation!.steps]]);
  });

  it('prints the same bytes from the same seed, twice', async () => {
    const once = await bench.run([...args, '--json']);
    expect((await bench.run([...args, '--json'])).out).toBe(once.out);
  });

  it('ends with 0 where nothing broke, and promises nothing', async () => {
    const { code, out } = await bench.run(['explore', RACE, '--variant', 'overlap-2m', '--strategy', strategy, '--schedules', '200']);
    expect(code).toBe(0);
    expect(out).toContain('Nothing broke: in 200 schedules; a sample, no proof');
    expect(out).not.toContain('Clean');
    expect(out).not.toMatch(/all schedules/);
    expect(existsSync(bench.path('worldswitch-runs/none'))).toBe(false);
  });
});

describe('a sample', () => {
  it('tells people how to see a finding, and prints the bound of pct', async () => {
    const { code, out } = await bench.run(['explore', RACE, '--strategy', 'pct', '--depth', '2', '--seed', '1', '--schedules', '400']);
    expect(code).toBe(1);
    expect(out).toMatch(/first by schedule \d+, drawn by pct; broken by \d+ of 400 schedules/);
    expect(out).toMatch(/pct: with n = \d+ entities and k = \d+ decisions, one schedule meets a bug of depth 2 with a chance of at least/);
    const shrink = /(shrink worldswitch-runs\/\S+)/.exec(out)![1]!.split(' ');
    expect((await bench.run(shrink)).out).toContain('no schedule is smaller');
  });

  it('draws the futures of a recorded run, and puts the way there before what it finds', async () => {
    await bench.run(['run', RACE, '-o', 'run.wsj']);
    const { code, json } = await bench.run(['explore', 'run.wsj', '--from', '5', '--strategy', 'pos', '--schedules', '500', '--json']);
    expect(code).toBe(1);
    const [violation] = json<Document>().violations;
    expect((await bench.run(['replay', violation!.journal, '--json'])).json()).toMatchObject({
      identical: true,
      steps: 5 + violation!.steps,
    });
    expect((await bench.run([...violation!.again, '--json'])).json<Document>().violations[0]!.seed).toBe(violation!.seed);
  });

  it('asks for liveness again where a cycle was found because of it', async () => {
    const asked = [
      'explore',
      'vmsa-in-use-kick',
      '--variant',
      'no-kick',
      '--liveness',
      '--strategy',
      'pct',
      '--seed',
      '1',
      '--schedules',
      '50',
    ];
    const { json } = await bench.run([...asked, '--json']);
    const found = json<Document>().violations;
    expect(found.length).toBeGreaterThan(0);
    for (const { again, seed } of found) {
      expect(again).toContain('--liveness');
      expect((await bench.run([...again, '--json'])).json<Document>().violations.map((violation) => violation.seed)).toContain(seed);
    }
  });

  it('is red where the race of the scenario never happened', async () => {
    const { code, out } = await bench.run([
      'explore',
      RACE,
      '--variant',
      'overlap-2m',
      '--strategy',
      'random',
      '--schedules',
      '3',
      '--max-steps',
      '2',
    ]);
    expect(code).toBe(1);
    expect(out).toContain('Not met: rmp.entry-lock-is-contended');
    expect(out).toContain('3 schedules were cut after 2 steps');
  });

  it('ends with 4 when it is interrupted, and with what it has', async () => {
    const args = ['explore', 'rmp-churn', '--strategy', 'random', '--schedules', '1000000', '--json'];
    const { code, json } = await bench.run(args, { signal: AbortSignal.abort() });
    expect(code).toBe(4);
    expect(json<Document>()).toMatchObject({ limit: 'stopped', violations: [] });
    expect(json<Document>().schedules).toBeGreaterThan(0);
  });

  it('reports coverage of the portfolio', async () => {
    const { json } = await bench.run(['explore', RACE, '--strategy', 'portfolio', '--schedules', '90', '--json']);
    const { coverage, states, transitions } = json<Document>();
    expect(coverage).toMatchObject({ corpus: { steps: expect.any(Number), pairs: expect.any(Number), kept: expect.any(Number) } });
    expect(Object.keys(coverage.strategies as object).sort()).toEqual(['mutate', 'pct', 'pos', 'random', 'starve', 'surw']);
    expect(states).toBeLessThan(transitions);
  });

  it.each([
    ['a seed without a strategy', [RACE, '--seed', '3'], '--seed is for a sample', '--strategy pct --seed'],
    ['a number of schedules without one', [RACE, '--schedules', '3'], '--schedules is for a sample', '--strategy pct'],
    ['a bound of deviations', [RACE, '--strategy', 'pos', '--deviations', '2'], '--deviations is for a search', '--schedules'],
    ['a number of states', [RACE, '--strategy', 'pos', '--max-states', '2'], '--max-states is for a search', '--schedules'],
    ['a reduction', ['rmp-lock', '--strategy', 'pos', '--no-reduce'], '--reduce is for a search', '--schedules'],
    ['a depth for another', [RACE, '--strategy', 'pos', '--depth', '2'], '--depth is for --strategy pct, not for pos', '--strategy pct'],
    ['a depth of 0', [RACE, '--strategy', 'pct', '--depth', '0'], 'Expected an integer from 1', 'explore --help'],
    ['a strategy there is not', [RACE, '--strategy', 'pcp'], 'Allowed choices are random, pct', ''],
    ['no schedules', [RACE, '--strategy', 'pct', '--schedules', '0'], 'Expected an integer from 1', ''],
  ])('refuses %s', async (_, args, message, advice) => {
    const { code, out, err } = await bench.run(['explore', ...args]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect(err).toContain(advice);
  });
});

describe('run --chooser', () => {
  it.each(['pct', 'pos', 'surw', 'starve'])('%s draws the same run from the same seed, and another from another', async (chooser) => {
    const roots = await Promise.all(
      ['3', '3', '4'].map((seed) => bench.run(['run', RACE, '--chooser', chooser, '--seed', seed, '--mode', 'memory', '--json'])),
    );
    const [first, same, other] = roots.map(({ json }) => json<{ root: string }>().root);
    expect(same).toBe(first);
    expect(other).not.toBe(first);
  });

  it('names runs of pct by their depth, too', async () => {
    const ids = await Promise.all(
      ['2', '3'].map(async (depth) => {
        const { json } = await bench.run(['run', RACE, '--chooser', 'pct', '--depth', depth, '--mode', 'memory', '--json']);
        return json<{ runId: string }>().runId;
      }),
    );
    expect(ids[0]).not.toBe(ids[1]);
  });

  it('refuses a depth for others', async () => {
    const { code, err } = await bench.run(['run', RACE, '--chooser', 'pos', '--depth', '2']);
    expect(code).toBe(2);
    expect(err).toContain('--depth is not for the chooser pos');
  });
});
