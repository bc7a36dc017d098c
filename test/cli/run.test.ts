/** `run`: what it prints, what it writes, and what its exit code says. */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { realFiles } from '../../replay/files.ts';
import type { FileSystem } from '../../replay/part-file.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const RACE = 'rmp-host-write-race';

interface Regression {
  readonly variant: string;
  readonly property: string | null;
  readonly schedule: readonly { readonly index: number; readonly count: number; readonly label: string }[];
}
const regressions = JSON.parse(readFileSync('scenarios/regressions/rmp-host-write-race.json', 'utf8')) as Regression[];
const killed = regressions.find(({ property }) => property === 'rmp.innocent-process-killed')!;
const killing = killed.schedule.map(({ index }) => index).join('.');

interface RunDocument {
  readonly verdict: string;
  readonly violation: { readonly property: string; readonly step: number; readonly message: string } | null;
  readonly steps: number;
  readonly records: number;
  readonly digest: string;
  readonly root: string;
  readonly journal: string | null;
  readonly schedule: string;
  readonly runId: string;
}

describe('run', () => {
  it('prints one JSON document with the keys of the contract, and writes the journal it names', async () => {
    const { code, json, err } = await bench.run(['run', RACE, '--json']);
    const document = json<RunDocument>();
    expect(code).toBe(0);
    expect(err).toBe('');
    expect(Object.keys(document)).toEqual(
      expect.arrayContaining(['verdict', 'violation', 'steps', 'records', 'digest', 'root', 'journal', 'schedule', 'outcomes', 'ended']),
    );
    expect(document).toMatchObject({ verdict: 'clean', violation: null, journal: `worldswitch-runs/${document.runId}.wsj` });
    expect(document.digest).toMatch(/^[0-9a-f]{16}$/);
    expect(document.root).toMatch(/^[0-9a-f]{64}$/);
    expect(document.schedule.split('.')).toHaveLength(document.steps);
    expect(existsSync(bench.path(document.journal!))).toBe(true);
  });

  it('gives the same bytes from both engines and in all modes that a file has', async () => {
    const files = await Promise.all(
      [
        ['live', 'buffered'],
        ['memo', 'buffered'],
      ].map(async ([engine, mode]) => {
        const file = `${engine}-${mode}.wsj`;
        await bench.run(['run', RACE, '--engine', engine!, '--mode', mode!, '-o', file]);
        return readFileSync(bench.path(file));
      }),
    );
    expect(files[0]!.equals(files[1]!)).toBe(true);
    const { json } = await bench.run(['run', RACE, '--mode', 'sync', '-o', 'sync.wsj', '--json']);
    expect((await bench.run(['verify', 'sync.wsj'])).code).toBe(0);
    expect(json<RunDocument>().journal).toBe('sync.wsj');
  });

  it('shows a violation with its evidence and the command that shows it again', async () => {
    const { code, out } = await bench.run(['run', RACE, '--schedule', killing]);
    expect(code).toBe(1);
    expect(out).toContain('Broken: rmp.innocent-process-killed');
    expect(out).toContain('was killed by SIGBUS');
    const again = /See it: worldswitch (.*)/.exec(out)![1]!.replaceAll("'", '').split(' ');
    expect((await bench.run(again)).code).toBe(1);
  });

  it('repeats a schedule of whole choices from a file of either form, and its own JSON', async () => {
    writeFileSync(bench.path('array.json'), JSON.stringify(killed.schedule));
    writeFileSync(bench.path('lines.jsonl'), killed.schedule.map((choice) => `${JSON.stringify(choice)}\n`).join(''));
    const first = await bench.run(['run', RACE, '--schedule', '@array.json', '--mode', 'memory', '--json']);
    const second = await bench.run(['run', RACE, '--schedule', '@lines.jsonl', '--mode', 'memory', '--json']);
    writeFileSync(bench.path('own.json'), first.out);
    const third = await bench.run(['run', RACE, '--schedule', '@own.json', '--mode', 'memory', '--json']);
    expect(first.json<RunDocument>()).toMatchObject({
      schedule: killing,
      journal: null,
      violation: { property: 'rmp.innocent-process-killed' },
    });
    expect([second.out, third.out]).toEqual([first.out, first.out]);
  });

  it('goes on in order when a schedule is used up', async () => {
    const { json } = await bench.run(['run', RACE, '--schedule', '0.1', '--mode', 'memory', '--json']);
    expect(json<RunDocument>().schedule).toMatch(/^0\.1\.0/);
  });

  it('names the step at which a schedule of whole choices no longer fits', async () => {
    const [first, ...rest] = killed.schedule;
    writeFileSync(bench.path('old.json'), JSON.stringify([{ ...first, label: 'exec(pcpu:9)' }, ...rest]));
    const { code, err } = await bench.run(['run', RACE, '--schedule', '@old.json']);
    expect(code).toBe(2);
    expect(err).toContain('step 1 of the schedule is exec(pcpu:9)');
  });

  it('draws the same run from the same seed and another from another', async () => {
    const runs = await Promise.all(
      ['3', '3', '4'].map((seed) => bench.run(['run', RACE, '--chooser', 'random', '--seed', seed, '--mode', 'memory', '--json'])),
    );
    const [a, b, c] = runs.map(({ json }) => json<RunDocument>());
    expect(a).toEqual(b);
    expect(a!.schedule).not.toBe(c!.schedule);
  });

  it.each([
    ['panic-sigbus in order stays clean, which is not what is expected', ['--variant', 'panic-sigbus'], 1],
    ['panic-sigbus on the schedule that kills', ['--schedule', killing], 0],
    ['map-lock-user is clean as expected', ['--variant', 'map-lock-user'], 0],
  ])('with --expect: %s', async (_, options, code) => {
    expect((await bench.run(['run', RACE, ...options, '--expect', '--mode', 'memory'])).code).toBe(code);
  });

  it('ends with 4 when the bound of steps is hit, and keeps the journal', async () => {
    const text = readFileSync('scenarios/sev-snp/rmp-host-write-race.yaml', 'utf8').replace(
      'properties:',
      'bounds: { steps: 10 }\nproperties:',
    );
    writeFileSync(bench.path('short.yaml'), text);
    const { code, out } = await bench.run(['run', './short.yaml', '-o', 'short.wsj']);
    expect(code).toBe(4);
    expect(out).toContain('Unfinished');
    expect((await bench.run(['replay', 'short.wsj'])).code).toBe(0);
  });

  it('ends with 4 when it is interrupted, and seals the journal', async () => {
    const signal = AbortSignal.abort();
    const { code, json } = await bench.run(['run', RACE, '-o', 'stopped.wsj', '--json'], { signal });
    expect(code).toBe(4);
    expect(json()).toMatchObject({ ended: 'stopped', verdict: 'clean' });
    expect((await bench.run(['verify', 'stopped.wsj'])).out).toContain('sealed');
  });

  it('reads a scenario from standard input and writes a journal to standard output', async () => {
    const stdin = readFileSync('scenarios/sev-snp/rmp-host-write-race.yaml');
    const { code, bytes, err } = await bench.run(['run', '-', '-o', '-'], { stdin });
    expect(code).toBe(0);
    expect(err).toContain('Clean');
    expect((await bench.run(['replay', '-', '--json'], { stdin: bytes })).json()).toMatchObject({ identical: true });
  });

  it('names no command that reads what can be read once', async () => {
    const file = bench.path('once.yaml');
    copyFileSync('scenarios/sev-snp/rmp-host-write-race.yaml', file);
    // Below /dev as a path, as `/dev/stdin` is that the shell leads from a file.
    const once = await bench.run(['run', `/dev/..${file}`, '--mode', 'memory']);
    expect(once.out).not.toContain('See it: worldswitch run');
    expect((await bench.run(['run', file, '--mode', 'memory'])).out).toContain(`See it: worldswitch run ${file}`);
  });

  it('leaves nothing under the name of a file that cannot be written', async () => {
    bench.makeFolder('taken');
    const before = readdirSync(bench.folder);
    expect((await bench.run(['run', RACE, '-o', 'taken'])).err).toContain('is a folder');
    expect((await bench.run(['run', RACE, '-o', 'no/such/folder.wsj'])).err).toContain('there is no such file or folder');
    expect(readdirSync(bench.folder)).toEqual(before);
  });

  it('keeps what another writer may be writing, and under its own name needs no other', async () => {
    writeFileSync(bench.path('held.wsj.part'), 'half a journal');
    const { code, err } = await bench.run(['run', RACE, '-o', 'held.wsj']);
    expect(code).toBe(2);
    expect(err).toContain('another run writes it, or one was killed');
    expect(readFileSync(bench.path('held.wsj.part'), 'utf8')).toBe('half a journal');
    const { journal } = (await bench.run(['run', RACE, '--json'])).json<RunDocument>();
    // A killed run of another container may have had the process id of this one.
    for (const part of ['part', `${process.pid}.part`]) writeFileSync(bench.path(`${journal}.${part}`), 'half a journal');
    expect((await bench.run(['run', RACE])).code).toBe(0);
  });

  it('looks at signals before there is a file that one could leave behind', async () => {
    const order: string[] = [];
    const open: FileSystem['open'] = (path, flags) => {
      order.push('open');
      return realFiles.open(path, flags);
    };
    const files = { ...realFiles, open };
    const { code } = await bench.run(['run', RACE, '-o', 'signals.wsj'], { files, onInterruption: () => order.push('signals') });
    expect([code, order.slice(0, 2)]).toEqual([0, ['signals', 'open']]);
  });

  it('shows values of registers in hexadecimal digits', async () => {
    const { out } = await bench.run(['run', 'oslock-read-back', '-o', 'registers.wsj']);
    expect(out).toContain('arm.sysreg reg=mdscr_el1 value=0xa000 write');
    expect(out).toContain('\n  1 CPU, preemption full');
    const exported = (await bench.run(['export', 'registers.wsj', '--format', 'chrome', '-o', '-'])).out;
    expect(exported).toContain('"reg":"mdscr_el1","value":"0xa000"');
  });

  it('shows every step with --verbose, and says how many it leaves out without', async () => {
    const brief = await bench.run(['run', RACE, '--mode', 'memory']);
    const verbose = await bench.run(['run', RACE, '--mode', 'memory', '--verbose']);
    expect(brief.out).toMatch(/\d+ of 89 steps; --verbose shows all/);
    expect(verbose.out.split('\n').length).toBeGreaterThan(89);
    expect(brief.out.split('\n').length).toBeLessThan(65);
  });
});
