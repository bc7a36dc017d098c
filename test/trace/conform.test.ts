/** What `conform` makes of a line: what it checks, what it says, and where its claim ends. */
import { describe, expect, it } from 'vitest';
import { mapWith } from './conformed.ts';
import { away, back, begin, end, entry, exit, graph, held, line, refusalOf, started, toUser, turn } from './handwritten.ts';

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
