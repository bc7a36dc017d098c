/** `conform`: recordings against the model on the command line. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import type { RecordingReport, Verdict } from '../../trace/conform/report.ts';
import { moduleOf } from './own-modules.ts';
import { Bench, type Surroundings } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const recording = (name: string): string => resolve('test/recordings', name);
const RUN = recording('6.12-full/fg-run.gz');
const EVENTS = recording('6.12-full/ev-zaphalt.gz');
const FULL = ['--arch', 'amd', '--kernel', '6.12', '--preemption', 'full'];
const conform = (argv: readonly string[], around?: Surroundings) => bench.run(['conform', ...argv], around);
const written = (name: string, text: string): string => {
  writeFileSync(bench.path(name), text);
  return name;
};
copyFileSync(RUN, bench.path('run.gz'));
const textOf = (name: string): string => gunzipSync(readFileSync(recording(name))).toString();

interface Document {
  readonly verdict: Verdict;
  readonly recordings: readonly RecordingReport[];
}

describe('a recording that conforms', () => {
  it('is told with what its threads did, and needs no flag where function_graph names the host', async () => {
    const { code, out } = await conform(['run.gz'], { isTerminal: true, columns: 80, env: { NO_COLOR: '1' } });
    expect(code).toBe(0);
    expect(out).toContain('function_graph, 3,988 lines; amd, 6.12, full;');
    expect(out).toMatch(/conforms {2}vcpu0-319\n.*101 KVM_RUN, [\d,]+ fixed micro-steps, 102 entries, 102 exits/);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('needs no flag elsewhere: the kernel shows in how it tells exits, and what allows most is assumed', async () => {
    const { code, out, err } = await conform([EVENTS]);
    expect(code).toBe(0);
    expect(out).toContain('amd, 6.12, full;');
    expect(err).toContain('does not tell all of its host; assumed: preemption full');
    const late = written('late.txt', textOf('6.1-full/ev-spin.gz').replaceAll(/ (\[\d+\]) \S{5} /g, ' $1 '));
    const { verdict, recordings } = (await conform([late, '--json'])).json<Document>();
    expect(verdict).toBe('conforms');
    expect(recordings).toMatchObject([{ host: { kernel: '6.1' }, assumed: ['preemption full'] }]);
  });

  it('is one document with --json', async () => {
    const { verdict, recordings } = (await conform([EVENTS, ...FULL, '--json'])).json<Document>();
    expect(verdict).toBe('conforms');
    expect(recordings).toMatchObject([
      { file: EVENTS, format: 'ftrace', host: { arch: 'amd', kernel: '6.12', preemption: 'full' }, maps: ['svm.yaml', 'svm-6.12.yaml'] },
    ]);
    expect(recordings[0]?.threads.map(({ comm, verdict: of }) => [comm, of])).toEqual([['vcpu0', 'conforms']]);
  });

  it('may be one of several, which stand in a table', async () => {
    const { code, out } = await conform([RUN, EVENTS, ...FULL]);
    expect(code).toBe(0);
    expect(out.split('\n').slice(0, 3)).toEqual([
      expect.stringMatching(/KVM_RUN +fixed +entries +preempted +slept +gave up/),
      expect.stringMatching(/^conforms +101 .*6\.12-full\/fg-run\.gz$/),
      expect.stringMatching(/^conforms .*6\.12-full\/ev-zaphalt\.gz$/),
    ]);
  });

  it('may come from standard input', async () => {
    const { code, out } = await conform(['-', ...FULL], { stdin: textOf('6.12-full/ev-zaphalt.gz') });
    expect(out).toContain('stdin  ftrace, ');
    expect(code).toBe(0);
  });

  it('takes its host from a scenario', async () => {
    const { recordings } = (await conform([EVENTS, '--scenario', 'vmsa-in-use-kick', '--json'])).json<Document>();
    expect(recordings[0]?.host).toMatchObject({ arch: 'amd', preemption: 'full' });
  });
});

describe('a recording that cannot be', () => {
  it('ends with 1, and names line, event, and what was possible', async () => {
    const lines = textOf('6.12-full/fg-run.gz').split('\n');
    const at = lines.findIndex((line, index) => index > 100 && line.includes('preempt_notifier_register();'));
    const moved = lines.with(at, lines[at + 2]!).with(at + 2, lines[at]!);
    const file = written('moved.txt', moved.join('\n'));
    const { code, out } = await conform([file], { isTerminal: true, columns: 80, env: { NO_COLOR: '1' } });
    expect(code).toBe(1);
    expect(out).toMatch(/cannot {2}vcpu0-319/);
    expect(out).toMatch(/moved\.txt:1\d\d: vcpu0-319 \[0\] /);
    expect(out).toContain('known last: ');
    expect(out).toContain('possible there, in ');
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('is told of a host that preempts less than the one that was recorded', async () => {
    const { code } = await conform([recording('6.1-full/ev-preempt.gz'), '--kernel', '6.1', '--preemption', 'voluntary']);
    expect(code).toBe(1);
  });

  it('is told of a path that a module of the user changes', async () => {
    written('mine.mjs', moduleOf('mine', "patch: () => ({ paths: { vcpu_put: [withoutSteps('preempt_notifier_unregister')] } })"));
    const { code, out } = await conform([RUN, '--models', 'mine.mjs']);
    expect(code).toBe(1);
    expect(out).toContain('preempt_notifier_unregister()');
  });
});

describe('a recording that says too little', () => {
  it('ends with 4, and names what no map has', async () => {
    const file = written('msr.txt', textOf('6.12-full/ev-zaphalt.gz').replaceAll('reason npf', 'reason msr'));
    const { code, out } = await conform([file, ...FULL]);
    expect(code).toBe(4);
    expect(out).toMatch(/unknown {2}the exit msr: \d+, the first in line \d+\n {4}try: --map FILE with exits: \{ msr: … \}/);
    const map = written('map.yaml', 'exits: { msr: NMI }\n');
    expect((await conform([file, ...FULL, '--map', map])).code).toBe(0);
  });

  it('ends with 4 where events were lost', async () => {
    const lines = textOf('6.12-full/ev-zaphalt.gz').split('\n');
    const file = written('lost.txt', [...lines.slice(0, 60), 'CPU:0 [LOST 7 EVENTS]', ...lines.slice(120)].join('\n'));
    const { code, out } = await conform([file, ...FULL]);
    expect(code).toBe(4);
    expect(out).toContain('events of CPU 0 were lost: 1, the first in line 61');
  });
});

describe('what is refused, with 2', () => {
  it.each([
    ['no file', ['none.txt'], 'cannot read none.txt: there is no such file or folder'],
    ['counts of a hist trigger', [recording('6.12-full/hist-irq.gz')], 'counts of a hist trigger, which have no order'],
    ['another host than the recorded one', [RUN, '--preemption', 'none'], 'is of a host with full; --preemption says none'],
    ['a scenario of another architecture', [EVENTS, '--scenario', 'sld-put-once'], 'is of a host with amd; the scenario has intel'],
    ['another kernel than the recorded one', [RUN, '--kernel', '6.1'], 'is of a host with 6.12; --kernel says 6.1'],
    ['a kernel that is none', [EVENTS, '--kernel', 'new', '--preemption', 'full'], '--kernel new: expected a release of the kernel'],
    ['a kernel that is too old', [EVENTS, '--kernel', '5.10', '--preemption', 'full'], 'kernel 5.10: no model of one that old'],
    ['a variant of no scenario', [RUN, '--variant', 'x'], '--variant says something of a scenario; expected --scenario'],
    ['a mutant that the model does not have', [RUN, '--mutant', 'x'], 'a mutant of the model'],
  ])('%s', async (_what, argv, message) => {
    const { code, err } = await conform(argv);
    expect(err).toContain(message);
    expect(code).toBe(2);
  });

  it.each([
    ['known: 3', 'map.yaml:1: known: found 3; expected a function by its name'],
    ['extends: svm', 'map.yaml: extends: found svm; expected none: --map adds to the shipped map'],
    [
      'functions: { f: { at: KVM_RUN.ioctll } }',
      'map.yaml: f: found KVM_RUN.ioctll; expected a micro-step of the thread on this host; did you',
    ],
    ['schedules: [nowhere]', 'map.yaml: schedules: found nowhere; expected a micro-step of the thread on this host'],
  ])('a map that says %s', async (text, message) => {
    const { code, err } = await conform([RUN, '--map', written('map.yaml', text)]);
    expect(err).toContain(message);
    expect(code).toBe(2);
  });

  it('a recording without a vCPU thread', async () => {
    const file = written('idle.txt', '  <idle>-0     [000] d.h1.     1.000001: local_timer_entry: vector=236\n');
    const { code, err } = await conform([file, ...FULL]);
    expect(err).toContain('idle.txt has no vCPU thread: no kvm_entry, no kvm_exit, no KVM_RUN');
    expect(code).toBe(2);
  });

  it('a host for which there is no map', async () => {
    const file = written('intel.txt', '  vcpu0-1     [000] d..1.     1.000001: kvm_exit: reason EPT_VIOLATION rip 0x0\n');
    const { code, err } = await conform([file, '--kernel', '6.12', '--preemption', 'full']);
    expect(err).toContain('no map for vmx and kernel 6.12; shipped are svm-6.1, svm-6.12');
    expect(code).toBe(2);
  });
});
