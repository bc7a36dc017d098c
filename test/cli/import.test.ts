/** `import`: what it prints, what it writes, and what its exit code says. */
import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { entered, ftrace, left, switched, TIMER, type Told } from '../trace/traces.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const V0 = 'vcpu0-10';
const HOG = 'hog-20';
const WHOLE: readonly Told[] = [
  [V0, 0, entered()],
  [V0, 0, left('interrupt')],
  [V0, 0, TIMER, 'd.h1.'],
  [V0, 0, switched(V0, 'R+', HOG), 'd..2.'],
  [HOG, 0, switched(HOG, 'R', V0), 'd..2.'],
  [V0, 0, entered()],
];
const SLEEPS: readonly Told[] = [
  [V0, 0, entered()],
  [V0, 0, switched(V0, 'S', HOG), 'd..2.'],
];

const written = (name: string, lines: readonly Told[], more = ''): string => {
  writeFileSync(bench.path(name), `${ftrace(lines)}\n${more}`);
  return name;
};

interface ImportDocument {
  readonly outcome: string;
  readonly stop: { readonly line: number; readonly cpus: readonly object[] } | null;
  readonly gap: { readonly line: number } | null;
  readonly choices: { readonly counts: Readonly<Record<string, number>>; readonly list: readonly object[] };
  readonly run: { readonly journal: string; readonly steps: number; readonly digest: string };
}

describe('import', () => {
  it('writes a journal that replays, and that a choice can be replaced in', async () => {
    const { code, out } = await bench.run(['import', written('whole.txt', WHOLE), '-o', 'whole.wsj']);
    expect(code).toBe(0);
    expect(out).toContain('vcpu0-10 is thread:vmm0/vcpu0, which runs vcpu:vm0/0');
    expect(out).toContain('Whole: 6 of 6 lines that ask for something');
    expect((await bench.run(['replay', 'whole.wsj'])).out).toMatch(/^Identical/);
    const { code: injected } = await bench.run(['inject', 'whole.wsj', '--at', '30', '--choose', 'interrupt(pcpu:0)', '-o', 'other.wsj']);
    expect(injected).toBe(4);
    expect((await bench.run(['replay', 'other.wsj'])).code).toBe(0);
  });

  it('prints one JSON document, with each choice that the recording left open', async () => {
    const { json } = await bench.run(['import', written('whole.txt', WHOLE), '-o', 'json.wsj', '--json']);
    const { outcome, stop, gap, choices, run } = json<ImportDocument>();
    expect({ outcome, stop, gap, journal: run.journal }).toEqual({ outcome: 'whole', stop: null, gap: null, journal: 'json.wsj' });
    expect(choices.counts['preempted-at']).toBe(1);
    expect(choices.list).toContainEqual({ kind: 'preempted-at', line: 4, what: 'thread:vmm0/vcpu0@KVM_RUN.handle_external_interrupt' });
  });

  it('makes a journal that no other recording is exported beside', async () => {
    const two: readonly Told[] = [...WHOLE, ['vcpu1-11', 1, entered(1)]];
    await bench.run(['import', written('whole.txt', WHOLE), '-o', 'one.wsj']);
    const beside = ['export', written('two.txt', two), '--beside', 'one.wsj', '--format', 'perfetto', '-o', 'both.pftrace'];
    const { code, err } = await bench.run(beside);
    expect(code).toBe(2);
    expect(err).toContain('one.wsj is not what two.txt imports to: recorded has 1 CPU');
    expect(err).toContain('try: worldswitch import two.txt -o FILE');
    expect(existsSync(bench.path('both.pftrace'))).toBe(false);
  });

  it('names the first line that the model cannot follow, and keeps the journal up to there', async () => {
    const { code, out } = await bench.run(['import', written('sleeps.txt', SLEEPS), '-o', 'sleeps.wsj']);
    expect(code).toBe(1);
    expect(out).toContain('Stopped: sleeps.txt:2, after 1 of 2 lines that ask for something');
    expect(out).toMatch(
      /pcpu:0 runs thread:vmm0\/vcpu0@svm_vcpu_run\.guest, letter G; waiting: thread:rest0\/0\n {4}offers: exec\(pcpu:0\)/,
    );
    expect((await bench.run(['replay', 'sleeps.wsj'])).code).toBe(0);
  });

  it('claims nothing behind events that were lost', async () => {
    const { code, out } = await bench.run(['import', written('lost.txt', WHOLE, 'CPU:0 [LOST 3 EVENTS]\n'), '-o', 'lost.wsj']);
    expect(code).toBe(4);
    expect(out).toContain('Unknown from lost.txt:7 on: CPU 0 has lost 3 events');
    expect(existsSync(bench.path('lost.wsj'))).toBe(true);
  });

  it('drives a scenario of the user, whose threads stand for the recorded ones', async () => {
    const lines = (threads: string) => `name: mine
summary: Mine
host: { arch: amd, cpus: 1, preemption: full, kernel: "6.12" }
vms: { vm0: { type: svm, vcpus: [[{ compute: {} }]] } }
processes:
  qemu0: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] }
${threads}allow: [interrupt]
bounds: { steps: 500 }
`;
    writeFileSync(bench.path('mine.yaml'), lines('  others: { cpu: 0, threads: [[{ compute: {} }]] }\n'));
    writeFileSync(bench.path('few.yaml'), lines(''));
    const trace = written('whole.txt', WHOLE);
    const { code, out } = await bench.run(['import', trace, '--scenario', './mine.yaml', '-o', 'mine.wsj']);
    expect(out).toContain('vcpu0-10 is thread:qemu0/vcpu0');
    expect(code).toBe(0);
    const few = await bench.run(['import', trace, '--scenario', './few.yaml']);
    expect(few.code).toBe(2);
    expect(few.err).toMatch(/mine has 0 threads without KVM_RUN\n {2}expected: a scenario with 1:/);
  });

  it.each([
    ['a file without events', 'nothing here\n', /no line of a recording: "nothing here"/],
    ['an empty file', '', /has no events/],
    ['a recording without vCPUs', ftrace([[HOG, 0, TIMER, 'd.h..']]), /no thread runs a vCPU/],
  ])('refuses %s with what was expected', async (_what, text, why) => {
    writeFileSync(bench.path('bad.txt'), text);
    const { code, err } = await bench.run(['import', 'bad.txt', '-o', 'bad.wsj']);
    expect(code).toBe(2);
    expect(err).toMatch(why);
    expect(err).toMatch(/expected: /);
    expect(existsSync(bench.path('bad.wsj'))).toBe(false);
  });

  it('refuses a file that is not there, and options that a scenario has itself', async () => {
    const missing = await bench.run(['import', 'nowhere.txt']);
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('cannot read nowhere.txt')]);
    const twice = await bench.run(['import', 'whole.txt', '--scenario', './mine.yaml', '--kernel', '6.1']);
    expect([twice.code, twice.err]).toEqual([2, expect.stringContaining('--kernel and --scenario')]);
  });

  it.each([
    [['--arch', 'intel'], 'is of a host with amd; --arch says intel'],
    [['--scenario', 'sld-put-once'], 'is of a host with amd; the scenario has intel'],
  ])('refuses what contradicts the recording: %j', async (flags, message) => {
    const { code, err } = await bench.run(['import', written('whole.txt', WHOLE), ...flags, '-o', 'none.wsj']);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(existsSync(bench.path('none.wsj'))).toBe(false);
  });
});
