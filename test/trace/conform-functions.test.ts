/** What `conform` makes of function_graph: functions, contexts, returns. */
import { describe, expect, it } from 'vitest';
import { mapWith } from './conformed.ts';
import { away, back, entry, exit, graph, held, line, load, refusalOf, started } from './handwritten.ts';

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
