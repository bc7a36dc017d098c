/** `replay`, `inject`, `show` and `verify` on journals: whole, forked, torn, damaged. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { momentsOf } from '../../cli/micro-steps.ts';
import { openJournal } from '../../replay/open.ts';
import { findPoint, HitCounter, pointsOf } from '../../replay/points.ts';
import { memorySource } from '../../replay/source.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const STORE = 'thread:netd/0@emulate_dma_write.store#2';
let root = '';
beforeAll(async () => {
  root = (await bench.run(['run', 'rmp-host-write-race', '-o', 'run.wsj', '--json'])).json<{ root: string }>().root;
});

/** A copy of the journal with one byte changed, or cut short. */
function damaged(name: string, change: (bytes: Buffer) => Buffer): string {
  writeFileSync(bench.path(name), change(readFileSync(bench.path('run.wsj'))));
  return name;
}
const flipped = (at: number) => (bytes: Buffer) => {
  bytes[at]! ^= 0x40;
  return bytes;
};

describe('replay', () => {
  it('finds every digest equal', async () => {
    const { code, json } = await bench.run(['replay', 'run.wsj', '--json']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ identical: true, sealed: true, steps: 89, records: 555, divergence: null });
  });

  it.each([[[]], [['--fold']]])('stops at a step: %j', async (options) => {
    const { json } = await bench.run(['replay', 'run.wsj', '--to', '6', '--json', ...options]);
    const { digest } = (await bench.run(['show', 'run.wsj', '--step', '6', '--json'])).json<{ digest: string }>();
    expect(json()).toMatchObject({ identical: true, steps: 6, digest });
  });

  it('says what a torn journal lost, and replays what is there', async () => {
    const file = damaged('torn.wsj', (bytes) => bytes.subarray(0, bytes.length - 40));
    const { code, err } = await bench.run(['replay', file]);
    expect(code).toBe(0);
    expect(err).toContain('not sealed');
    expect((await bench.run(['replay', file, '--json'])).json()).toMatchObject({ sealed: false, identical: true });
  });
});

describe('inject', () => {
  it('turns a clean run into a violation by one preemption at a point by name', async () => {
    const { code, json } = await bench.run(['inject', 'run.wsj', '--at', STORE, '--preempt', 'pcpu:0', '-o', 'fork.wsj', '--json']);
    expect(code).toBe(1);
    expect(json()).toMatchObject({
      verdict: 'violation',
      violation: { property: 'rmp.innocent-process-killed' },
      journal: 'fork.wsj',
      fork: { at: 6, label: 'preempt(pcpu:0)' },
      changed: { firstDifferentStep: 6, verdictBefore: 'clean', verdictAfter: 'violation: rmp.innocent-process-killed' },
    });
    expect((await bench.run(['replay', 'fork.wsj'])).code).toBe(0);
  });

  it('says which time it took where a name happens more than once', async () => {
    const store = STORE.replace('#2', '');
    const at = ['inject', 'run.wsj', '--choose', 'exec(pcpu:0)', '--mode', 'memory', '--at'];
    const { out } = await bench.run([...at, store]);
    expect(out).toContain('time 1 of the 2 that thread:netd/0 executes emulate_dma_write.store');
    const { json } = await bench.run([...at, store, '--json']);
    expect(json<{ fork: object }>().fork).toMatchObject({ microStep: { hit: 1, hits: 2 } });
    expect((await bench.run([...at, '5'])).out).not.toContain('of the 2 that');
  });

  it('keeps the records before the fork as they were', async () => {
    await bench.run(['inject', 'run.wsj', '--at', STORE, '--preempt', 'pcpu:0', '-o', 'fork.wsj']);
    const [before, after] = ['run.wsj', 'fork.wsj'].map((file) => openJournal(memorySource(readFileSync(bench.path(file)))));
    const upTo5 = (journal: typeof before) => [...journal!.recordsFrom(1)].filter(({ step }) => step < 6);
    expect(upTo5(after)).toEqual(upTo5(before));
  });

  it.each([
    ['--migrate', 'thread:vhost0/0=pcpu:0'],
    ['--choose', 'exec(pcpu:1)'],
  ])('takes %s %s', async (option, operand) => {
    const { code, out } = await bench.run(['inject', 'run.wsj', '--at', '5', option, operand, '--then', 'fifo', '--mode', 'memory']);
    expect(code).toBeLessThanOrEqual(1);
    expect(out).toContain('Changed: from step 5 on');
  });

  it('explains what can be chosen where an action cannot happen', async () => {
    const { code, err } = await bench.run(['inject', 'run.wsj', '--at', '5', '--preempt', 'pcpu:7']);
    expect(code).toBe(2);
    expect(err).toContain('it has exec(pcpu:0); exec(pcpu:1); preempt(pcpu:0)');
  });
});

describe('show', () => {
  it('has the state of a step, what is in flight, and what could come next', async () => {
    const { json } = await bench.run(['show', 'run.wsj', '--step', '5', '--json']);
    const { state, alternatives, ...rest } = json<{ state: object; alternatives: { taken: boolean }[] }>();
    expect(rest).toMatchObject({ step: 5, inFlight: [] });
    expect(Object.keys(state)).toContain('thread:netd/0');
    expect(alternatives[0]).toEqual({ index: 0, label: 'exec(pcpu:0)', taken: true });
    expect(alternatives.filter(({ taken }) => taken)).toHaveLength(1);
  });

  it('has the same keys without a step, for the last one', async () => {
    const { json } = await bench.run(['show', 'run.wsj', '--json']);
    expect(json()).toMatchObject({ step: 89, inFlight: [], alternatives: [], journal: { records: 555, root, verdict: 'clean' } });
  });

  it('lists points that inject finds again, each at its step', async () => {
    const { json } = await bench.run(['show', 'run.wsj', '--points', '--json']);
    const { points } = json<{ points: { step: number; point: string | null; label: string; alternatives: string[] }[] }>();
    const journal = openJournal(memorySource(readFileSync(bench.path('run.wsj'))));
    expect(points).toHaveLength(89);
    for (const { step, point, label, alternatives } of points) {
      expect(alternatives).toContain(label);
      if (point !== null) expect(findPoint(journal, point)).toBe(step);
    }
  });

  it('names micro-steps as points do', () => {
    const journal = openJournal(memorySource(readFileSync(bench.path('run.wsj'))));
    const told = [...momentsOf(journal)].map(({ step, actor, microStep }) => ({ step, actor, name: microStep }));
    const named = [...pointsOf(journal)].map(({ step, microSteps }) => ({ step, ...microSteps.at(-1)! }));
    expect(told).toEqual(named);
    expect([...momentsOf(journal, 40, 42)]).toEqual([...momentsOf(journal)].slice(39, 42));
    expect(new HitCounter().point('pcpu:0', 'task')).toBe('pcpu:0@task');
  });

  it('lists records from a seq, of one actor, up to a limit', async () => {
    const { json } = await bench.run(['show', 'run.wsj', '--from', '15', '--limit', '3', '--actor', 'pcpu:0', '--json']);
    const { records } = json<{ records: { seq: number; actor: string; peer: string | null }[] }>();
    expect(records.map(({ seq }) => seq)).toEqual([15, 16, 17]);
    for (const { actor, peer } of records) expect([actor, peer]).toContain('pcpu:0');
  });

  it('says that no record is left from a seq on', async () => {
    expect((await bench.run(['show', 'run.wsj', '--from', '556'])).out).toContain('none from 556 on; the last record is 555');
  });

  it('shows the schedule of a run by rows', async () => {
    await bench.run(['run', 'rmp-churn', '--set', 'rounds=1', '--schedule', '0*90', '-o', 'rows.wsj']);
    expect((await bench.run(['show', 'rows.wsj'])).out).toContain('replay, 0*90\n');
  });

  it('shows facts, records, a step and points as text', async () => {
    expect((await bench.run(['show', 'run.wsj'])).out).toContain('records  555 in 89 steps');
    expect((await bench.run(['show', 'run.wsj', '--step', '5', '--actor', 'rmp:0x1000'])).out).toMatch(/rmp:0x1000 {2}"ready"[\s\S]*taken/);
    expect((await bench.run(['show', 'run.wsj', '--points', '--actor', 'thread:netd/0'])).out).toContain(STORE);
  });
});

describe('verify', () => {
  it('takes a whole journal, and the root it was printed with', async () => {
    expect((await bench.run(['verify', 'run.wsj'])).code).toBe(0);
    expect((await bench.run(['verify', 'run.wsj', '--root', root.toUpperCase()])).code).toBe(0);
  });

  it('tells another journal by its root', async () => {
    const { code, json } = await bench.run(['verify', 'run.wsj', '--root', '0'.repeat(64), '--json']);
    expect(code).toBe(1);
    expect(json()).toMatchObject({ ok: false, problem: { code: 'wrong_root' } });
  });

  it.each([
    ['its header', 20],
    ['a block of records', 6000],
  ])('names the place of a byte changed in %s', async (_, at) => {
    const file = damaged('bad.wsj', flipped(at));
    const { code, out } = await bench.run(['verify', file]);
    expect(code).toBe(3);
    expect(out).toMatch(/damaged in frame \d+ at byte \d+/);
    for (const command of ['replay', 'show']) {
      const opened = await bench.run([command, file, '--json']);
      expect([0, 3]).toContain(opened.code);
    }
  });

  it('goes through a folder, and its worst finding decides', async () => {
    bench.makeFolder('many/below');
    writeFileSync(bench.path('many/a.wsj'), readFileSync(bench.path('run.wsj')));
    writeFileSync(bench.path('many/below/b.wsj'), 'no journal');
    const { code, json } = await bench.run(['verify', 'many', '--json']);
    expect(code).toBe(3);
    expect(json<{ items: { name: string; ok: boolean }[] }>().items.map(({ name, ok }) => [name, ok])).toEqual([
      ['many/a.wsj', true],
      ['many/below/b.wsj', false],
    ]);
  });
});
