/**
 * The functions of `worldswitch` beside the commands: the same scenario, the same bytes, the same
 * verdict.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { compare, explore, inject, openJournal, replay, run, type Scenario, scenario } from '../../api/index.ts';
import { Bench } from '../cli/run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const RACE = 'rmp-host-write-race';
const STORE = 'thread:netd/0@emulate_dma_write.store#2';

/** What a command prints, and the bytes of the journal that it writes. */
async function commanded(name: string, ...argv: readonly string[]) {
  const { json } = await bench.run([...argv, '-o', name, '--json']);
  return { document: json<Readonly<Record<string, unknown>>>(), bytes: readFileSync(bench.path(name)) };
}

describe('run', () => {
  it.each([
    ['in order', {}, []],
    ['by chance', { chooser: 'random', seed: 7 }, ['--chooser', 'random', '--seed', '7']],
    ['by a strategy that samples', { chooser: 'pct', seed: 3, depth: 3 }, ['--chooser', 'pct', '--seed', '3', '--depth', '3']],
    ['by a schedule', { schedule: '2' }, ['--schedule', '2']],
    ['of a variant', { variant: 'auto-share' }, ['--variant', 'auto-share']],
  ] as const)('says and writes what the command does: %s', async (name, options, argv) => {
    const file = bench.path(`${name}.api.wsj`);
    const { journal, expected, ...report } = run(RACE, { ...options, file });
    const { document, bytes } = await commanded(`${name}.wsj`, 'run', RACE, ...argv);
    expect(document).toMatchObject(report);
    expect(readFileSync(file)).toEqual(bytes);
    expect([...journal.choices()].map(({ index }) => index).join('.')).toBe(document.schedule);
    journal.close();
  });

  it('repeats a schedule by its labels, as a search gives it', () => {
    const { violations } = explore('rmpadjust-vs-rmpupdate');
    const { violation, steps } = run('rmpadjust-vs-rmpupdate', { schedule: violations[0]!.labels });
    expect({ property: violation?.property, steps }).toEqual({ property: 'rmp.vm-bugged', steps: violations[0]!.steps });
  });

  it('says whether the run is what its scenario expects', () => {
    expect(run('rmpadjust-vs-rmpupdate', { variant: 'overlap-2m' }).expected).toBe(true);
    expect(run('rmpadjust-vs-rmpupdate').expected).toBe(false);
  });

  it('refuses a schedule that is none, and one beside a chooser', () => {
    expect(() => run(RACE, { schedule: '0.x' })).toThrow('step 2 of the schedule is "x"; expected an index, as in 0.1.0');
    expect(() => run(RACE, { schedule: '0', chooser: 'random' })).toThrow('found a schedule and the chooser random');
  });
});

describe('a scenario', () => {
  const text = readFileSync(`scenarios/sev-snp/${RACE}.yaml`, 'utf8');

  it('goes by its name, by its text, and as an object', () => {
    const { root } = run(RACE);
    expect(run(text).root).toBe(root);
    const checked: Scenario = scenario(text);
    expect(run(checked).root).toBe(root);
    expect(run({ ...checked }).root).toBe(root);
  });

  it('takes parameters and mutants as the command does', async () => {
    const { root } = run('rmp-churn', { set: { rounds: 3 } });
    expect(root).toBe((await commanded('churn.wsj', 'run', 'rmp-churn', '--set', 'rounds=3')).document.root);
  });

  it.each([
    ['rmp-host-write-rase', /did you mean "?rmp-host-write-race/i],
    ['./mine.yaml', "expected the text of the file: readFileSync(path, 'utf8')"],
    ['name: x\nsummary: y\n', 'scenario:1'],
  ])('that is none is refused: %j', (source, message) => {
    expect(() => run(source)).toThrow(message);
  });
});

describe('inject', () => {
  it('says and writes what the command does', async () => {
    await commanded('race.wsj', 'run', RACE);
    const { document, bytes } = await commanded('fork.wsj', 'inject', bench.path('race.wsj'), '--at', STORE, '--preempt', 'pcpu:0');
    const file = bench.path('fork.api.wsj');
    const options = { at: STORE, action: { preempt: 'pcpu:0' }, after: { name: 'follow' }, file } as const;
    const { journal, expected, ...report } = inject(bench.path('race.wsj'), options);
    journal.close();
    expect(document).toMatchObject(report);
    expect(readFileSync(file)).toEqual(bytes);
    expect(() => inject(file, { ...options, file })).toThrow('is the journal that is read; expected another file');
  });
});

describe('replay', () => {
  it('says what the command does', async () => {
    const { bytes } = await commanded('again.wsj', 'run', RACE, '--schedule', '2');
    const { json } = await bench.run(['replay', 'again.wsj', '--json']);
    expect(json()).toMatchObject(replay(bytes));
    expect(replay(bench.path('again.wsj')).violation?.property).toBe('rmp.innocent-process-killed');
    expect(replay(openJournal(bytes), { to: 5 })).toMatchObject({ identical: true, steps: 5, violation: null });
  });
});

describe('explore', () => {
  it('says what the command does', async () => {
    const { json } = await bench.run(['explore', 'rmpadjust-vs-rmpupdate', '--json']);
    const { violations, ...report } = explore('rmpadjust-vs-rmpupdate');
    const { verdict, ...keys } = report;
    expect(verdict).toBe('violation');
    const document = json<{ violations: readonly object[] }>();
    expect(document).toMatchObject(keys);
    expect(document.violations.map(({ journal: _, ...violation }: { journal?: string }) => violation)).toEqual(
      violations.map(({ labels: _, ...violation }) => violation),
    );
  });

  it('searches the futures of a recorded run', () => {
    const { labels } = explore('rmpadjust-vs-rmpupdate').violations[0]!;
    const { journal } = run('rmpadjust-vs-rmpupdate', { schedule: labels });
    const { violations } = explore(journal, { from: 10 });
    expect(violations.map(({ property }) => property)).toEqual(['rmp.vm-bugged']);
    expect(run('rmpadjust-vs-rmpupdate', { schedule: violations[0]!.labels }).violation?.property).toBe('rmp.vm-bugged');
  });

  it('stops when it is told to, and promises nothing then', () => {
    expect(explore(RACE, { onProgress: () => true })).toMatchObject({ exhausted: false, limit: 'stopped' });
  });

  it('refuses what does not go together', () => {
    expect(() => explore(RACE, { symmetry: true, deviations: 1 })).toThrow('symmetry does not go with bound: the in-order run');
    expect(() => explore(RACE, { from: 1 })).toThrow('expected it with a journal');
  });
});

describe('compare', () => {
  it('says what the command does', async () => {
    const { json } = await bench.run(['compare', 'rmpadjust-vs-rmpupdate', '--json']);
    const { rows, scenario: name } = compare('rmpadjust-vs-rmpupdate');
    const plain = rows.map(({ violations, ...row }) => ({ ...row, violations: violations.map(({ labels: _, ...rest }) => rest) }));
    expect(json()).toMatchObject({ scenario: name, rows: plain });
  });
});

describe('a journal', () => {
  it('opens by its path, its bytes, or a source', () => {
    const file = bench.path('open.wsj');
    const { root, journal } = run(RACE, { file });
    journal.close();
    const bytes = readFileSync(file);
    const byPath = openJournal(file);
    expect([byPath.root, openJournal(bytes).root]).toEqual([root, root]);
    byPath.close();
    writeFileSync(file, 'no journal');
    expect(() => openJournal(file)).toThrow();
  });
});
