/** Runs and searches that something cuts: what they say, and what those who read them see. */
import { readdirSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { realFiles } from '../../replay/files.ts';
import type { FileSystem } from '../../replay/part-file.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

/** A #DB whose delivery hits its own watchpoint, on a host that intercepts it. */
const storm = (steps: number): string => `
name: storm
summary: A guest whose debug exceptions raise themselves
host: { arch: amd, cpus: 1, preemption: none, kernel: "6.12" }
vms:
  vm0:
    type: svm
    vcpus:
      - [{ mov-to-dr: { dr: 0, value: 0xfe2ff8 } }, { mov-to-dr: { dr: 7, value: 0xd0401 } }, { icebp: {} }]
processes: { qemu0: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] } }
properties: { always: [debug.no-cpu-hangs] }
bounds: { steps: ${steps} }
`;
interface Ended {
  readonly comesBack: { readonly from: number; readonly length: number } | null;
}

describe('a run that goes in circles up to its bound', () => {
  it('says to which state it came back, in run, in show and in JSON', async () => {
    writeFileSync(bench.path('storm.yaml'), storm(200));
    const { code, out } = await bench.run(['run', './storm.yaml', '-o', 'storm.wsj']);
    expect(code).toBe(4);
    expect(out).toContain('Back in the state of step 180: the last 20 steps can repeat forever.');
    expect((await bench.run(['show', 'storm.wsj'])).out).toContain('clean (bound); back in the state of step 180');
    const { json } = await bench.run(['run', './storm.yaml', '--mode', 'memory', '--json']);
    expect(json<Ended>().comesBack).toEqual({ from: 180, length: 20 });
    const digests = [180, 200].map(async (step) => (await bench.run(['replay', 'storm.wsj', '--to', String(step), '--json'])).json());
    const [before, after] = (await Promise.all(digests)) as { readonly digest: string }[];
    expect(after!.digest).toBe(before!.digest);
  });

  it('says nothing of the kind where each state is a new one', async () => {
    writeFileSync(bench.path('short.yaml'), storm(50));
    const { code, out } = await bench.run(['run', './short.yaml', '--mode', 'memory']);
    expect(code).toBe(4);
    expect(out).not.toContain('Back in');
  });
});

describe('a seed that the chooser does not look at', () => {
  it('is told, and makes no other run', async () => {
    const runs = await Promise.all(
      [[], ['--seed', '7'], ['--seed', '7', '--schedule', '0']].map((seed) =>
        bench.run(['run', 'sevdbg-residue', ...seed, '--mode', 'memory', '--json']),
      ),
    );
    const [plain, seeded, scheduled] = runs.map(({ json }) => json<{ readonly runId: string; readonly seed: number }>());
    expect(runs[1]!.err).toBe('note: the chooser fifo does not look at --seed\n');
    expect(seeded).toEqual(plain);
    expect(scheduled!.seed).toBe(0);
  });

  it('is not shown of its journal', async () => {
    await bench.run(['run', 'sevdbg-residue', '-o', 'inorder.wsj']);
    await bench.run(['run', 'sevdbg-residue', '--chooser', 'random', '--seed', '7', '-o', 'drawn.wsj']);
    expect((await bench.run(['show', 'inorder.wsj'])).out).toMatch(/^ *chooser +fifo *$/m);
    expect((await bench.run(['show', 'drawn.wsj'])).out).toMatch(/^ *chooser +random, seed 7 *$/m);
  });
});

describe('a search that is interrupted', () => {
  it('gives the journal of what it has found whole', async () => {
    await bench.run(['explore', 'sevdbg-save-area', '-o', 'found', '--json']);
    const [journal] = readdirSync(bench.path('found'));
    const { code, json } = await bench.run(['shrink', `found/${journal!}`, '-o', 'least.wsj', '--json'], { signal: AbortSignal.abort() });
    expect(code).toBe(4);
    expect(json<{ readonly property: string }>().property).toBe('debug.host-registers-are-the-copy');
    expect((await bench.run(['show', 'least.wsj'])).out).toContain('debug.host-registers-are-the-copy at step');
  });

  it('gives it whole where the signal comes while it is written', async () => {
    const [journal] = readdirSync(bench.path('found'));
    let looks = Number.NEGATIVE_INFINITY;
    const open: FileSystem['open'] = (path, flags) => {
      looks = 0;
      return realFiles.open(path, flags);
    };
    // The journal is open, and what writes it has looked once.
    const signal = {
      get aborted() {
        return ++looks > 1;
      },
    } as AbortSignal;
    const { code, json } = await bench.run(['shrink', `found/${journal!}`, '-o', 'late.wsj', '--json'], {
      signal,
      files: { ...realFiles, open },
    });
    expect([code, json<{ readonly property: string }>().property]).toEqual([0, 'debug.host-registers-are-the-copy']);
    expect((await bench.run(['show', 'late.wsj'])).out).toContain('debug.host-registers-are-the-copy at step');
  });
});
