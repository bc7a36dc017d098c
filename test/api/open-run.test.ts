/**
 * A run that a program drives, step by step or live while others watch: the streamed bytes are
 * those of the command.
 */
import { execFileSync } from 'node:child_process';
import { linkSync, lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inject, openInjection, openReplay, openRun, run, type Scenario, scenario } from '../../api/index.ts';
import { recordRun } from '../../api/journal.ts';
import { driveRun, LiveRun } from '../../api/timeline.ts';
import { Bench } from '../cli/run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const RACE = 'rmp-host-write-race';
const FORK = { at: 'thread:netd/0@emulate_dma_write.store#2', action: { preempt: 'pcpu:0' }, after: { name: 'follow' } } as const;

beforeAll(async () => {
  await bench.run(['run', RACE, '-o', 'race.wsj']);
  await bench.run(['run', RACE, '--schedule', '2', '-o', 'broken.wsj']);
  await bench.run(['run', RACE, '--chooser', 'random', '--seed', '5', '-o', 'drawn.wsj']);
  await bench.run(['inject', 'race.wsj', '--at', FORK.at, '--preempt', 'pcpu:0', '-o', 'fork.wsj']);
});

describe('a run that is streamed live', () => {
  it.each([
    ['a run', 'race.wsj', () => openRun(RACE)],
    ['an injected run', 'fork.wsj', () => openInjection(bench.path('race.wsj'), FORK)],
    ['a recorded run', 'race.wsj', () => openReplay(bench.path('race.wsj'))],
    ['a recorded run that was drawn', 'drawn.wsj', () => openReplay(bench.path('drawn.wsj'))],
    ['a recorded run that breaks a property', 'broken.wsj', () => openReplay(bench.path('broken.wsj'))],
    ['a recorded run that was injected', 'fork.wsj', () => openReplay(bench.path('fork.wsj'))],
  ])('writes the bytes of the command: %s', async (name, file, open) => {
    const opened = open();
    const live = new LiveRun(opened.start, { file: bench.path(`${name}.live.wsj`) });
    let told = 0;
    live.records$.subscribe(() => told++);
    const end = await driveRun(opened, live, { stepsPerTurn: 7 });
    expect(live.summary()).toMatchObject({ sealed: true, end, records: told });
    live.close();
    expect(readFileSync(bench.path(`${name}.live.wsj`))).toEqual(readFileSync(bench.path(file)));
  });

  it('ends a recorded run that was stopped where it was stopped', async () => {
    const stopping = new AbortController();
    stopping.abort();
    const stopped = openRun(RACE);
    const file = bench.path('stopped.wsj');
    await driveRun(stopped, new LiveRun(stopped.start, { file }), { stepsPerTurn: 1, signal: stopping.signal });
    const again = openReplay(file);
    const copy = bench.path('stopped-again.wsj');
    expect(await driveRun(again, new LiveRun(again.start, { file: copy }))).toMatchObject({ ended: 'stopped' });
    expect(readFileSync(copy)).toEqual(readFileSync(file));
  });

  it('tells watchers when the choice to inject cannot be made', async () => {
    const opened = openInjection(bench.path('race.wsj'), { ...FORK, action: { deliver: 'nothing' } });
    const live = new LiveRun(opened.start);
    await expect(driveRun(opened, live)).rejects.toThrow('has no alternative for deliver nothing');
    expect(live.summary().failure).toContain('has no alternative');
  });

  it('is refused once its first records are gone', () => {
    const opened = openRun(RACE);
    expect(opened.step).toBe(0);
    expect(() => driveRun(opened, new LiveRun(opened.start))).toThrow('the run has begun');
  });
});

describe('a run that is chosen step by step', () => {
  it('checks properties, and ends where one breaks', () => {
    const { journal } = run(RACE, { schedule: '2' });
    const opened = openRun(RACE);
    for (const { label } of journal.choices()) opened.take(label);
    expect(opened.end).toEqual(journal.end);
    expect(opened.end?.violation?.property).toBe('rmp.innocent-process-killed');
    expect(opened.alternatives()).toEqual([]);
    expect(opened.take(0)).toBe(false);
    expect(opened.step).toBe(journal.steps);
  });

  it('goes on by itself from wherever it stands', () => {
    const opened = openRun(RACE);
    expect(opened.alternatives()[2]?.label).toBe('migrate(sched, thread:netd/0, pcpu:1)');
    expect(opened.take(2)).toBe(true);
    expect(opened.toEnd()).toEqual(run(RACE, { schedule: '2' }).journal.end);
    expect(opened.met.size).toBeGreaterThan(0);
  });

  it('shows the actors, and refuses what cannot happen', () => {
    const opened = openRun(RACE);
    expect(opened.actors().map(({ id }) => id)).toEqual(opened.start.actors.map(({ id }) => id));
    expect(() => opened.take('exec(pcpu:9)')).toThrow('there is no alternative exec(pcpu:9); step 1 has ');
    expect(() => opened.take(99)).toThrow('there is no alternative 99; step 1 has 5');
  });
});

describe('the journal of a run that is chosen step by step', () => {
  it('has the bytes of the command that repeats the choices', () => {
    const opened = openRun(RACE, { schedule: '2' });
    const recorder = recordRun(opened, { file: bench.path('by-hand.wsj') });
    while (opened.advance());
    recorder.seal().close();
    expect(readFileSync(bench.path('by-hand.wsj'))).toEqual(readFileSync(bench.path('broken.wsj')));
  });

  it('is sealed as stopped where its caller stops, and leaves nothing if it is discarded', () => {
    const opened = openRun(RACE);
    const recorder = recordRun(opened);
    opened.take(0);
    expect(recorder.seal()).toMatchObject({ steps: 1, end: { ended: 'stopped' } });
    const other = openRun(RACE);
    recordRun(other, { file: bench.path('nothing.wsj') }).discard();
    expect(readdirSync(bench.folder).filter((name) => name.startsWith('nothing'))).toEqual([]);
    expect(other.step).toBe(0);
    expect(() => recordRun(other, { file: bench.path('nothing.wsj') })).toThrow('the run has begun');
    expect(readdirSync(bench.folder).filter((name) => name.startsWith('nothing'))).toEqual([]);
  });
});

describe('where a journal goes', () => {
  const ways: readonly (readonly [string, (file: string) => unknown])[] = [
    ['run', (file) => run(RACE, { file }).journal.close()],
    ['inject', (file) => inject(bench.path('race.wsj'), { ...FORK, file }).journal.close()],
    ['recordRun', (file) => recordRun(openRun(RACE), { file }).seal().close()],
    ['LiveRun', (file) => new LiveRun(openRun(RACE).start, { file }).close()],
  ];

  it.each(ways)('is never a pipe or a folder: %s', (_name, write) => {
    execFileSync('sh', ['-c', 'rm -rf pipe taken; mkfifo pipe; mkdir taken'], { cwd: bench.folder });
    for (const name of ['pipe', 'taken']) {
      const { ino } = lstatSync(bench.path(name));
      expect(() => write(bench.path(name))).toThrow(/cannot replace .*it is no regular file/);
      expect([lstatSync(bench.path(name)).ino, readdirSync(bench.folder).filter((file) => file.endsWith('.part'))]).toEqual([ino, []]);
    }
  });

  it('is beside the file that a link leads to, and never the file that is read', () => {
    writeFileSync(bench.path('old.wsj'), 'old');
    symlinkSync('old.wsj', bench.path('link.wsj'));
    run(RACE, { file: bench.path('link.wsj') }).journal.close();
    expect([lstatSync(bench.path('link.wsj')).isSymbolicLink(), readFileSync(bench.path('old.wsj')).length > 1000]).toEqual([true, true]);
    linkSync(bench.path('broken.wsj'), bench.path('hard.wsj'));
    const before = readFileSync(bench.path('broken.wsj'));
    expect(() => inject(bench.path('broken.wsj'), { ...FORK, file: bench.path('hard.wsj') })).toThrow('is the journal that is read');
    expect(readFileSync(bench.path('broken.wsj'))).toEqual(before);
  });

  it('is told to watchers, too, where its end cannot be sealed', async () => {
    const opened = openRun(RACE);
    const live = new LiveRun(opened.start);
    const watched = (async () => {
      for await (const _ of live.events(1, new AbortController().signal)) expect.fail('there are no records');
    })();
    expect(() => live.seal(run(RACE).journal.end!)).toThrow('expected all of them: flush() hands over the rest');
    await watched;
    expect(live.summary()).toMatchObject({ live: false, sealed: false, failure: expect.stringContaining('flush()') });
  });
});

describe('a scenario as an object', () => {
  it('has the types of all shipped mechanisms by the one import', () => {
    const written: Scenario = {
      name: 'mine',
      summary: 'A daemon writes a page while the firmware works',
      host: { arch: 'amd', features: ['sev', 'sev-es', 'sev-snp'], options: { 'kvm.rmpFault': 'auto-share' } },
      firmware: { state: 'INIT' },
      vms: { vm0: { type: 'snp', options: { asid: 1, pages: [{ gfn: 5, pfn: 0x1005, state: 'shared' }] }, vcpus: [[{ hlt: {} }]] } },
      processes: {
        qemu0: { threads: [[{ KVM_RUN: { vcpu: 'vm0/0' } }]] },
        netd: { threads: [[{ write: { vm: 'vm0', gfn: 5, stores: 2 } }]] },
      },
    };
    expect(run(scenario(written)).verdict).toBe('clean');
  });
});
