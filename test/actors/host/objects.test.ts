/** The host scheduler, the mutex, the loop counter and the process. */
import { describe, expect, it } from 'vitest';
import { type HostProcessContext, hostProcessMachine } from '../../../actors/host/host-process.ts';
import { hostSchedulerMachine, type SchedulerContext } from '../../../actors/host/host-scheduler.ts';
import { type LoopContext, loopMachine, type MutexContext, mutexMachine } from '../../../actors/host/kernel-objects.ts';
import { Given, told } from '../given.ts';

const [A, B, C] = ['thread:a/0', 'thread:b/0', 'thread:c/0'] as const;
const by = (from: string, type: string, rest: object = {}) => ({ type, from, ...rest });

describe('the host scheduler', () => {
  const CPUS = ['pcpu:0', 'pcpu:1'];
  const sched = (queued: Record<string, readonly string[]> = { 'pcpu:0': [A, B], 'pcpu:1': [] }) =>
    Given.start<SchedulerContext>(hostSchedulerMachine, { cpus: CPUS, queued });

  it('tells a CPU who is left when it takes a thread', () => {
    const { sent, context } = sched().when(by('pcpu:0', 'rq.take', { thread: A }));
    expect(context.rq).toEqual({ 'pcpu:0': [B], 'pcpu:1': [] });
    expect(sent).toEqual([{ to: 'pcpu:0', event: { type: 'rq.waiting', threads: [B] } }]);
  });

  it('keeps queues as sets: the order of arrival leaves no trace', () => {
    const first = sched().after(by('pcpu:1', 'rq.put', { thread: C }), by('pcpu:1', 'rq.put', { thread: 'thread:aa/0' }));
    const second = sched().after(by('pcpu:1', 'rq.put', { thread: 'thread:aa/0' }), by('pcpu:1', 'rq.put', { thread: C }));
    expect(first.context).toEqual(second.context);
  });

  it('offers to migrate queued threads only', () => {
    expect(sched().offers()).toEqual([
      { type: 'migrate', thread: A, to: 'pcpu:1' },
      { type: 'migrate', thread: B, to: 'pcpu:1' },
    ]);
    const { sent, context } = sched().when({ type: 'migrate', thread: A, to: 'pcpu:1' });
    expect(context.rq).toEqual({ 'pcpu:0': [B], 'pcpu:1': [A] });
    expect(told(sent)).toEqual(['pcpu:0 rq.waiting', 'pcpu:1 rq.waiting']);
    expect(sched().when({ type: 'migrate', thread: C, to: 'pcpu:1' }).handled).toBe(false);
    expect(sched().when({ type: 'migrate', thread: A, to: 'pcpu:0' }).handled).toBe(false);
  });

  it('offers no migration to a CPU that has stopped, and none at all when all have', () => {
    const one = sched().after(by('pcpu:1', 'rq.stopped'));
    expect(one.offers()).toEqual([]);
    expect(sched().after(by('pcpu:0', 'rq.stopped')).offers()).toHaveLength(2);
    expect(one.after(by('pcpu:0', 'rq.stopped')).context.stopped).toEqual(['pcpu:0', 'pcpu:1']);
  });

  it('wakes a sleeper where it slept', () => {
    const asleep = sched().after(by('pcpu:1', 'rq.sleep', { thread: C }));
    expect(asleep.context.asleep).toEqual({ [C]: 'pcpu:1' });
    const { sent, context } = asleep.when(by('vm:vm0', 'sched.wake', { thread: C }));
    expect(context).toMatchObject({ asleep: {}, rq: { 'pcpu:1': [C] } });
    expect(sent).toEqual([{ to: 'pcpu:1', event: { type: 'rq.waiting', threads: [C] } }]);
  });

  it('loses no wake-up that comes before the sleep', () => {
    const early = sched().after(by('vm:vm0', 'sched.wake', { thread: C }), by('vm:vm0', 'sched.wake', { thread: C }));
    expect(early.context).toMatchObject({ wokenEarly: [C], asleep: {} });
    const { sent, context } = early.when(by('pcpu:1', 'rq.sleep', { thread: C }));
    expect(context).toMatchObject({ wokenEarly: [], asleep: {}, rq: { 'pcpu:1': [C] } });
    expect(told(sent)).toEqual(['pcpu:1 rq.waiting']);
  });

  it('offers no migration of a thread that has bound itself', () => {
    const bound = sched().after(by(A, 'sched.setaffinity', { cpu: 'pcpu:0' }));
    expect(bound.offers()).toEqual([{ type: 'migrate', thread: B, to: 'pcpu:1' }]);
    expect(bound.when({ type: 'migrate', thread: A, to: 'pcpu:1' }).handled).toBe(false);
  });

  it('keeps an early wake-up across a preemption', () => {
    const early = sched().after(by('vm:vm0', 'sched.wake', { thread: C }), by('pcpu:1', 'rq.put', { thread: C }));
    const taken = early.after(by('pcpu:1', 'rq.take', { thread: C }), by('pcpu:1', 'rq.sleep', { thread: C }));
    expect(taken.context).toMatchObject({ wokenEarly: [], asleep: {}, rq: { 'pcpu:1': [C] } });
  });
});

describe('a mutex', () => {
  const locked = Given.start<MutexContext>(mutexMachine).after(by(A, 'mutex.lock'));

  it('is taken by one, and the others are told no and queued', () => {
    expect(locked.context).toEqual({ owner: A, waiters: [] });
    const { sent, context } = locked.when(by(B, 'mutex.lock'));
    expect(sent).toEqual([{ to: B, event: { type: 'mutex.locked', acquired: false } }]);
    expect(context).toEqual({ owner: A, waiters: [B] });
    expect(locked.after(by(C, 'mutex.lock'), by(B, 'mutex.lock'), by(C, 'mutex.lock')).context.waiters).toEqual([B, C]);
  });

  it('wakes all waiters when its owner unlocks, and no other thread may unlock it', () => {
    const contended = locked.after(by(C, 'mutex.lock'), by(B, 'mutex.lock'));
    const { sent, context } = contended.when(by(A, 'mutex.unlock'));
    expect(sent.map(({ event }) => event.thread)).toEqual([B, C]);
    expect(told(sent)).toEqual(['sched sched.wake', 'sched sched.wake']);
    expect(context).toEqual({ owner: null, waiters: [] });
    expect(() => contended.when(by(B, 'mutex.unlock'))).toThrow(`bad unlock balance: ${B} unlocks it, and ${A} holds it`);
  });
});

describe('a loop counter', () => {
  it('says again until the body ran as often as asked, and starts again', () => {
    let counter = Given.start<LoopContext>(loopMachine, { times: [2, 3] });
    const turns: unknown[] = [];
    for (const loop of [1, 0, 1, 0, 1, 1, 0]) {
      const { sent, and } = counter.when(by(A, 'loop.next', { loop }));
      turns.push(sent[0]!.event.again);
      counter = and;
    }
    expect(turns).toEqual([true, true, true, false, false, true, true]);
  });
});

describe('a host process', () => {
  const started = Given.start<HostProcessContext>(hostProcessMachine, { threads: [A, B], vms: [] });
  const exit = (signal: string | null, pfn: number | null = null) => by(A, 'process.threadExit', { signal, pfn });

  it('kills and wakes the other threads when a signal has killed one', () => {
    const { sent, context } = started.when(exit('SIGBUS', 0x1005));
    expect(context).toMatchObject({ threads: [B], signal: 'SIGBUS', pfn: 0x1005 });
    expect(told(sent)).toEqual([`${B} process.kill`, 'sched sched.wake']);
    expect(started.when(exit(null)).sent).toEqual([]);
  });

  it('exits with its last thread and keeps the first signal', () => {
    const gone = started.after(exit('SIGBUS', 0x1005), by(B, 'process.threadExit', { signal: 'SIGKILL', pfn: null }));
    expect(gone.state).toBe('exited');
    expect(gone.context).toMatchObject({ threads: [], signal: 'SIGBUS', pfn: 0x1005 });
  });
});
