/** Busy waits as they are written: steps that only look may learn nothing. */
import { describe, expect, it } from 'vitest';
import type { HostItem } from '../../../actors/host/host-env.ts';
import { host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { completion } from '../../../actors/kit/completion.ts';
import { local } from '../../../actors/kit/local.ts';
import { mutex } from '../../../actors/kit/mutex.ts';
import { refcount } from '../../../actors/kit/refcount.ts';
import { semaphore } from '../../../actors/kit/semaphore.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { request } from '../../../actors/kvm/kit-requests.ts';
import { progress } from '../../../sim/properties/liveness.ts';
import { raced } from './raced.ts';

const { loop, when, step, leaveLoop } = host;
const flags = cell('flags', { set: false, other: false });
const lock = mutex('lock');
const count = refcount('count', { begins: 1 });
const sem = semaphore('sem');
const done = completion('done');
const flag = local<boolean>('flag');
const other = local<boolean>('other');
const left = local<number | 'saturated'>('left');
const until = (...items: readonly HostItem[]): HostItem => loop(...items, when([flag.is(true), [leaveLoop]]));

/** One thread polls; the other does what it polls for, or nothing. */
const polled = (polls: readonly HostItem[], ends: readonly HostItem[], memory: 'sc' | 'tso' = 'sc', asked = true) =>
  raced({
    arches: ['amd'],
    processes: { a: { cpu: 0, threads: [[{ polls: {} }]] }, b: { cpu: 1, threads: [[{ ends: {} }]] } },
    vms: { vm0: { type: 'svm', vcpus: [[]] } },
    host: { options: { memory } },
    properties: asked ? [progress] : [],
    race: {
      uses: [flags, lock, count, sem, done],
      operations: {
        polls: { summary: 'Polls', source: 'a test', does: () => syscall('ioctl', 'a test', polls) },
        ends: { summary: 'Ends that', source: 'a test', does: () => syscall('ioctl', 'a test', ends) },
      },
    },
  });

const set = flags.store('set', true);
const at = { at: () => 'vcpu:vm0/0' } as const;
const WAITS: readonly (readonly [string, readonly HostItem[], readonly HostItem[]])[] = [
  ['READ_ONCE()', [until(flags.load('set', flag))], [set]],
  ['smp_load_acquire()', [until(flags.loadAcquire('set', flag))], [set]],
  ['cmpxchg()', [until(flags.cmpxchg('set', true, false, flag))], [set]],
  ['mutex_trylock()', [until(lock.trylock(flag)), lock.unlock()], [lock.lock(), lock.unlock()]],
  ['down_trylock()', [until(sem.downTrylock(flag)), sem.up()], [sem.down(), sem.up()]],
  ['completion_done()', [until(done.done(flag))], [done.complete()]],
  ['try_wait_for_completion()', [until(done.tryWait(flag))], [done.complete()]],
  ['kvm_test_request()', [until(request('KVM_REQ_UNBLOCK').test(flag, at))], [request('KVM_REQ_UNBLOCK').make(at)]],
  ['refcount_read()', [loop(count.read(left), when([left.is(0), [leaveLoop]]))], [count.put()]],
];

describe('a busy wait of steps that look', () => {
  it.each(WAITS)('with %s gets through where what it waits for comes', (_name, polls, ends) => {
    expect(polled(polls, ends)).toMatchObject({ verdict: 'clean', exhausted: true });
  });

  it('does so with the store buffers of x86', () => {
    expect(polled([until(flags.load('set', flag))], [set], 'tso')).toMatchObject({ verdict: 'clean', exhausted: true });
  });

  it('has the states that one has which says that it idles', () => {
    const says = until(flags.load('set', flag, { step: { idles: true } }));
    expect(polled([until(flags.load('set', flag))], [set]).states).toBe(polled([says], [set]).states);
  });

  it('is a deadlock where nothing sets what it waits for, of one field and of two', () => {
    const two = loop(
      flags.load('set', flag),
      flags.load('other', other),
      when([(_t, l) => flag.of(l) === true || other.of(l) === true, [leaveLoop]]),
    );
    const nothing = [flags.store('set', false)];
    expect(polled([until(flags.load('set', flag))], nothing).broken).toContain('deadlock');
    expect(polled([two], nothing, 'sc', false).broken).toContain('deadlock');
    expect(polled([two], [set]).verdict).toBe('clean');
  });

  it('is none where it takes and drops a lock beside: that changes the lock', () => {
    const nothing = [flags.store('set', false)];
    const relaxes = until(lock.lock(), flags.load('set', flag), lock.unlock(), step('cpu_relax', { yields: true }));
    expect(polled([relaxes], nothing).broken).toEqual(['cpu.progress']);
    expect(polled([until(lock.lock(), flags.load('set', flag), lock.unlock())], nothing).verdict).toBe('clean');
  });
});

describe('a step of a module that changes nothing', () => {
  it('is told by its name and its path, with what to write', () => {
    const spins = loop(step('cpu_relax', { ns: 10 }), when([flag.is(true), [leaveLoop]]));
    expect(() => polled([flags.load('set', flag), spins], [set])).toThrow(
      "changes nothing; a step that only waits must say idles: thread:a/0 in main.polls.__do_sys_ioctl.cpu_relax, as step('cpu_relax', { idles: true, … })",
    );
  });
});
