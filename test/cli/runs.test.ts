/** `runs` and `latest`: the journals that were written where nothing else was asked for. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { shippedPath } from '../../api/shipped-scenarios.ts';
import { Bench } from './run-cli.ts';

const empty = new Bench();
const cut = new Bench();
const bench = new Bench();
afterAll(() => {
  empty.clear();
  cut.clear();
  bench.clear();
});

interface Listed {
  readonly file: string;
  readonly verdict: string;
  readonly scenario: string | null;
  readonly steps: number | null;
}

const ran = async (argv: readonly string[], at: number): Promise<string> => {
  const { journal } = (await bench.run([...argv, '--json'])).json<{ journal: string }>();
  utimesSync(bench.path(journal), at, at);
  return journal;
};

describe('runs', () => {
  it('lists the newest first, with verdict, steps, size and time, and what cannot be read', async () => {
    const clean = await ran(['run', 'rmp-host-write-race'], 1_000_000);
    const broken = await ran(['run', 'rmp-host-write-race', '--chooser', 'random-uniform', '--seed', '39'], 2_000_000);
    writeFileSync(bench.path('worldswitch-runs/junk.wsj'), 'junk');
    utimesSync(bench.path('worldswitch-runs/junk.wsj'), 500_000, 500_000);
    mkdirSync(bench.path('worldswitch-runs/folder.wsj'));
    const { code, json } = await bench.run(['runs', '--json']);
    const listed = json<Listed[]>();
    expect(code).toBe(0);
    expect(listed.map(({ file, verdict }) => [file, verdict])).toEqual([
      [broken, 'violation'],
      [clean, 'clean'],
      ['worldswitch-runs/junk.wsj', 'damaged'],
    ]);
    expect(listed[1]).toMatchObject({
      scenario: 'rmp-host-write-race',
      variant: 'panic-sigbus',
      steps: 89,
      property: null,
      written: '1970-01-12T13:46:40.000Z',
    });
    const { out } = await bench.run(['runs', '--limit', '1']);
    expect(out).toContain('rmp.host-panic');
    expect(out).toContain('2 older ones');
  });

  it('lists what killed runs have left, under either name that it may have', async () => {
    const clean = await ran(['run', 'rmp-host-write-race'], 1_000_000);
    const torn = readFileSync(bench.path(clean)).subarray(0, -100);
    const parts = ['1.wsj.part', '2.wsj.0a1b2c3d.part'].map((name) => `worldswitch-runs/${name}`);
    for (const part of parts) writeFileSync(bench.path(part), torn);
    const listed = (await bench.run(['runs', '--json'])).json<Listed[]>();
    for (const part of parts) {
      expect(listed.find(({ file }) => file === part)).toMatchObject({ verdict: 'unsealed', scenario: 'rmp-host-write-race' });
      rmSync(bench.path(part));
    }
  });

  it('calls no run clean that was stopped, or that a bound has cut', async () => {
    const signal = AbortSignal.abort();
    await cut.run(['run', 'rmp-lock'], { signal });
    writeFileSync(
      cut.path('short.yaml'),
      `${readFileSync(shippedPath('rmp-lock'), 'utf8').replace(/^bounds:.*$/m, '')}\nbounds: { steps: 3 }\n`,
    );
    await cut.run(['run', 'short.yaml']);
    const listed = (await cut.run(['runs', '--json'])).json<Listed[]>();
    expect(listed.map(({ verdict }) => verdict).sort()).toEqual(['bound', 'stopped']);
  });

  it('lists a file that cannot be looked at as damaged, and the others as they are', async () => {
    const odd = new Bench();
    odd.makeFolder('worldswitch-runs');
    symlinkSync('loop.wsj', odd.path('worldswitch-runs/loop.wsj'));
    const { journal } = (await odd.run(['run', 'rmp-churn', '--json'])).json<{ journal: string }>();
    const listed = (await odd.run(['runs', '--json'])).json<(Listed & { failure: string | null })[]>();
    expect(listed.map(({ file, verdict }) => [file, verdict])).toEqual([
      [journal, 'clean'],
      ['worldswitch-runs/loop.wsj', 'damaged'],
    ]);
    expect(listed[1]!.failure).toContain('too many symbolic links');
    expect((await odd.run(['show', 'latest'])).code).toBe(0);
    expect(await odd.serving([], async () => {})).toBe(0);
    odd.clear();
  });

  it('says that a file stands where the folder is looked for', async () => {
    const odd = new Bench();
    writeFileSync(odd.path('worldswitch-runs'), '');
    const { code, err } = await odd.run(['runs']);
    expect([code, err]).toEqual([2, expect.stringContaining('worldswitch-runs: it is a file; expected a folder')]);
    odd.clear();
  });

  it('keeps a whole journal where the same run is stopped later', async () => {
    const again = new Bench();
    const { journal, steps } = (await again.run(['run', 'rmp-churn', '--json'])).json<{ journal: string; steps: number }>();
    const stopped = (await again.run(['run', 'rmp-churn', '--json'], { signal: AbortSignal.abort() })).json<{ journal: string }>();
    expect(stopped.journal).toBe(journal.replace('.wsj', '-stopped.wsj'));
    expect((await again.run(['replay', journal, '--json'])).json()).toMatchObject({ sealed: true, steps });
    expect((await again.run(['show', stopped.journal])).code).toBe(0);
    again.clear();
  });

  it('says that there are none', async () => {
    expect((await empty.run(['runs'])).out).toBe('./worldswitch-runs holds no journals\n');
    expect((await empty.run(['runs', '--json'])).json()).toEqual([]);
  });
});

describe('latest', () => {
  it.each([
    [['show', 'latest']],
    [['replay', 'latest']],
    [['verify', 'latest']],
    [['export', 'latest', '--format', 'chrome', '-o', 'latest.json']],
    [['diff', 'latest', 'latest']],
    [['inject', 'latest', '--at', '5', '--choose', 'exec', '--mode', 'memory']],
    [['shrink', 'latest', '-o', 'small.wsj']],
    [['explore', 'latest', '--max-states', '50', '-o', 'found']],
  ])('is the newest journal in %j', async (argv) => {
    const { code, err } = await bench.run(argv);
    expect([2, 3, 70]).not.toContain(code);
    expect(err).not.toContain('latest');
  });

  it('is no name where nothing was run', async () => {
    const { code, err } = await empty.run(['show', 'latest']);
    expect(code).toBe(2);
    expect(err).toContain('there is no latest run: ./worldswitch-runs holds no journals');
  });

  it('is the name of a scenario where a scenario is asked for', async () => {
    expect((await bench.run(['run', 'latest'])).err).toContain('latest');
  });
});
