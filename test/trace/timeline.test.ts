/** Recordings as timelines: what is on which lane, and that spans nest. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TimelineEvent } from '../../timeline/event.ts';
import { readRecording } from '../../trace/read.ts';
import { recordingOf } from '../../trace/recording.ts';
import { traceTimeline } from '../../trace/timeline.ts';
import { mistakesOf } from './nesting.ts';

const RECORDINGS = 'test/recordings';
const files = ['6.1-full', '6.12-full', '6.12-tools'].flatMap((folder) =>
  readdirSync(join(RECORDINGS, folder))
    .filter((file) => /^(?:ev|fg|stacks|full|trace).*\.gz$/.test(file))
    .map((file) => join(RECORDINGS, folder, file)),
);

const namesOn = (events: readonly TimelineEvent[], lane: string): string[] =>
  events.flatMap((event) => (event.kind === 'begin' && event.lane.name === lane ? [event.name] : []));

describe('the timeline of a recording', () => {
  it('nests its spans and goes forward in time, for each recording of a real kernel', async () => {
    expect(files.length).toBeGreaterThan(30);
    for (const file of files) expect([file, mistakesOf(traceTimeline(await readRecording(file, file)))]).toEqual([file, []]);
  });

  it('shows who ran, KVM_RUN, guest mode and why it ended', () => {
    const text = [
      '  <idle>-0 [000] d..2. 1.000000: sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=vcpu0 next_pid=225 next_prio=120',
      '  vcpu0-225 [000] ...1. 1.000010: sys_ioctl(fd: 5, cmd: ae80, arg: 0)',
      '  vcpu0-225 [000] d..1. 1.000020: kvm_entry: vcpu 0, rip 0x1800',
      '  vcpu0-225 [000] d..1. 1.000030: kvm_exit: vcpu 0 reason io rip 0x1800',
      '  vcpu0-225 [000] ...1. 1.000040: sys_ioctl -> 0x0',
    ].join('\n');
    const events = [...traceTimeline(recordingOf('t', text))];
    expect(namesOn(events, 'pCPU 0')).toEqual(['vcpu0-225']);
    expect(namesOn(events, 'vcpu0-225')).toEqual(['KVM_RUN']);
    expect(namesOn(events, 'vCPU 0 (vcpu0-225)')).toEqual(['guest mode']);
    expect(events.filter((event) => event.kind === 'end' && event.lane.kind !== 'task-state')).toMatchObject([
      { at: 30_000 },
      { at: 40_000, args: { result: '0' } },
      { at: 40_000 },
    ]);
    expect(events).toContainEqual(expect.objectContaining({ kind: 'instant', name: '#VMEXIT io' }));
  });

  it('ends the guest where 6.1 tells the exit after the switch that it caused', () => {
    const text = [
      '  vcpu0-225 [000] d..1. 1.000020: kvm_entry: vcpu 0, rip 0x1800',
      '  vcpu0-225 [000] d..2. 1.000030: sched_switch: prev_comm=vcpu0 prev_pid=225 prev_prio=120 prev_state=R+ ==> next_comm=hog next_pid=9 next_prio=120',
      '  vcpu0-225 [001] ..... 1.000090: kvm_exit: vcpu 0 reason interrupt rip 0x1800',
    ].join('\n');
    const ends = [...traceTimeline(recordingOf('t', text))].filter((event) => event.kind === 'end' && event.lane.kind === 'guest');
    expect(ends).toMatchObject([{ at: 10_000 }]);
  });

  it('nests functions, and lets a leaf last as long as it took', () => {
    const text = [
      '   1.000000 |   0)   vcpu0-319    |  ...1. |               |  vcpu_load [kvm]() {',
      '   1.000001 |   0)   vcpu0-319    |  ...2. | + 52.528 us   |    preempt_notifier_register();',
      '   1.000100 |   0)   vcpu0-319    |  ..... | ! 266.379 us  |  } /* vcpu_load [kvm] */',
    ].join('\n');
    const spans = [...traceTimeline(recordingOf('t', text))].filter((event) => 'lane' in event && event.lane.name === 'vcpu0-319');
    expect(spans).toMatchObject([
      { kind: 'lane' },
      { kind: 'begin', name: 'vcpu_load', at: 0 },
      { kind: 'begin', name: 'preempt_notifier_register', at: 1_000 },
      { kind: 'end', at: 53_528 },
      { kind: 'end', at: 100_000 },
    ]);
  });

  it('draws an arrow from an IPI to its handler', () => {
    const text = [
      '  control-222 [001] d..2. 1.000000: ipi_send_cpu: cpu=0 callsite=kick+0x1/0x2 callback=0x0',
      '  vcpu0-225 [000] d.h1. 1.000010: reschedule_entry: vector=253',
      '  vcpu0-225 [000] d.h1. 1.000020: reschedule_exit: vector=253',
    ].join('\n');
    const flows = [...traceTimeline(recordingOf('t', text))].flatMap((event) => (event.kind === 'instant' && event.flow ? [event] : []));
    expect(flows).toMatchObject([
      { name: 'send IPI to pCPU 0', lane: { name: 'pCPU 1' }, flow: { end: 'out' } },
      { name: 'IPI reschedule', lane: { name: 'pCPU 0' }, flow: { id: flows[0]!.flow!.id, end: 'in' } },
    ]);
  });

  it('knows nothing of a CPU from the events on that it lost', () => {
    const text = [
      '  vcpu0-225 [000] ...1. 1.000010: sys_ioctl(fd: 5, cmd: ae80, arg: 0)',
      'CPU:0 [LOST 5 EVENTS]',
      '  hog-9 [000] ...1. 1.000090: sched_waking: comm=vcpu0 pid=225 prio=120 target_cpu=000',
    ].join('\n');
    const events = [...traceTimeline(recordingOf('t', text))];
    expect(events).toContainEqual(expect.objectContaining({ name: 'events lost', args: { line: 2, cpu: 0, events: 5 } }));
    expect(events.find((event) => event.kind === 'end' && event.lane.name === 'vcpu0-225')).toMatchObject({ at: 0 });
  });

  it('tells an IPI to more CPUs than arrows are drawn to with their number', () => {
    const sent = (list: string) =>
      [...traceTimeline(recordingOf('t', `  control-222 [001] d..2. 1.000000: ipi_send_cpumask: cpumask=${list} callsite=x`))].flatMap(
        (event) => (event.kind === 'instant' && event.category === 'message' ? [event] : []),
      );
    expect(sent('0-255').filter(({ flow }) => flow?.end === 'out')).toHaveLength(256);
    expect(sent('0-256')).toMatchObject([{ name: 'send IPI to 257 pCPUs', lane: { name: 'pCPU 1' } }]);
  });

  it('knows of no IPI that a CPU has lost events after', () => {
    const text = [
      '  control-222 [001] d..2. 1.000000: ipi_send_cpu: cpu=0 callsite=kick+0x1/0x2 callback=0x0',
      '  hog-9 [000] ..... 1.000001: sched_waking: comm=x pid=3 prio=120 target_cpu=000',
      'CPU:0 [LOST 5 EVENTS]',
      '  vcpu0-225 [000] d.h1. 1.000010: reschedule_entry: vector=253',
    ].join('\n');
    const ends = [...traceTimeline(recordingOf('t', text))].flatMap((event) => (event.kind === 'instant' ? (event.flow?.end ?? []) : []));
    expect(ends).toEqual(['out']);
  });

  it('says what became of a thread, where it went, and who has sent it a signal', () => {
    const text = [
      '  vcpu0-225 [000] ...1. 1.000010: sys_ioctl(fd: 5, cmd: ae9b, arg: 0)',
      '  vcpu0-225 [000] ...1. 1.000020: sys_ioctl -> 0x0',
      '  vcpu0-225 [000] d..2. 1.000030: sched_switch: prev_comm=vcpu0 prev_pid=225 prev_prio=120 prev_state=S ==> next_comm=hog next_pid=9 next_prio=120',
      '  hog-9 [000] d..2. 1.000040: signal_generate: sig=10 errno=0 code=-6 comm=vcpu0 pid=225 grp=0 res=0',
      '  hog-9 [000] d..2. 1.000050: sched_migrate_task: comm=vcpu0 pid=225 prio=120 orig_cpu=0 dest_cpu=1',
      '  hog-9 [000] d..2. 1.000060: sched_waking: comm=vcpu0 pid=225 prio=120 target_cpu=001',
    ].join('\n');
    const events = [...traceTimeline(recordingOf('t', text))];
    expect(namesOn(events, 'vcpu0-225')).toEqual(['ioctl 0xae9b']);
    expect(namesOn(events, 'vcpu0-225 state')).toEqual(['running on CPU 0', 'sleeping', 'runnable on CPU 1']);
    const told = events.flatMap((event) => (event.kind === 'instant' && event.lane.name === 'vcpu0-225' ? [[event.name, event.args]] : []));
    expect(told).toEqual([
      ['signal 10', { from: 'hog-9' }],
      ['migrate to pCPU 1', { from: 0, to: 1 }],
    ]);
  });

  it('leaves the functions of a thread open where an interrupt on top of it returns', () => {
    const text = [
      '   1.000000 |   0)   vcpu0-319    |  ...1. |               |  vcpu_load [kvm]() {',
      '   1.000010 |   0)   vcpu0-319    |  d.h1. |               |  irq_work() {',
      '   1.000020 |   0)   vcpu0-319    |  d.h1. |               |  }',
      '   1.000030 |   0)   vcpu0-319    |  ..... |               |  } /* vcpu_load [kvm] */',
    ].join('\n');
    const ends = [...traceTimeline(recordingOf('t', text))].filter((event) => event.kind === 'end' && event.lane.name === 'vcpu0-319');
    expect(ends).toMatchObject([{ at: 30_000 }]);
  });

  it('goes forward where the clocks of two CPUs differ', () => {
    const text = [
      '  vcpu0-225 [000] ...1. 1.000010: sys_ioctl(fd: 5, cmd: ae80, arg: 0)',
      '  vcpu1-226 [001] ...1. 1.000005: sys_ioctl(fd: 5, cmd: ae80, arg: 0)',
      '  vcpu0-225 [000] ...1. 1.000020: sys_ioctl -> 0x0',
    ].join('\n');
    expect(mistakesOf(traceTimeline(recordingOf('t', text)))).toEqual([]);
  });
});
