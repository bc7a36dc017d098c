/** What `conform` makes of a line: what it checks, what it says, and where its claim ends. */
import { describe, expect, it } from 'vitest';
import { conformedText, mapWith } from './conformed.ts';

let clock = 0;
/** A line of ftrace's text. */
function line(flags: string, event: string, { task = 'vcpu0-164', cpu = 0 } = {}): string {
  clock += 1;
  return `  ${task}     [00${cpu}] ${flags}.     1.${String(clock).padStart(6, '0')}: ${event}`;
}
const begin = () => line('...1', 'sys_ioctl(fd: 6, cmd: ae80, arg: 0)');
const entry = (flags = 'd..1') => line(flags, 'kvm_entry: vcpu 0, rip 0x1000');
const exit = (reason: string, flags = 'd..1') => line(flags, `kvm_exit: vcpu 0 reason ${reason} rip 0x1000 info1 0x0 info2 0x0`);
const toUser = (reason = 'KVM_EXIT_IO (2)') => line('....', `kvm_userspace_exit: reason ${reason}`);
const end = () => line('...1', 'sys_ioctl -> 0x0');
const away = (state: string) =>
  line('d..2', `sched_switch: prev_comm=vcpu0 prev_pid=164 prev_prio=120 prev_state=${state} ==> next_comm=hog next_pid=9 next_prio=120`);
const back = () =>
  line('d..2', 'sched_switch: prev_comm=hog prev_pid=9 prev_prio=120 prev_state=R+ ==> next_comm=vcpu0 next_pid=164 next_prio=120', {
    task: 'hog-9',
  });
const turn = (reason = 'io') => [begin(), entry(), exit(reason), toUser(), end()];
const held = (lines: readonly string[], ...rest: Parameters<typeof conformedText> extends [string, ...infer R] ? R : never) =>
  conformedText(`${lines.join('\n')}\n`, ...rest);
const refusalOf = (lines: readonly string[], ...rest: Parameters<typeof conformedText> extends [string, ...infer R] ? R : never) =>
  held(lines, ...rest).threads[0]?.refusal;

describe('a recording of events', () => {
  it('conforms, and counts what the thread did', () => {
    const { verdict, threads } = held([
      ...turn(),
      begin(),
      entry(),
      exit('interrupt'),
      away('R+'),
      back(),
      entry(),
      exit('io'),
      toUser(),
      end(),
    ]);
    expect(verdict).toBe('conforms');
    expect(threads).toMatchObject([
      { comm: 'vcpu0', pid: 164, verdict: 'conforms', refusals: 0, counts: { ioctls: 2, entries: 3, exits: 3, preemptions: 1, sleeps: 0 } },
    ]);
  });

  it('may begin in the middle of KVM_RUN, and end anywhere', () => {
    expect(held([exit('interrupt'), away('R+'), back(), entry()]).verdict).toBe('conforms');
    expect(held([toUser(), end(), ...turn(), begin()]).verdict).toBe('conforms');
  });

  it.each([
    ['an exit without an entry', () => [begin(), exit('io')]],
    ['two entries without an exit', () => [begin(), entry(), entry()]],
    ['KVM_RUN that ends without leaving the guest', () => [begin(), entry(), toUser()]],
    ['an end for user space after an interrupt alone', () => [begin(), entry(), exit('shutdown'), entry()]],
    ['a preemption between VMRUN and #VMEXIT', () => [begin(), entry(), away('R+')]],
    ['a sleep with interrupts off', () => [begin(), entry(), away('S')]],
    ['a system call that returns out of the guest', () => [begin(), entry(), end()]],
  ])('cannot have %s', (_what, lines) => {
    const { verdict, threads } = held([...turn(), ...lines()]);
    expect(verdict).toBe('cannot');
    expect(threads[0]?.refusals).toBe(1);
  });

  it('cannot have an entry with interrupts on', () => {
    expect(refusalOf([begin(), entry('...1')])?.context).toBe('interrupts on, preemption off');
  });

  it('cannot have an interrupt while its thread is in the guest', () => {
    expect(held([...turn(), begin(), entry(), line('d.h1', 'local_timer_entry: vector=236')]).verdict).toBe('cannot');
    expect(held([begin(), entry(), exit('interrupt'), line('d.h1', 'local_timer_entry: vector=236')]).verdict).toBe('conforms');
  });

  it('lets a thread go in KVM_RUN as its preemption model does', () => {
    const lines = () => [...turn(), begin(), entry(), exit('interrupt'), away('R+'), back(), toUser()];
    expect(held(lines()).verdict).toBe('conforms');
    expect(held([begin(), entry(), exit('npf'), away('R+'), back(), entry()], undefined, 'voluntary').verdict).toBe('conforms');
  });

  it('lets a thread sleep where it halts, and in user mode', () => {
    expect(held([begin(), entry(), exit('hlt'), away('S'), back(), entry()]).verdict).toBe('conforms');
    expect(held([...turn(), away('S'), back(), ...turn()]).verdict).toBe('conforms');
    expect(held([begin(), entry(), exit('io'), away('D'), back(), entry()]).verdict).toBe('cannot');
  });

  it('lets a nested page fault sleep: its memory may have to be found', () => {
    expect(held([begin(), entry(), exit('npf'), away('D'), back(), entry()]).verdict).toBe('conforms');
    expect(held([begin(), entry(), exit('npf'), entry(), away('D')]).verdict).toBe('cannot');
  });

  it('lets a thread end in user mode alone', () => {
    const { verdict, threads } = held([...turn(), away('X')]);
    expect(verdict).toBe('conforms');
    expect(threads[0]?.counts).toMatchObject({ preemptions: 0, sleeps: 0 });
    expect(held([...turn(), begin(), entry(), exit('interrupt'), away('X')]).verdict).toBe('cannot');
  });

  it('cannot have an interrupt with preemption on where it is off', () => {
    const timer = (depth: number) => line(`d.h${depth}`, 'local_timer_entry: vector=236');
    const entering = (depth: number) => [
      ...started(),
      graph('...2', 'svm_prepare_switch_to_guest [kvm_amd]() {'),
      timer(depth),
      graph('...1', '} /* svm_prepare_switch_to_guest [kvm_amd] */'),
      graph('d..2', 'svm_vcpu_run [kvm_amd]();'),
    ];
    expect(held(entering(1)).verdict).toBe('conforms');
    expect(held(entering(0)).verdict).toBe('cannot');
  });

  it('tells schedule(), which R18 calls, from preemption, by prev_state', () => {
    const left = (state: string, preemption: 'full' | 'voluntary') =>
      held([...turn(), begin(), entry(), exit('interrupt'), away(state), back(), entry()], mapWith('6.12', 'known: [none]'), preemption)
        .verdict;
    expect([left('R+', 'full'), left('R', 'full'), left('R', 'voluntary')]).toEqual(['conforms', 'conforms', 'conforms']);
    expect(left('R+', 'voluntary')).toBe('cannot');
  });

  it('may show the begin of KVM_RUN by its system call and by its function', () => {
    const both = [line('...1', 'sys_ioctl(fd: 6, cmd: ae80, arg: 0)'), ...started()];
    const { verdict, threads } = held(both);
    expect(verdict).toBe('conforms');
    expect(threads[0]?.counts.ioctls).toBe(1);
  });

  it('passes other system calls of the thread over', () => {
    const other = [line('...1', 'sys_ioctl(fd: 6, cmd: ae9b, arg: 0)'), away('S'), back(), end()];
    const { verdict, threads } = held([...turn(), ...other, ...turn()]);
    expect(verdict).toBe('conforms');
    expect(threads[0]?.counts.ioctls).toBe(2);
  });

  it('goes on at the next KVM_RUN behind a line that cannot be', () => {
    const { threads } = held([begin(), entry(), toUser(), end(), ...turn(), begin(), entry(), end()]);
    expect(threads).toMatchObject([{ verdict: 'cannot', refusals: 2, counts: { ioctls: 3 } }]);
    expect(threads[0]?.refusal?.line).toBe(3);
  });

  it('tells the line, what was known last, and what was possible', () => {
    expect(refusalOf([...turn(), begin(), entry(), toUser()])).toEqual({
      line: 8,
      text: expect.stringContaining('vcpu0-164 [0] kvm_userspace_exit: reason KVM_EXIT_IO'),
      context: null,
      after: { step: 'KVM_RUN.vcpu_enter_guest.svm_vcpu_run.VMRUN', line: 7 },
      letters: 'G I X',
      steps: [
        'KVM_RUN.vcpu_enter_guest.svm_vcpu_run.VMEXIT',
        'KVM_RUN.vcpu_enter_guest.svm_vcpu_run.VMRUN',
        'KVM_RUN.vcpu_enter_guest.svm_vcpu_run.guest',
      ],
      more: 0,
    });
  });
});

describe('the claim about a recording ends', () => {
  it('where events of its CPU were lost', () => {
    const lost = 'CPU:0 [LOST 12 EVENTS]';
    const { verdict, doubts } = held([begin(), entry(), lost, begin(), entry()]);
    expect(verdict).toBe('unknown');
    expect(doubts).toMatchObject([{ what: 'events of CPU 0 were lost', count: 1, line: 3 }]);
    expect(held([...turn(), begin(), entry(), 'CPU:1 [LOST 12 EVENTS]', away('R+')]).verdict).toBe('cannot');
  });

  it('where events of the CPU were lost that it was on, or may have come to', () => {
    const lost = (cpu: number) => `CPU:${cpu} [LOST 12 EVENTS]`;
    const verdictOf = (...lines: readonly string[]) => held([...turn(), begin(), entry(), ...lines]).threads[0]?.verdict;
    expect(verdictOf(lost(0))).toBe('unknown');
    expect(verdictOf(exit('interrupt'), away('R+'), lost(1))).toBe('unknown');
    expect(verdictOf(exit('interrupt'), away('R+'), back(), lost(1))).toBe('conforms');
    expect(verdictOf(exit('interrupt'), away('R+'), back(), lost(0))).toBe('unknown');
    expect(held([...turn(), begin(), entry(), lost(1)]).threads[0]?.verdict).toBe('unknown');
    expect(verdictOf('PERF_RECORD_LOST lost 3', exit('interrupt'), away('R+'), back(), 'PERF_RECORD_LOST lost 3')).toBe('unknown');
  });

  it('and nothing is taken from before that, such as functions that had not returned', () => {
    const lost = 'CPU:0 [LOST 12 EVENTS]';
    const open = [...started(), graph('d..2', 'svm_vcpu_run [kvm_amd]() {'), lost];
    const { threads } = held([...open, graph('...1', 'some_function();'), ...started()]);
    expect(threads).toMatchObject([{ verdict: 'unknown', refusal: null, counts: { ioctls: 2 } }]);
    const elsewhere = [...turn(), line('...1', 'sys_ioctl(fd: 6, cmd: ae9b, arg: 0)'), lost, toUser(), end(), ...turn()];
    expect(held(elsewhere).threads[0]?.verdict).toBe('unknown');
  });

  it('where a line is not understood', () => {
    const { verdict, threads, doubts } = held([begin(), entry(), '~~~ what is this', toUser()]);
    expect([verdict, threads[0]?.verdict]).toEqual(['unknown', 'unknown']);
    expect(doubts).toMatchObject([{ what: 'a line that is not understood', line: 3 }]);
  });

  it('where no map has the exit, which is named with what to do', () => {
    const { verdict, doubts } = held([begin(), entry(), exit('msr'), entry(), exit('msr')]);
    expect(verdict).toBe('unknown');
    expect(doubts).toEqual([{ what: 'the exit msr', count: 2, line: 3, attempt: '--map FILE with exits: { msr: … }' }]);
    expect(held([begin(), entry(), exit('msr'), entry()], mapWith('6.12', 'exits: { msr: NMI }')).verdict).toBe('conforms');
  });

  it('and what cannot be is told all the same', () => {
    expect(held([begin(), entry(), exit('msr'), begin(), entry(), toUser()]).verdict).toBe('cannot');
  });
});

/** A line of function_graph, with the depth that the tracer adds on entry lines. */
function graph(flags: string, text: string): string {
  clock += 1;
  return `   1.${String(clock).padStart(6, '0')} |   0)   vcpu0-164    |  ${flags}. |   1.000 us    |  ${text}`;
}
const load = () => [
  graph('...1', 'vcpu_load [kvm]() {'),
  graph('...2', '  preempt_notifier_register();'),
  graph('...2', '  kvm_arch_vcpu_load [kvm]();'),
  graph('....', '} /* vcpu_load [kvm] */'),
];
const started = () => [
  graph('...1', 'kvm_vcpu_ioctl [kvm]() {'),
  graph('...1', 'mutex_lock_killable();'),
  graph('...1', 'kvm_arch_vcpu_ioctl_run [kvm]() {'),
  ...load(),
];

describe('a recording of functions', () => {
  it('conforms where functions are called in the order and the contexts of the model', () => {
    expect(held(started()).verdict).toBe('conforms');
  });

  it('cannot have a function before the one that the model walks first', () => {
    const [open, register, arch, close] = load();
    const lines = [...started().slice(0, 3), open!, arch!, register!, close!];
    expect(refusalOf(lines)).toMatchObject({ line: 5, text: expect.stringContaining('kvm_arch_vcpu_load()') });
  });

  it('cannot leave out a function that it shows elsewhere', () => {
    const ended = [
      graph('...1', 'vcpu_put [kvm]() {'),
      graph('...2', 'kvm_arch_vcpu_put [kvm]();'),
      graph('....', '} /* kvm_vcpu_ioctl [kvm] */'),
    ];
    const without = started().filter((text) => !text.includes('mutex_lock_killable'));
    expect(held([...started(), ...ended, ...started()]).verdict).toBe('conforms');
    expect(refusalOf([...started(), ...ended, ...without])?.text).toContain('preempt_notifier_register()');
    expect(held(without).verdict).toBe('conforms');
  });

  it('does not know a function that no map has, and says how to map it', () => {
    const { verdict, doubts } = held([...started(), graph('...1', 'kvm_arch_frobnicate [kvm]();')]);
    expect(verdict).toBe('unknown');
    expect(doubts).toEqual([
      {
        what: 'the function kvm_arch_frobnicate() in kvm_arch_vcpu_ioctl_run()',
        count: 1,
        line: 8,
        attempt: '--map FILE with known: [kvm_arch_frobnicate], or functions: { kvm_arch_frobnicate: … }',
      },
    ]);
    const known = mapWith('6.12', 'known: [kvm_arch_frob*]');
    expect(held([...started(), graph('...1', 'kvm_arch_frobnicate [kvm]();')], known).verdict).toBe('conforms');
  });

  it('passes an ioctl over that never runs the vCPU', () => {
    const other = [
      graph('...1', 'kvm_vcpu_ioctl [kvm]() {'),
      graph('...1', 'mutex_lock_killable();'),
      ...load(),
      graph('...1', 'mutex_unlock();'),
      graph('....', '} /* kvm_vcpu_ioctl [kvm] */'),
    ];
    const { verdict, threads } = held([...other, ...started()]);
    expect(verdict).toBe('conforms');
    expect(threads[0]?.counts.ioctls).toBe(1);
  });

  it('passes over what the thread does when it creates its vCPU, and when it is the last that ends', () => {
    const put = [
      graph('...1', 'vcpu_put [kvm]() {'),
      graph('...2', 'kvm_arch_vcpu_put [kvm]();'),
      graph('...2', 'preempt_notifier_unregister();'),
      graph('....', '} /* vcpu_put [kvm] */'),
    ];
    const unlocked = [graph('....', '} /* kvm_arch_vcpu_ioctl_run [kvm] */'), graph('...1', 'mutex_unlock();')];
    const ended = [...put, ...unlocked, graph('....', '} /* kvm_vcpu_ioctl [kvm] */')];
    const call = line('...1', 'sys_ioctl(fd: 6, cmd: ae80, arg: 0)');
    const alone = [...load(), ...put];
    const { verdict, threads } = held([...alone, ...alone, call, ...started(), ...ended, ...alone]);
    expect(threads[0]?.refusal).toBeNull();
    expect(verdict).toBe('conforms');
    expect(threads[0]?.counts.ioctls).toBe(1);
    expect(held([...started(), ...put, ...put]).verdict).toBe('cannot');
  });

  it('takes a function by its name without what the compiler adds to it', () => {
    expect(held(started().map((text) => text.replace('mutex_lock_killable()', 'mutex_lock_killable.isra.0()'))).verdict).toBe('conforms');
  });

  it('cannot sleep with interrupts off, in a function that may sleep too', () => {
    const fault = () => [graph('...1', 'kvm_mmu_page_fault [kvm]() {'), away('D'), back(), graph('....', '} /* kvm_mmu_page_fault */')];
    const entering = () => [...started(), graph('d..2', 'svm_vcpu_run [kvm_amd]();')];
    const left = () => [graph('d..2', 'svm_handle_exit_irqoff [kvm_amd]();')];
    const handled = () => graph('...1', 'svm_handle_exit [kvm_amd]() {');
    expect(held([...entering(), ...left(), handled(), ...fault()]).verdict).toBe('conforms');
    expect(held([...entering(), ...fault(), ...left(), handled()]).verdict).toBe('cannot');
  });

  it('cannot have a step of a function that has returned', () => {
    const run = (...inside: readonly string[]) => [...started(), graph('d..2', 'svm_vcpu_run [kvm_amd]() {'), entry(), ...inside];
    const returned = () => graph('d..1', '} /* svm_vcpu_run [kvm_amd] */');
    expect(held(run(exit('io'), returned())).verdict).toBe('conforms');
    expect(held(run(returned(), exit('io'))).verdict).toBe('cannot');
  });

  it('tells a turn that gave up from one that was in the guest', () => {
    const called = (flags: string, fn: string) => () => graph(flags, `${fn} [kvm_amd]();`);
    const inGuest = called('d..2', 'svm_vcpu_run');
    const gaveUp = called('...1', 'svm_cancel_injection');
    const handled = called('...1', 'svm_handle_exit');
    const ioctl = (...turns: readonly (() => string)[]) => [
      ...started(),
      ...turns.map((one) => one()),
      graph('...1', 'vcpu_put [kvm]() {'),
      graph('...2', 'kvm_arch_vcpu_put [kvm]();'),
      graph('....', '} /* kvm_vcpu_ioctl [kvm] */'),
    ];
    // Each of them shows in each recording, so that none is passed unseen.
    const last = (...turns: readonly (() => string)[]) => held([...ioctl(inGuest, handled), ...ioctl(gaveUp), ...ioctl(...turns)]);
    expect(last(inGuest, handled).verdict).toBe('conforms');
    expect(last(gaveUp).threads[0]?.counts.giveUps).toBe(2);
    expect(last(gaveUp).verdict).toBe('conforms');
    expect(last(handled).verdict).toBe('cannot');
    expect(last(inGuest, gaveUp).verdict).toBe('cannot');
  });

  it('tells once what comes behind a step', () => {
    const handled = () => graph('...1', 'svm_handle_exit [kvm_amd]();');
    const whole = [...started(), graph('...2', 'svm_prepare_switch_to_guest [kvm_amd]();'), graph('d..2', 'svm_vcpu_run [kvm_amd]();')];
    expect(held([...whole, handled()]).verdict).toBe('conforms');
    expect(held([...whole, handled(), handled()]).verdict).toBe('cannot');
  });

  it('ends its claim where functions nest without end', () => {
    const open = Array.from({ length: 600 }, () => graph('...1', 'some_function() {'));
    const { verdict, doubts } = held([...started(), ...open]);
    expect(verdict).toBe('unknown');
    expect(doubts).toContainEqual(expect.objectContaining({ what: 'more than 256 functions that do not return', count: 2 }));
  });

  it('does not look at functions that an interrupt calls', () => {
    expect(held([...started(), graph('d.h1', 'svm_vcpu_run [kvm_amd]();')]).verdict).toBe('conforms');
  });
});
