/** Two real kernels against the model: all recordings conform, and planted changes are told. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { hostPatch, toCpu } from '../../actors/host/host-env.ts';
import { type PathPatches, replaceStep, swapSteps, withoutSteps } from '../../actors/path/patch.ts';
import type { Counts, RecordingReport } from '../../trace/conform/report.ts';
import { changed, conformed, conformedText, RECORDED } from './conformed.ts';

const total = (reports: readonly RecordingReport[], count: keyof Counts): number =>
  reports.flatMap(({ threads }) => threads).reduce((sum, { counts }) => sum + counts[count], 0);

describe('recordings of real kernels', () => {
  const reports = new Map<string, RecordingReport>();

  it.each(RECORDED)('%s conforms', async (name) => {
    const report = await conformed(name);
    reports.set(name, report);
    expect({ verdict: report.verdict, doubts: report.doubts, refusals: report.threads.flatMap(({ refusal }) => refusal ?? []) }).toEqual({
      verdict: 'conforms',
      doubts: [],
      refusals: [],
    });
  });

  it('hold as much as they are said to', () => {
    const graph = [...reports.values()].filter(({ format }) => format === 'function_graph');
    expect(graph.length).toBeGreaterThan(30);
    expect(total(graph, 'fixed')).toBeGreaterThan(25_000);
    expect(total(graph, 'giveUps')).toBeGreaterThan(60);
    expect(total([...reports.values()], 'ioctls')).toBeGreaterThan(5_000);
    expect(total([...reports.values()], 'preemptions')).toBeGreaterThan(700);
    expect(total([...reports.values()], 'sleeps')).toBeGreaterThan(100);
  });
});

/** What perf script prints of the same events: no flags, the subsystem before the name. */
const asPerf = (text: string): string =>
  text
    .split('\n')
    .flatMap((line) => {
      const [, comm, pid, cpu, time, rest] = /^\s*(\S+)-(\d+)\s+\[(\d+)\] \S+\s+([\d.]+): (.*)$/.exec(line) ?? [];
      if (comm === undefined || rest === undefined) return [];
      const event = rest
        .replace(/^sys_ioctl\(fd: (\w+), cmd: (\w+).*$/, 'syscalls:sys_enter_ioctl: fd: 0x0000000$1, cmd: 0x0000$2, arg: 0x00000000')
        .replace(/^sys_ioctl -> /, 'syscalls:sys_exit_ioctl: ')
        .replace(
          /^(kvm|sched|signal|ipi|\w+(?=_(?:entry|exit): vector))_?/,
          (name) => `${/^(?:kvm|sched|signal|ipi)/.exec(name)?.[0] ?? 'irq_vectors'}:${name}`,
        );
      return /^[a-z_]+:\w+: /.test(event) ? [`${comm.padStart(16)} ${pid!.padStart(7)} [${cpu}] ${time!.padStart(12)}: ${event}`] : [];
    })
    .join('\n');

it.each(['6.12-full/ev-preempt.gz', '6.12-full/ev-kick.gz', '6.12-full/ev-debug.gz'])('%s conforms as perf script prints it', (name) => {
  const text = asPerf(gunzipSync(readFileSync(join('test/recordings', name))).toString());
  const { format, verdict, threads, doubts } = conformedText(text);
  expect({ format, verdict, doubts }).toEqual({ format: 'perf', verdict: 'conforms', doubts: [] });
  expect(threads.reduce((sum, { counts }) => sum + counts.ioctls, 0)).toBeGreaterThan(30);
});

/** The step with other properties. */
const having = (name: string, spec: object) => (path: Parameters<Parameters<typeof hostPatch>[0]>[0]) =>
  replaceStep(path, name, (item) => [{ ...item, ...spec }]);

interface Planted {
  readonly what: string;
  readonly paths: PathPatches;
  readonly recording: string;
  /** The line that tells, and what in it. */
  readonly line: number;
  readonly text: string;
  readonly context?: string;
}

const PLANTED: readonly Planted[] = [
  {
    what: 'kvm_arch_vcpu_load() before preempt_notifier_register()',
    paths: { vcpu_load: [swapSteps('preempt_notifier_register', 'kvm_arch_vcpu_load')] },
    recording: '6.12-full/fg-run.gz',
    line: 20,
    text: 'kvm_arch_vcpu_load()',
  },
  {
    what: 'R8 behind R9',
    paths: { vcpu_enter_guest: [swapSteps('svm_prepare_switch_to_guest', 'local_irq_disable')] },
    recording: '6.12-full/fg-run.gz',
    line: 30,
    text: 'svm_prepare_switch_to_guest()',
    context: 'interrupts on, preemption off',
  },
  {
    what: 'no reschedule point in the mutex of R1',
    paths: { mutex_lock_killable: [hostPatch(having('trylock', { mayResched: undefined }))] },
    recording: '6.1-voluntary/fg-preempt.gz',
    line: 1007,
    text: 'prev_state=R+',
  },
  {
    what: 'no reschedule point in R18',
    paths: { KVM_RUN: [hostPatch(having('xfer_to_guest_mode_handle_work', { mayResched: undefined }))] },
    recording: '6.1-voluntary/ev-preempt.gz',
    line: 540,
    text: 'prev_state=R ',
  },
  {
    what: 'no mutex in R1',
    paths: { KVM_RUN: [withoutSteps('mutex_unlock')] },
    recording: '6.12-full/fg-run.gz',
    line: 99,
    text: 'mutex_unlock()',
  },
  {
    what: 'the notifier unregistered before the vCPU is put',
    paths: { vcpu_put: [swapSteps('kvm_arch_vcpu_put', 'preempt_notifier_unregister')] },
    recording: '6.12-full/fg-run.gz',
    line: 55,
    text: 'kvm_arch_vcpu_put()',
  },
  {
    what: 'a load with preemption on',
    paths: { vcpu_load: [withoutSteps('get_cpu', 'put_cpu')] },
    recording: '6.12-full/fg-run.gz',
    line: 19,
    text: 'preempt_notifier_register()',
    context: 'interrupts on, preemption off',
  },
  {
    what: 'an entry with interrupts on',
    paths: { vcpu_enter_guest: [withoutSteps('local_irq_disable', 'local_irq_enable')] },
    recording: '6.12-full/ev-spin.gz',
    line: 35,
    text: 'kvm_entry',
    context: 'interrupts off, preemption off',
  },
  {
    what: 'no second look of kvm_vcpu_block() after the sleep',
    paths: { kvm_vcpu_block: [withoutSteps('kvm_vcpu_check_block')] },
    recording: '6.12-full/fg-kick.gz',
    line: 285,
    text: 'kvm_vcpu_check_block()',
  },
  {
    what: 'no complete_userspace_io',
    paths: { KVM_RUN: [withoutSteps('complete_fast_pio_out')] },
    recording: '6.12-full/fg-run.gz',
    line: 26,
    text: 'complete_fast_pio_out()',
  },
  {
    what: 'HLT that blocks in its handler',
    paths: {
      KVM_RUN: [
        hostPatch((path) =>
          replaceStep(path, 'kvm_emulate_halt', (item) => [
            item,
            { kind: 'step', name: 'schedule', sleeps: true, send: (t) => toCpu(t, { type: 'cpu.sleep' }) },
          ]),
        ),
      ],
    },
    recording: '6.12-full/fg-kick.gz',
    line: 200,
    text: 'kvm_vcpu_halt()',
  },
  {
    what: "the host's FPU not loaded",
    paths: { KVM_RUN: [withoutSteps('kvm_put_guest_fpu')] },
    recording: '6.12-full/fg-run.gz',
    line: 48,
    text: 'fpu_swap_kvm_fpstate()',
  },
];

describe('a planted change of the model', () => {
  it.each(PLANTED)('is told: $what', async ({ paths, recording, line, text, context }) => {
    const { verdict, threads } = await changed(recording, paths);
    const [refusal] = threads.flatMap((thread) => thread.refusal ?? []).sort((a, b) => a.line - b.line);
    expect(verdict).toBe('cannot');
    expect(refusal?.line).toBe(line);
    expect(refusal?.text).toContain(text);
    expect(refusal?.context ?? undefined).toBe(context);
  });

  it('is told as a place of preemption that the other model does not have', async () => {
    const { verdict } = await changed('6.12-full/fg-preempt.gz', {
      vcpu_enter_guest: [withoutSteps('preempt_disable', 'preempt_enable')],
    });
    expect(verdict).toBe('cannot');
  });
});
