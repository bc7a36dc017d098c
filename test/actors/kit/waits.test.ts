/** Waits as races see them: who waits is woken, and no wake-up is lost. */
import { describe, expect, it } from 'vitest';
import { assign } from 'xstate';
import { type HostItem, type HostPath, host } from '../../../actors/host/host-env.ts';
import { schedule, setCurrentState } from '../../../actors/host/task-state.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { completion } from '../../../actors/kit/completion.ts';
import { after, instead } from '../../../actors/kit/fn.ts';
import { local } from '../../../actors/kit/local.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { rcuwait } from '../../../actors/kit/rcuwait.ts';
import { handleSignal, sigkill, tgkill, threadOf } from '../../../actors/kit/signal.ts';
import { timeouts } from '../../../actors/kit/timeout.ts';
import { waitQueue } from '../../../actors/kit/wait-queue.ts';
import type { TaskState } from '../../../events/sched.ts';
import { happens, holds } from '../../../sim/host/race-properties.ts';
import { progress } from '../../../sim/properties/liveness.ts';
import type { Property } from '../../../sim/property.ts';
import { kitClaims, provides, threads, walks } from './claims.ts';
import { raced } from './raced.ts';

const { when, loop, leaveLoop, leavePath } = host;
const WAIT = 'include/linux/wait.h, ___wait_event(); kernel/sched/wait.c, prepare_to_wait_event(), 6.12';
const COMPLETION = 'kernel/sched/completion.c, do_wait_for_common(), complete_all(), 6.12';
const seen = cell('seen', { ready: false, passed: 0, gaveUp: 0, handled: 0 });
const ready = local<boolean>('ready');
const ok = local<boolean>('ok');
const kebab = (field: Field) => (field === 'gaveUp' ? 'gave-up' : field);
type Field = 'passed' | 'gaveUp' | 'handled';
const may = (field: Field, least = 1) =>
  happens(seen, `seen.${kebab(field)}-${least}`, 'a test', (c: Record<Field, number>) => c[field] >= least && `${field} ${least}`);
const never = (field: Field, least = 1) =>
  holds(seen, `seen.no-${kebab(field)}-${least}`, 'a test', (c: Record<Field, number>) => c[field] >= least && `${field} ${least}`);

const look = seen.load('ready', ready);
const isReady = ready.is(true);
const passed = seen.addReturn('passed', 1);
const gaveUp = seen.addReturn('gaveUp', 1);
const either = [when([ok.is(true), [passed]], [() => true, [gaveUp]])];
const set = seen.store('ready', true);
const q = waitQueue('q');
const r = rcuwait('r');
const c = completion('c');
const CLEAN = { verdict: 'clean', exhausted: true };

type Works = readonly (readonly HostItem[])[];
const clean = (uses: readonly Primitive[], works: Works, properties: readonly Property[] = []) =>
  expect(threads(works, { uses: [seen, ...uses], properties: [progress, ...properties] })).toMatchObject(CLEAN);
const stuck = (uses: readonly Primitive[], works: Works) => expect(threads(works, { uses: [seen, ...uses] }).broken).toEqual(['deadlock']);

const exclusive = [q.waitEventInterruptibleExclusive(ok, isReady, look), ...either];
const nothing = provides({ actions: { wake: assign({}), join: assign({}), prepare: assign({}), complete: assign({}) } });
const ofKilled = (wait: HostItem, sent: HostItem, properties: readonly Property[] = []) =>
  raced({
    race: {
      uses: [seen, q],
      operations: {
        wait: {
          summary: 'waits',
          source: 'a test',
          does: () => [
            host.step('read', { mode: 'kernel' }),
            wait,
            ...either,
            host.step('sysret', { mode: 'user' }),
            handleSignal(seen.addReturn('handled', 1)),
          ],
        },
        send: { summary: 'sends', source: 'a test', does: () => [sent] },
      },
    },
    properties,
    processes: { a: { cpu: 0, threads: [[{ wait: {} }]] }, b: { cpu: 1, threads: [[{ send: {} }]] } } as never,
  });
const target = threadOf('a', 0);
/** The same wait in another state. */
const saysThatItWaits = (state: TaskState) => (path: HostPath) => after(path, 'prepare_to_wait_event', setCurrentState(state));

kitClaims([
  {
    id: 'KIT-40',
    says: 'a waiter that puts itself on the queue before it looks at its condition misses no wake-up',
    source: WAIT,
    grade: 'read',
    mutants: {
      'no waiter joins': { q: provides({ actions: { join: assign({}) } }) },
      'no waiter is woken': { q: provides({ actions: { wake: assign({}) } }) },
    },
    check: (of) => {
      clean(
        [of(q)],
        [
          [q.waitEvent(isReady, look), passed],
          [set, q.wakeUp()],
        ],
      );
      clean(
        [of(q)],
        [
          [q.waitEventInterruptible(ok, isReady, look), ...either],
          [set, q.wakeUpInterruptible()],
        ],
        [never('gaveUp')],
      );
      clean(
        [of(q)],
        [
          [loop(q.prepareToWait('uninterruptible'), look, when([isReady, [leaveLoop]]), schedule()), q.finishWait()],
          [set, q.wakeUpAll()],
        ],
      );
    },
  },
  {
    id: 'KIT-41',
    says: 'wake_up() wakes one of those that wait exclusively, and wake_up_all() all',
    source: 'kernel/sched/wait.c, __wake_up_common(), 6.12',
    grade: 'read',
    mutants: {
      'no waiter joins': { q: nothing },
      'all are exclusive once': { q: provides({ actions: { leave: assign({}), walkOn: assign({ walk: undefined }) } }) },
    },
    check: (of) => {
      stuck([of(q)], [exclusive, exclusive, [set, q.wakeUp()]]);
      clean([of(q)], [exclusive, exclusive, [set, q.wakeUpAll()]], [may('passed', 2)]);
    },
  },
  {
    id: 'KIT-42',
    says: 'a wait with a time-out ends in either way: what it waits for, or its timer, which may expire at any time',
    source: 'kernel/time/timer.c, schedule_timeout(); include/linux/wait.h, ___wait_cond_timeout(), 6.12',
    grade: 'read',
    mutants: {
      'the timer never expires': { timeouts: provides({ guards: { isArmed: () => false } }) },
      'the timer is never armed': { timeouts: provides({ actions: { start: assign({}) } }) },
    },
    check: (of) => {
      const ends = [may('passed'), may('gaveUp')];
      clean(
        [of(q)],
        [
          [q.waitEventTimeout(ok, isReady, look), ...either],
          [set, q.wakeUp()],
        ],
        ends,
      );
      clean([of(c)], [[c.waitTimeout(ok), ...either], [c.complete()]], ends);
      clean([of(q)], [[q.waitEventInterruptibleTimeout(ok, isReady, look), ...either]], [never('passed')]);
    },
  },
  {
    id: 'KIT-43',
    says: 'complete() lets one waiter pass, also one that comes later, and complete_all() all until reinit_completion()',
    source: COMPLETION,
    grade: 'read',
    mutants: {
      'it is not counted': { c: provides({ guards: { isDone: () => false } }) },
      'all are one': { c: provides({ actions: { completeAll: assign({ done: 1, waiters: [] }) } }) },
    },
    check: (of) => {
      clean([of(c)], [[c.wait()], [c.complete()]]);
      stuck([of(c)], [[c.wait()], [c.wait()], [c.complete()]]);
      clean([of(c)], [[c.wait(), c.wait()], [c.completeAll()]]);
      stuck([of(c)], [[c.completeAll(), c.wait(), c.reinit(), c.wait()]]);
    },
  },
  {
    id: 'KIT-44',
    says: 'try_wait_for_completion() takes what is done and never waits, and completion_done() takes nothing',
    source: 'kernel/sched/completion.c, try_wait_for_completion(), completion_done(), 6.12',
    grade: 'read',
    mutants: {
      'it takes nothing': { c: provides({ actions: { give: assign({}) } }) },
      'it never succeeds': { c: provides({ guards: { isDone: () => false } }) },
    },
    check: (of) =>
      clean(
        [of(c)],
        [[c.complete(), c.done(ok), ...either, c.tryWait(ok, { as: 'first' }), ...either, c.tryWait(ok), ...either]],
        [may('passed', 2), never('passed', 3), may('gaveUp')],
      ),
  },
  {
    id: 'KIT-45',
    says: 'rcuwait_wake_up() finds the task that waits, or the task sees what was changed before the wake-up',
    source: 'include/linux/rcuwait.h, rcuwait_wait_event(); kernel/exit.c, rcuwait_wake_up(), 6.12',
    grade: 'read',
    mutants: {
      'it does not say who waits': { r: provides({ actions: { prepare: assign({}) } }) },
      'its task is gone at once': { r: provides({ actions: { prepare: assign({ task: null }) } }) },
    },
    check: (of) =>
      clean(
        [of(r)],
        [
          [r.waitEvent('uninterruptible', ok, isReady, look), ...either],
          [set, r.wakeUp()],
        ],
        [never('gaveUp')],
      ),
  },
  {
    id: 'KIT-46',
    says: 'a signal ends a wait by its state: any signal an interruptible one, a fatal one a killable one, none an uninterruptible one',
    source: 'include/linux/sched/signal.h, signal_pending_state(); kernel/signal.c, signal_wake_up_state(), 6.12',
    grade: 'read',
    mutants: {
      'no sleeper is woken': walks({
        do_tkill: (path) => instead(path, 'tgkill', host.step('tgkill', { mode: 'kernel' })),
      }),
      'all wait interruptibly': walks(
        Object.fromEntries(['wait_event', 'wait_event_killable'].map((name) => [name, saysThatItWaits('interruptible')])),
      ),
    },
    check: () => {
      const fatal = sigkill([target]);
      expect(ofKilled(q.waitEventInterruptible(ok, isReady, look), tgkill(target), [may('handled'), never('passed')])).toMatchObject(CLEAN);
      expect(ofKilled(q.waitEventKillable(ok, isReady, look), tgkill(target)).broken).toEqual(['deadlock']);
      expect(ofKilled(q.waitEventKillable(ok, isReady, look), fatal, [may('gaveUp')])).toMatchObject(CLEAN);
      expect(ofKilled(q.waitEvent(isReady, look), fatal).broken).toEqual(['deadlock']);
    },
  },
]);

describe('a wake-up is lost where a waiter', () => {
  const LOST: Readonly<Record<string, Works>> = {
    'looks before it is on the queue': [
      [look, when([isReady, [leavePath]]), q.prepareToWait('uninterruptible'), schedule(), q.finishWait()],
      [set, q.wakeUp()],
    ],
    'is woken before the condition holds': [[q.waitEvent(isReady, look)], [q.wakeUp(), set]],
    'is looked for by waitqueue_active() before the condition holds': [
      [q.waitEvent(isReady, look)],
      [q.active(ok), set, when([ok.is(true), [q.wakeUp()]])],
    ],
    'is on no queue': [[q.waitEvent(isReady, look)], [set]],
    'waits in a state that the wake-up is not for': [[q.waitEvent(isReady, look)], [set, q.wakeUpInterruptible()]],
    'reinitialises what was completed': [[c.reinit(), c.wait()], [c.complete()]],
  };
  it.each(Object.keys(LOST))('%s', (how) => stuck([q, c], LOST[how]!));
});

it('a signal ends msleep_interruptible(), and not msleep()', () => {
  const timed = { uses: [seen, timeouts] };
  expect(threads([[timeouts.msleepInterruptible(ok), ...either], []], { ...timed, properties: [never('passed')] })).toMatchObject(CLEAN);
  expect(threads([[timeouts.msleep(), passed]], { ...timed, properties: [may('passed')] })).toMatchObject(CLEAN);
});
