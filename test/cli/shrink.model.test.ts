/**
 * `shrink`: a smaller journal that breaks the same, the pair of steps it depends on by name and
 * source, and what it refuses.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

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

/** One choice changed in the in-order run kills the daemon: with more steps than it takes. */
const STORE = 'thread:netd/0@emulate_dma_write.store#2';
beforeAll(async () => {
  await bench.run(['run', 'rmp-host-write-race', '-o', 'clean.wsj']);
  await bench.run(['inject', 'clean.wsj', '--at', STORE, '--preempt', 'pcpu:0', '-o', 'long.wsj']);
});

describe('shrink', () => {
  it('writes a smaller journal of the same violation, which replays', async () => {
    const { code, json } = await bench.run(['shrink', 'long.wsj', '-o', 'short.wsj', '--json']);
    const document = json<Document>();
    expect(code).toBe(0);
    expect(document).toMatchObject({ property: 'rmp.innocent-process-killed', optimal: true, journal: 'short.wsj' });
    expect(document.before).toMatchObject({ disturbances: 0, preemptions: 1 });
    expect(document.after).toMatchObject({ disturbances: 0, preemptions: 1, switches: 0 });
    expect(document.after.steps).toBeLessThan(document.before.steps);
    expect((await bench.run(['replay', 'short.wsj', '--json'])).json()).toMatchObject({ identical: true, steps: document.after.steps });
    const explained = await bench.run(['show', 'short.wsj', '--explain']);
    expect(explained.out).toContain(`rmp.innocent-process-killed broke at step ${document.after.steps}`);
  });

  it('names both steps of the critical pair by micro-step, source and grade, and the journal they stand in', async () => {
    const { violations } = (await bench.run(['explore', 'rmpadjust-vs-rmpupdate', '--json'])).json<{ violations: { journal: string }[] }>();
    const { code, json } = await bench.run(['shrink', violations[0]!.journal, '-o', 'named.wsj', '--json']);
    expect(code).toBe(0);
    const { critical, criticalJournal } = json<Document>();
    // In the shrunk journal each CPU runs as long as it can: where the two are neighbours is a
    // journal of its own, and it is named.
    expect(criticalJournal).not.toBe('named.wsj');
    const points = (await bench.run(['show', criticalJournal!, '--points', '--json'])).json<{ points: { step: number; label: string }[] }>()
      .points;
    for (const { step, label } of critical!) expect(points.find((point) => point.step === step)?.label).toBe(label);
    expect(critical!.map(({ step, label }) => [step, label])).toEqual([
      [26, 'exec(pcpu:1)'],
      [27, 'exec(pcpu:0)'],
    ]);
    const sourced = critical!.map(({ microSteps }) => microSteps.filter(({ source, grade }) => source !== null && grade !== null).at(-1)!);
    expect(sourced.map(({ actor, name }) => `${actor}@${name}`)).toEqual([
      'vcpu:vm0/0@guest.RMPADJUST.lock',
      'thread:gmem/0@main.kvm_rmp_make_shared.rmpupdate.RMPUPDATE.tryLock',
    ]);
    expect(sourced.every(({ source }) => source!.includes('APM'))).toBe(true);
    const told = await bench.run(['shrink', 'named.wsj']);
    expect(told.out).toContain(
      `critical pair in ${criticalJournal}, where they are neighbours: in the other order the property does not break`,
    );
    expect(told.out).toContain('thread:gmem/0@main.kvm_rmp_make_shared.rmpupdate.RMPUPDATE.tryLock');
  });

  it('says so when the verdict hangs on no two neighbours', async () => {
    await bench.run(['run', 'vmsa-in-use-kick', '--variant', 'no-kick', '-o', 'stuck.wsj']);
    const { code, json } = await bench.run(['shrink', 'stuck.wsj', '-o', 'less.wsj', '--json']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ property: 'rmp.retry-bounded', optimal: false, critical: null, criticalJournal: null });
    expect(json<Document>().after.steps).toBeLessThan(json<Document>().before.steps);
    expect((await bench.run(['shrink', 'less.wsj'])).out).toContain('no two neighbouring steps can change places and flip the verdict');
  });

  it('writes no file beside the one asked for, unless it names it', async () => {
    bench.makeFolder('alone');
    await bench.run(['shrink', 'less.wsj', '-o', 'alone/one.wsj']);
    await bench.run(['shrink', 'named.wsj', '-o', 'alone/two.wsj']);
    expect(readdirSync(bench.path('alone')).sort()).toEqual(['one.wsj', 'two.wsj']);
  });

  it('leaves what cannot be smaller as it is', async () => {
    await bench.run(['shrink', 'named.wsj', '-o', 'once.wsj']);
    const { json } = await bench.run(['shrink', 'once.wsj', '-o', 'twice.wsj', '--json']);
    expect(json<Document>().optimal).toBe(true);
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
