/** Lines of recordings that are written by hand, one microsecond apart. */
import { conformedText } from './conformed.ts';

let clock = 0;
/** A line of ftrace's text. */
export function line(flags: string, event: string, { task = 'vcpu0-164', cpu = 0 } = {}): string {
  clock += 1;
  return `  ${task}     [00${cpu}] ${flags}.     1.${String(clock).padStart(6, '0')}: ${event}`;
}
export const begin = () => line('...1', 'sys_ioctl(fd: 6, cmd: ae80, arg: 0)');
export const entry = (flags = 'd..1') => line(flags, 'kvm_entry: vcpu 0, rip 0x1000');
export const exit = (reason: string, flags = 'd..1') => line(flags, `kvm_exit: vcpu 0 reason ${reason} rip 0x1000 info1 0x0 info2 0x0`);
export const toUser = (reason = 'KVM_EXIT_IO (2)') => line('....', `kvm_userspace_exit: reason ${reason}`);
export const end = () => line('...1', 'sys_ioctl -> 0x0');
export const away = (state: string) =>
  line('d..2', `sched_switch: prev_comm=vcpu0 prev_pid=164 prev_prio=120 prev_state=${state} ==> next_comm=hog next_pid=9 next_prio=120`);
export const back = () =>
  line('d..2', 'sched_switch: prev_comm=hog prev_pid=9 prev_prio=120 prev_state=R+ ==> next_comm=vcpu0 next_pid=164 next_prio=120', {
    task: 'hog-9',
  });
export const turn = (reason = 'io') => [begin(), entry(), exit(reason), toUser(), end()];
export const held = (lines: readonly string[], ...rest: Parameters<typeof conformedText> extends [string, ...infer R] ? R : never) =>
  conformedText(`${lines.join('\n')}\n`, ...rest);
export const refusalOf = (lines: readonly string[], ...rest: Parameters<typeof conformedText> extends [string, ...infer R] ? R : never) =>
  held(lines, ...rest).threads[0]?.refusal;

/** A line of function_graph, with the depth that the tracer adds on entry lines. */
export function graph(flags: string, text: string): string {
  clock += 1;
  return `   1.${String(clock).padStart(6, '0')} |   0)   vcpu0-164    |  ${flags}. |   1.000 us    |  ${text}`;
}
export const load = () => [
  graph('...1', 'vcpu_load [kvm]() {'),
  graph('...2', '  preempt_notifier_register();'),
  graph('...2', '  kvm_arch_vcpu_load [kvm]();'),
  graph('....', '} /* vcpu_load [kvm] */'),
];
export const started = () => [
  graph('...1', 'kvm_vcpu_ioctl [kvm]() {'),
  graph('...1', 'mutex_lock_killable();'),
  graph('...1', 'kvm_arch_vcpu_ioctl_run [kvm]() {'),
  ...load(),
];
