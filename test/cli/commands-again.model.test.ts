/**
 * Commands that are printed to be copied: a shell takes them as they stand, and each shows the same
 * run.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { shippedPath } from '../../api/shipped-scenarios.ts';
import { offering, oneActor, writeModel } from './own-models.ts';
import { FIX } from './own-modules.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

bench.makeFolder("my files/it's");
const SCENARIO = "my files/it's/race.yaml";
const MODULE = 'my files/fix.mjs';
writeFileSync(bench.path(SCENARIO), readFileSync(shippedPath('rmpadjust-vs-rmpupdate')));
writeFileSync(bench.path(MODULE), FIX);

interface Found {
  readonly digest: string;
  readonly steps: number;
  readonly schedule: string;
  readonly violation: { readonly property: string } | null;
}

interface Drawn {
  readonly again: readonly string[];
  readonly journal: string;
}

/** More steps than a printed schedule has. */
const LENGTH = 400;
const ROUNDS = oneActor(
  `Object.fromEntries(Array.from({ length: ${LENGTH} }, (_, i) => ['s' + i, { ${offering('exec')}, on: { exec: 's' + (i + 1) } }])
    .concat([['s${LENGTH}', { tags: 'rest' }]]))`,
  "{ exec: 'offer', irq: 'bus' }",
).replace("initial: 's'", "initial: 's0'");
const LAST = `[alwaysEach('own.last', { kind: 'a', source: 's', grade: 'decision', each: ({ value }) => (value === 's${LENGTH}' ? 'last' : null) })]`;

/** The words of a command line as a shell takes them, without the program's name. */
const words = (line: string): string[] =>
  execFileSync('sh', ['-c', `set -- ${line}; shift; for word; do printf '%s\\0' "$word"; done`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1);

/** The commands in a text. */
const printed = (out: string): string[] => [...out.matchAll(/worldswitch .*?(?=$| {3}worldswitch)/gm)].map(([line]) => line);

const found = async <T>(args: readonly string[]): Promise<T> => (await bench.run([...args, '--json'])).json<T>();
const runs = async (args: readonly string[]): Promise<Found> => {
  const { digest, steps, schedule, violation } = await found<Found>(args);
  return { digest, steps, schedule, violation };
};
/** The run that the printed command shows. */
const againAs = async (args: readonly string[]): Promise<Found> => {
  const { out } = await bench.run(args);
  const [again] = printed(out.slice(out.indexOf('See it: ')));
  expect(again).toMatch(/^worldswitch run /);
  return runs(words(again!));
};

describe.each(['random', 'random-uniform', 'pct', 'pos', 'surw', 'starve', 'fifo'])('run --chooser %s', (chooser) => {
  const drawn = chooser === 'fifo' ? [] : ['--seed', '11'];
  const measured = chooser === 'pct' ? ['--depth', '2', '--horizon', '40'] : chooser === 'surw' ? ['--max-steps', '300'] : [];
  const asked = ['--models', MODULE, '--chooser', chooser, ...drawn, ...measured];
  it.each([
    ['what breaks nothing', 'once'],
    ['what breaks', 'inuse'],
  ])('prints the command that shows the same run: %s', async (_, variant) => {
    const args = ['run', SCENARIO, '--variant', variant, ...asked];
    expect(await againAs(args)).toEqual(await runs(args));
  });

  it('prints it where what breaks has more choices than fit on a line', async () => {
    const args = [
      'run',
      ...writeModel(bench, ROUNDS, 'properties: { always: [own.last] }', LAST),
      '--chooser',
      chooser,
      ...drawn,
      ...measured,
    ];
    const found = await runs(args);
    expect(found.violation).toMatchObject({ property: 'own.last', step: LENGTH });
    expect(await againAs(args)).toEqual(found);
  });
});

describe.each(['random', 'pct', 'pos', 'surw', 'starve', 'portfolio'])('explore --strategy %s', (strategy) => {
  it('prints the command that draws the same run again', async () => {
    const args = [
      'explore',
      SCENARIO,
      '--variant',
      'inuse',
      '--models',
      MODULE,
      '--strategy',
      strategy,
      '--seed',
      '3',
      '--schedules',
      '600',
    ];
    const { violations } = await found<{ readonly violations: readonly Drawn[] }>(args);
    const { out } = await bench.run(args);
    const [again] = printed(out.slice(out.indexOf('Again: ')));
    expect(words(again!)).toEqual(violations[0]!.again);
    const { digest } = await found<Found>(['show', violations[0]!.journal, '--models', MODULE]);
    if (again!.startsWith('worldswitch run ')) expect(await runs(words(again!))).toMatchObject({ digest });
    else
      expect((await found<{ readonly violations: readonly Drawn[] }>(words(again!))).violations).toMatchObject([
        { journal: violations[0]!.journal },
      ]);
  });
});

describe('verify of what is not as expected', () => {
  it('prints a command that shows a committed schedule that breaks', async () => {
    writeFileSync(
      bench.path('my files/clean.yaml'),
      readFileSync(bench.path(SCENARIO), 'utf8').replace(/^ {2}inuse: \{ violates.*$/m, '  inuse: clean'),
    );
    bench.makeFolder('my files/regressions');
    writeFileSync(bench.path('my files/regressions/clean.json'), readFileSync('scenarios/regressions/rmpadjust-vs-rmpupdate.json'));
    const { code, out } = await bench.run(['verify', 'my files/clean.yaml']);
    const all = printed(out);
    expect([code, all.length > 0]).toEqual([1, true]);
    for (const again of all) expect((await runs(words(again))).violation).toMatchObject({ property: 'rmp.vm-bugged' });
  });
});
