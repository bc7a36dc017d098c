/**
 * What split-lock detection stands on besides cores: the semaphore, the freezer, the memory bus,
 * struct vcpu_vmx and the limit of bus locks.
 */
import { describe, expect, it } from 'vitest';
import { type MemoryBusContext, memoryBusMachine, ratelimitMachine } from '../../../actors/split-lock/bus-lock-limit.ts';
import { type SemaphoreContext, semaphoreMachine } from '../../../actors/split-lock/delayed-work.ts';
import { freezerMachine } from '../../../actors/split-lock/freezer.ts';
import { type VcpuVmx, vcpuVmxMachine } from '../../../actors/split-lock/vcpu-vmx.ts';
import { Given, told } from '../given.ts';

const [A, B] = ['thread:a/0', 'thread:b/0'] as const;
const by = (from: string, type: string, rest: object = {}) => ({ type, from, ...rest });

describe('the semaphore of bus locks', () => {
  it('does not wake a thread that has left its queue for a signal', () => {
    const taken = Given.start<SemaphoreContext>(semaphoreMachine).after(by(A, 'sem.down'), by(B, 'sem.down'));
    expect(taken.context).toEqual({ count: 0, waiters: [B] });
    expect(told(taken.when(by(A, 'sem.up')).sent)).toEqual(['sched sched.wake']);
    expect(taken.after(by(B, 'sem.leave')).when(by(A, 'sem.up')).sent).toEqual([]);
  });
});

describe('the freezer', () => {
  const frozen = Given.start(freezerMachine);
  it('keeps tasks until they are thawed, and none after that', () => {
    const waiting = frozen.after(by(B, 'freezer.frozen?'), by(A, 'freezer.frozen?'), by(A, 'freezer.frozen?'));
    const thawed = waiting.when(by('thread:systemd/0', 'freezer.thaw'));
    expect(thawed.sent.map(({ event }) => event.thread)).toEqual([A, B]);
    expect(thawed.and.when(by(A, 'freezer.frozen?')).sent).toEqual([{ to: A, event: { type: 'freezer.state', frozen: false } }]);
  });
});

describe('the memory bus', () => {
  const bus = Given.start<MemoryBusContext>(memoryBusMachine);
  const locks = (culprit: string) => by('core:0', 'bus.lock', { by: culprit });
  it('remembers who locks it once more without having been held up', () => {
    expect(bus.after(locks(A), locks(B)).context).toEqual({ unpaid: [A, B], again: null });
    expect(bus.after(locks(A), locks(A)).context.again).toBe(A);
    expect(bus.after(locks(A), by(A, 'bus.paid', { by: null }), locks(A)).context.again).toBeNull();
  });

  it('takes the word of a VMM for its vCPU', () => {
    const paid = bus.after(locks('vcpu:vm0/0'), locks(A), by(A, 'bus.paid', { by: 'vcpu:vm0/0' }));
    expect(paid.context.unpaid).toEqual([A]);
  });
});

describe('struct vcpu_vmx', () => {
  const vmx = Given.start<VcpuVmx>(vcpuVmxMachine);
  const writes = (fields: object, rest: object = {}) => by(A, 'vmx.write', { fields, ...rest });
  it('counts loads from put to put, and not beyond two', () => {
    const loaded = vmx.after(writes({ loaded: true }), writes({ loaded: false }), writes({ loaded: true }), writes({ loaded: true }));
    expect(loaded.context.loads).toBe(2);
    expect(loaded.after(by(A, 'vmx.vcpuPut')).context.loads).toBe(0);
  });

  it('remembers who wrote MSR_TEST_CTRL last, and tells of its fields alone', () => {
    const written = vmx.after(writes({ testCtrl: 1 }), writes({ testCtrl: 2 }, { hostInitiated: true }), writes({ loaded: true }));
    expect(written.context.writer).toBe('VMM');
    expect(written.after(writes({ testCtrl: 0 })).context.writer).toBe('guest');
    const answer = { type: 'vmx.fields', loaded: true, saved: null, testCtrl: 2 };
    expect(written.when(by(A, 'vmx.read?')).sent).toEqual([{ to: A, event: answer }]);
  });
});

describe('the limit of bus locks', () => {
  const passes = (given: Given<unknown>) => given.when(by(A, 'ratelimit?')).sent[0]!.event.passes;
  it('lets its burst pass in a second, and again in the next', () => {
    const limit = Given.start(ratelimitMachine, { burst: 2 });
    const first = limit.when(by(A, 'ratelimit?'));
    expect(told(first.sent)).toEqual([`${A} ratelimit.answer`, 'bld_ratelimit ratelimit.over']);
    expect(passes(first.and)).toBe(true);
    const full = first.and.after(by(B, 'ratelimit?'));
    expect(passes(full)).toBe(false);
    expect(told(full.when(by(A, 'ratelimit?')).sent)).toEqual([`${A} ratelimit.answer`]);
    expect(passes(full.after(by('bld_ratelimit', 'ratelimit.over')))).toBe(true);
  });
});
