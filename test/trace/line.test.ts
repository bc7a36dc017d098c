/** Lines of recordings as the three programs and function_graph print them. */
import { describe, expect, it } from 'vitest';
import { eventOf } from '../../trace/event.ts';
import { recordingOf } from '../../trace/recording.ts';

const only = (text: string) => recordingOf('t', text).lines[0]!;
const SWITCH =
  'sched_switch: prev_comm=CPU 0/KVM prev_pid=154 prev_prio=120 prev_state=R+ ==> next_comm=swapper/1 next_pid=0 next_prio=120';
const SWITCHED = {
  type: 'sched_switch',
  prev: { comm: 'CPU 0/KVM', pid: 154 },
  state: 'preempted',
  letters: 'R+',
  next: { comm: 'swapper/1', pid: 0 },
};

describe('the head of a line', () => {
  it('is read from ftrace, with the flags of the context', () => {
    expect(only(`       CPU 0/KVM-154     [001] dNh2.    11.000228: ${SWITCH}`)).toMatchObject({
      line: 1,
      kind: 'event',
      time: 11_000_228_000,
      cpu: 1,
      comm: 'CPU 0/KVM',
      pid: 154,
      flags: { irqsOff: true, needResched: true, inInterrupt: true, preemptDepth: 2 },
      event: SWITCHED,
    });
  });

  it('is read from ftrace with the column of process ids', () => {
    expect(only(`       CPU 0/KVM-154     (    150) [001] d..2.    11.296228: ${SWITCH}`)).toMatchObject({
      pid: 154,
      tgid: 150,
      event: SWITCHED,
    });
    expect(only(`          <idle>-0       (-------) [001] d..2.    11.296228: ${SWITCH}`)).not.toHaveProperty('tgid');
  });

  it('is read from trace-cmd report, which has no flags', () => {
    const { lines, format } = recordingOf('t', `cpus=2\n       CPU 0/KVM-154   [001]     4.731014: ${SWITCH}`);
    expect(format).toBe('trace-cmd');
    expect(lines).toMatchObject([{ line: 2, pid: 154, flags: null, event: SWITCHED }]);
  });

  it('is read from perf script, with thread alone or process and thread', () => {
    const perf = `sched:${SWITCH}`;
    expect(recordingOf('t', `CPU 0/KVM   154 [001]     4.731014:       ${perf}`)).toMatchObject({
      format: 'perf',
      lines: [{ comm: 'CPU 0/KVM', pid: 154, cpu: 1, event: SWITCHED }],
    });
    expect(only(`CPU 0/KVM   150/154   [001]     4.731014123:          1 ${perf}`)).toMatchObject({
      pid: 154,
      tgid: 150,
      time: 4_731_014_123,
    });
    expect(only('swapper     0 [001]  4.731014: irq_vectors:local_timer_entry: vector=236')).toMatchObject({ comm: '<idle>', pid: 0 });
  });

  it('is read from function_graph, as call, leaf, return and event', () => {
    const text = [
      '   25.375203 |   0)   vcpu0-319    |  ...2. | + 52.528 us   |    preempt_notifier_register();',
      '   25.375391 |   0)   vcpu0-319    |  .N.2. |               |    kvm_arch_vcpu_load [kvm]() {',
      '   25.375395 |   0)   vcpu0-319    |  ...1. |   4.547 us    |    } /* kvm_arch_vcpu_load [kvm] */',
      '   25.375398 |   0)   vcpu0-319    |  d..1. |               |  /* kvm_entry: vcpu 0, rip 0x100c */',
      ' ------------------------------------------',
      ' 0)   vcpu0-319    =>    <idle>-0   ',
      ' ------------------------------------------',
      '',
    ].join('\n');
    expect(recordingOf('t', text)).toMatchObject({
      format: 'function_graph',
      lines: [
        { kind: 'call', fn: 'preempt_notifier_register', leaf: true, flags: { preemptDepth: 2 } },
        { kind: 'call', fn: 'kvm_arch_vcpu_load', leaf: false, flags: { needResched: true } },
        { kind: 'return', fn: 'kvm_arch_vcpu_load' },
        { kind: 'event', event: { type: 'kvm_entry', vcpu: 0 } },
      ],
    });
  });
});

describe('what a line says', () => {
  const event = (text: string) => {
    const line = only(`  qemu-9   [000]     1.000001: ${text}`);
    return line.kind === 'event' ? line.event : line.kind;
  };

  it.each([
    ['vcpu 1 reason npf rip 0x1000 info1 0x0', { vcpu: 1, reason: 'npf' }],
    ['reason EXTERNAL_INTERRUPT rip 0x1000 info 0 0', { vcpu: null, reason: 'external_interrupt' }],
    ['vcpu 0 reason EXIT_HLT rip 0x1000', { vcpu: 0, reason: 'hlt' }],
    ['vcpu 0 reason DB excp rip 0x1000', { vcpu: 0, reason: 'db excp' }],
  ])('kvm_exit: %s', (text, expected) => {
    expect(event(`kvm_exit: ${text}`)).toEqual({ type: 'kvm_exit', ...expected });
  });

  it('reads a system call as ftrace, trace-cmd and perf print it', () => {
    expect(event('sys_ioctl(fd: 5, cmd: ae80, arg: 0)')).toEqual({ type: 'ioctl', fd: 5, cmd: 0xae80 });
    expect(event('sys_enter_ioctl: fd: 0x00000005, cmd: 0x0000ae80, arg: 0x00000000')).toEqual({ type: 'ioctl', fd: 5, cmd: 0xae80 });
    expect(event('sys_ioctl -> 0xfffffffffffffffc')).toEqual({ type: 'ioctl_end', result: -4n });
    expect(event('sys_exit_ioctl: 0xfffffffffffffffc')).toEqual({ type: 'ioctl_end', result: -4n });
  });

  it('reads a switch and a wake-up as the plugins of libtraceevent print them', () => {
    expect(event('sched_switch: CPU 0/KVM:154 [120] R+ ==> swapper/1:0 [120]')).toEqual(SWITCHED);
    expect(event('sched_wakeup: CPU 0/KVM:154 [120] CPU:001')).toEqual({
      type: 'sched_wakeup',
      task: { comm: 'CPU 0/KVM', pid: 154 },
      cpu: 1,
    });
  });

  it('reads which CPUs an IPI goes to', () => {
    expect(event('ipi_send_cpumask: cpumask=0-1,3 callsite=ack_kick+0x0/0x10 callback=0x0')).toMatchObject({ cpus: [0, 1, 3] });
    expect(event('ipi_raise: target_mask=00000001,00000002 (Function call interrupts)')).toMatchObject({ cpus: [1, 32] });
  });

  it('writes a list of CPUs out only as far as a kernel has CPUs', () => {
    const cpus = (list: string) => eventOf({ name: 'ipi_send_cpumask', text: `cpumask=${list} callsite=x` });
    expect(cpus('0-8191')).toMatchObject({ cpus: { length: 8_192 } });
    expect(cpus('5-3,1')).toMatchObject({ cpus: [1] });
    for (const none of ['0-8192', '0-99999', Array.from({ length: 50 }, () => '0-8191').join(','), '5-3', '-,-5-', '1-2-3'])
      expect(cpus(none)).toMatchObject({ cpus: null });
    const began = performance.now();
    for (let line = 0; line < 2_000; line++) cpus(Array.from({ length: 50 }, () => '0-8191').join(','));
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('tells lost events from all three programs', () => {
    const text = [
      '  qemu-9   [000]     1.000001: kvm_entry: vcpu 0, rip 0x1',
      'CPU:1 [LOST 123 EVENTS]',
      'CPU:0 [EVENTS DROPPED]',
      '  qemu 9 [000]  1.0: PERF_RECORD_LOST lost 7',
    ].join('\n');
    expect(recordingOf('t', text).lines.slice(1)).toEqual([
      { kind: 'lost', line: 2, cpu: 1, events: 123 },
      { kind: 'lost', line: 3, cpu: 0, events: null },
      { kind: 'lost', line: 4, cpu: null, events: 7 },
    ]);
  });

  it('keeps a line that it does not understand, with its number', () => {
    expect(recordingOf('t', '  qemu-9   [000]     1.000001: kvm_entry: vcpu 0\n  qemu-9   [000]     1.0000').lines[1]).toEqual({
      kind: 'foreign',
      line: 2,
      text: '  qemu-9   [000]     1.0000',
    });
    expect(event('sched_switch: prev_comm=a prev_pid=1')).toBe('foreign');
  });

  it('gathers the stack of an event, innermost function first', () => {
    const text = [
      '           vcpu1-198     [000] d..2.     5.668399: sched_wakeup: comm=a pid=1 prio=120 target_cpu=000',
      '           vcpu1-198     [000] d..2.     5.668399: <stack trace>',
      ' => __schedule+0x5bc/0xbf0',
      ' => kvm_vcpu_ioctl+0x331/0x970 [kvm]',
      '           vcpu1-198     [000] d..2.     5.668400: kvm_entry: vcpu 1, rip 0x1',
    ].join('\n');
    expect(recordingOf('t', text).lines).toMatchObject([{ stack: ['__schedule', 'kvm_vcpu_ioctl'] }, { name: 'kvm_entry' }]);
  });
});

describe('a file that is no recording', () => {
  it('is refused with its first line', () => {
    expect(() => recordingOf('notes.txt', '\nDear all,\n')).toThrow('notes.txt:2: no line of a recording: "Dear all,"');
    expect(() => recordingOf('empty', '# tracer: nop\n')).toThrow('empty has no events');
    expect(() => recordingOf('h', '{ prev_state:          0, common_stacktrace:\n')).toThrow(
      'h:1: no line of a recording: counts of a hist trigger',
    );
  });
});
