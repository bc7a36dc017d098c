/** Waits as races see them: who waits is woken, and no wake-up is lost. */
import { describe, expect, it } from 'vitest';
import { type HostItem, host } from '../../../actors/host/host-env.ts';
import { schedule } from '../../../actors/host/task-state.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { completion } from '../../../actors/kit/completion.ts';
import { local } from '../../../actors/kit/local.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { rcuwait } from '../../../actors/kit/rcuwait.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { timeouts } from '../../../actors/kit/timeout.ts';
import { waitQueue } from '../../../actors/kit/wait-queue.ts';
import { progress } from '../../../sim/properties/liveness.ts';
import { always, sometimes } from '../../../sim/property.ts';
import { raced } from './raced.ts';

const { when, loop, leaveLoop } = host;
const seen = cell('seen', { ready: false, passed: 0, gaveUp: 0, early: 0 });
const ready = local<boolean>('ready');
const ok = local<boolean>('ok');
const known = { source: 'a test', grade: 'decision', kinds: ['seen'] } as const;
type Seen = { readonly passed: number; readonly gaveUp: number; readonly early: number };
const counted = (id: string, field: keyof Seen, least = 1) =>
  sometimes(`wait.${id}`, {
    ...known,
    check: (world) => (world.actors<Seen>('seen')[0]!.context[field] >= least ? `${field} ${least}` : null),
  });
const never = (id: string, field: keyof Seen, least = 1) =>
  always(`wait.${id}`, {
    ...known,
    check: (world) => (world.actors<Seen>('seen')[0]!.context[field] >= least ? `${field} ${least}` : null),
  });

const look = seen.load('ready', ready);
const isReady = ready.is(true);
const passed = seen.addReturn('passed', 1);
const gaveUp = seen.addReturn('gaveUp', 1);
const either = [when([ok.is(true), [passed]], [() => true, [gaveUp]])];
const q = waitQueue('q');
const r = rcuwait('r');
const c = completion('c');

const of = (uses: readonly Primitive[], waiter: readonly HostItem[], waker: readonly HostItem[], rest: object = {}, waiters = 1) =>
  raced({
    race: {
      uses: [seen, timeouts, ...uses],
      operations: {
        wait: { summary: 'waits', source: 'a test', does: () => syscall('read', 'a test', waiter) },
        wake: { summary: 'wakes', source: 'a test', does: () => syscall('write', 'a test', waker) },
      },
    },
    processes: { p: { threads: [...Array.from({ length: waiters }, () => [{ wait: {} }]), [{ wake: {} }]] } },
    ...rest,
  });
const CLEAN = { verdict: 'clean', exhausted: true };
const set = seen.store('ready', true);

const WAITS: Readonly<Record<string, readonly [readonly HostItem[], readonly HostItem[]]>> = {
  wait_event: [
    [q.waitEvent(isReady, look), passed],
    [set, q.wakeUp()],
  ],
  wait_event_interruptible: [
    [q.waitEventInterruptible(ok, isReady, look), ...either],
    [set, q.wakeUpInterruptible()],
  ],
  wait_event_killable: [
    [q.waitEventKillable(ok, isReady, look), ...either],
    [set, q.wakeUpAll()],
  ],
  wait_event_interruptible_exclusive: [
    [q.waitEventInterruptibleExclusive(ok, isReady, look), ...either],
    [set, q.wakeUp()],
  ],
  'prepare_to_wait and schedule': [
    [loop(q.prepareToWait('uninterruptible'), look, when([isReady, [leaveLoop]]), schedule()), q.finishWait(), passed],
    [set, q.wakeUp()],
  ],
  rcuwait: [
    [r.waitEvent('uninterruptible', ok, isReady, look), ...either],
    [set, r.wakeUp()],
  ],
  wait_for_completion: [[c.wait(), passed], [c.complete()]],
  wait_for_completion_interruptible: [[c.waitInterruptible(ok), ...either], [c.completeAll()]],
};

describe('a waiter and a waker', () => {
  it.each(Object.keys(WAITS))('miss no wake-up: %s', (how) => {
    const [waiter, waker] = WAITS[how]!;
    expect(of([q, r, c], waiter, waker, { properties: [progress, never('gave-up', 'gaveUp')] })).toMatchObject(CLEAN);
  });
  const LOST: Readonly<Record<string, readonly [readonly HostItem[], readonly HostItem[]]>> = {
    'looks before it is on the queue': [
      [look, when([(t, l) => !isReady(t, l), [q.prepareToWait('uninterruptible'), schedule(), q.finishWait()]])],
      [set, q.wakeUp()],
    ],
    'is woken before the condition holds': [[q.waitEvent(isReady, look)], [q.wakeUp(), set]],
    'is looked for by waitqueue_active() before the condition holds': [
      [q.waitEvent(isReady, look)],
      [q.active(ok), set, when([ok.is(true), [q.wakeUp()]])],
    ],
    'is on no queue': [[q.waitEvent(isReady, look)], [set]],
    'reinitialises what was completed': [[c.reinit(), c.wait()], [c.complete()]],
  };
  it.each(Object.keys(LOST))('lose a wake-up where the waiter %s', (how) => {
    const [waiter, waker] = LOST[how]!;
    expect(of([q, c], waiter, waker).broken).toEqual(['deadlock']);
  });
});

describe('waiters that wait exclusively', () => {
  const exclusive = [q.waitEventInterruptibleExclusive(ok, isReady, look), ...either];
  const one = { host: { cpus: 1 } };
  it('are woken one at a time', () => {
    const waker = [set, q.wakeUp()];
    expect(of([q], exclusive, waker, one, 2).broken).toEqual(['deadlock']);
    expect(of([q], exclusive, [set, q.wakeUpAll()], { ...one, properties: [counted('both', 'passed', 2)] }, 2)).toMatchObject(CLEAN);
  });
  it('pass a completion one at a time', () => {
    expect(of([c], [c.wait(), passed], [c.complete()], one, 2).broken).toEqual(['deadlock']);
    expect(of([c], [c.wait(), passed], [c.complete(), c.complete()], one, 2)).toMatchObject(CLEAN);
    expect(of([c], [c.wait(), passed], [c.completeAll()], one, 2)).toMatchObject(CLEAN);
  });
});
