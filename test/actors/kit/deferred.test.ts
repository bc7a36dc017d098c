/** What runs later, as races see it: kernel threads, work items, timers. */
import { describe, expect, it } from 'vitest';
import { type HostItem, host } from '../../../actors/host/host-env.ts';
import { schedule, setCurrentRunning, setCurrentState } from '../../../actors/host/task-state.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { kthread, mayIdle } from '../../../actors/kit/kthread.ts';
import { local } from '../../../actors/kit/local.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { spinlock } from '../../../actors/kit/spinlock.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { hrtimer, timer } from '../../../actors/kit/timer.ts';
import { type Workqueue, workqueue } from '../../../actors/kit/workqueue.ts';
import { progress } from '../../../sim/properties/liveness.ts';
import { always, type Property, sometimes } from '../../../sim/property.ts';
import { raced } from './raced.ts';

const { when, loop, leaveLoop } = host;
const seen = cell('seen', { inside: 0, ran: 0, freed: false, late: false, twice: false, value: 0 });
const known = { source: 'a test', grade: 'decision', kinds: ['seen'] } as const;
interface Seen {
  readonly inside: number;
  readonly ran: number;
  readonly late: boolean;
  readonly twice: boolean;
}
type Says = (seen: Seen) => boolean;
const check = (says: Says) => (world: Parameters<Property['check' & keyof Property]>[0]) =>
  says((world as { actors: <C>(kind: string) => readonly { context: C }[] }).actors<Seen>('seen')[0]!.context) ? 'so it is' : null;
const may = (id: string, says: Says) => sometimes(`deferred.${id}`, { ...known, check: check(says) });
const never = (id: string, says: Says) => always(`deferred.${id}`, { ...known, check: check(says) });
const late = never('late', ({ late: is }) => is);
const freed = local<boolean>('freed');
const inside = local<number>('inside');
const stop = local<boolean>('stop');
const did = local<boolean>('did');
/** What runs later: it notes if what it uses has been freed, and if it runs twice at a time. */
const body: readonly HostItem[] = [
  seen.addReturn('inside', 1, inside),
  when([(_t, l) => inside.of(l)! > 1, [seen.store('twice', true)]]),
  seen.load('freed', freed),
  when([freed.is(true), [seen.store('late', true)]]),
  seen.addReturn('ran', 1),
  seen.addReturn('inside', -1),
];
const free = seen.store('freed', true);

const of = (
  uses: readonly Primitive[],
  programs: readonly (readonly HostItem[])[],
  properties: readonly Property[] = [],
  settings: object = {},
) =>
  raced({
    race: {
      uses: [seen, ...uses],
      operations: Object.fromEntries(
        programs.map(
          (items, at) => [`op${at}`, { summary: 'works', source: 'a test', does: () => syscall('write', 'a test', items) }] as const,
        ),
      ),
    },
    properties,
    processes: { p: { threads: programs.map((_, at) => [{ [`op${at}`]: {} }]) } },
    ...settings,
  });
const CLEAN = { verdict: 'clean', exhausted: true };

describe('a kernel thread', () => {
  const looks = (idle: boolean): readonly HostItem[] => {
    const wait = (item: HostItem) => (idle ? mayIdle(item) : item);
    return [
      loop(
        wait(setCurrentState('interruptible')),
        worker.shouldStop(stop),
        when([stop.is(true), [setCurrentRunning(), leaveLoop]]),
        schedule(),
      ),
    ];
  };
  const worker = kthread('worker', () => [...looks(false), ...body]);
  it('ends when it is stopped, and has done its work by then', () =>
    expect(of([worker], [[worker.wakeUp(), worker.stop(), free]], [late, progress])).toMatchObject(CLEAN));
  it('never runs its body if it is stopped before it has run', () =>
    expect(of([worker], [[worker.wakeUp(), worker.stop()]], [may('skipped', ({ ran }) => ran === 0)])).toMatchObject({ verdict: 'clean' }));
  const blind = kthread('blind', () => [
    loop(worker.shouldStop(stop), when([stop.is(true), [leaveLoop]]), setCurrentState('uninterruptible'), schedule()),
  ]);
  it('misses its stop where it looks before it says that it sleeps', () =>
    expect(of([worker, blind], [[blind.wakeUp(), blind.stop()]]).broken).toEqual(['deadlock']));

  const parks = kthread('parks', () => [
    loop(
      parks.shouldPark(did),
      when([did.is(true), [parks.parkme()]]),
      parks.shouldStop(stop),
      when([stop.is(true), [leaveLoop]]),
      seen.addReturn('inside', 1),
      seen.addReturn('inside', -1),
      { ...seen.load('value', local('value')), idles: true, yields: true } as HostItem,
    ),
  ]);
  it('does nothing while it is parked, and goes on when it is unparked', () => {
    const parked = [
      parks.wakeUp(),
      parks.park(),
      seen.load('inside', inside),
      when([(_t: unknown, l: object) => inside.of(l)! > 0, [seen.store('late', true)]]),
      parks.unpark(),
      parks.stop(),
    ];
    expect(of([parks], [parked as HostItem[]], [late], { host: { cpus: 1 } })).toMatchObject(CLEAN);
  });
});

describe('a work item', () => {
  const wq = workqueue('wq', { item: () => body });
  const once = never('twice', ({ twice }) => twice);
  it('runs once while it is queued, and never twice at a time', () =>
    expect(
      of(
        [wq],
        [[wq.queue('item')], [wq.queue('item')]],
        [once, may('once', ({ ran }) => ran === 1), may('twice-in-all', ({ ran }) => ran === 2)],
        { host: { cpus: 1 } },
      ),
    ).toMatchObject(CLEAN));
  it('runs no more when cancel_work_sync() has returned', () =>
    expect(of([wq], [[wq.queue('item'), wq.cancelSync('item', did), free]], [late])).toMatchObject(CLEAN));
  it('may run when cancel_work() has returned', () =>
    expect(of([wq], [[wq.queue('item'), wq.cancel('item'), free]], [late]).broken).toEqual(['deferred.late']));
  it('has run when flush_work() has returned', () =>
    expect(
      of([wq], [[wq.queue('item'), wq.flush('item'), seen.load('ran', inside), when([inside.is(0), [seen.store('late', true)]])]], [late]),
    ).toMatchObject(CLEAN));
  it('may be queued again by another when cancel_work_sync() has returned', () =>
    expect(of([wq], [[wq.queue('item'), wq.cancelSync('item'), free], [wq.queue('item')]], [late], { host: { cpus: 1 } }).broken).toEqual([
      'deferred.late',
    ]));
  it('waits for itself where it cancels itself', () => {
    const own: Workqueue<'item'> = workqueue('own', { item: () => [own.cancelSync('item')] });
    expect(of([own], [[own.queue('item')]]).broken).toEqual(['deadlock']);
  });
  const delayed = workqueue('delayed', { item: () => body });
  it('that is delayed is queued by its timer, and at once by flush_delayed_work()', () =>
    expect(
      of(
        [delayed],
        [
          [
            delayed.queueDelayed('item'),
            delayed.modDelayed('item'),
            delayed.flushDelayed('item'),
            seen.load('ran', inside),
            when([inside.is(0), [seen.store('late', true)]]),
          ],
        ],
        [late],
      ),
    ).toMatchObject(CLEAN));
  it('that is delayed runs no more when it is cancelled', () =>
    expect(
      of(
        [delayed],
        [[delayed.queueDelayed('item'), delayed.cancelSync('item'), free]],
        [late, may('ran', ({ ran }) => ran === 1), may('cancelled', ({ ran }) => ran === 0)],
      ),
    ).toMatchObject(CLEAN));
  const ordered = workqueue('ordered', { first: () => body, second: () => body }, { ordered: true });
  const unordered = workqueue('unordered', { first: () => body, second: () => body });
  it('of an ordered queue runs alone', () => {
    expect(of([ordered], [[ordered.queue('first'), ordered.queue('second')]], [once])).toMatchObject(CLEAN);
    expect(of([unordered], [[unordered.queue('first'), unordered.queue('second')]], [once]).broken).toEqual(['deferred.twice']);
  });
});

describe('a timer', () => {
  const t = timer('tm', () => body);
  const gone = never('late', (s) => s.late);
  it('may expire or not before it is deleted, and never after timer_delete_sync()', () =>
    expect(
      of([t], [[t.mod(), t.deleteSync(did), free]], [gone, may('ran', ({ ran }) => ran === 1), may('not', ({ ran }) => ran === 0)]),
    ).toMatchObject(CLEAN));
  it('may run when timer_delete() has returned', () =>
    expect(of([t], [[t.mod()], [t.pending(did), when([did.is(true), [t.delete(), free]])]], [gone]).broken).toEqual(['deferred.late']));
  it('is armed again by another after timer_delete_sync(), and not after timer_shutdown_sync()', () => {
    expect(of([t], [[t.mod(), t.deleteSync(), free], [t.mod()]], [gone], { host: { cpus: 1 } }).broken).toEqual(['deferred.late']);
    expect(of([t], [[t.mod(), t.shutdownSync(), free], [t.mod()]], [gone])).toMatchObject(CLEAN);
  });
  const again = timer('again', () => [again.deleteSync()]);
  it('waits for itself where its function deletes it', () => expect(of([again], [[again.mod()]]).broken).toEqual(['deadlock']));
  const s = spinlock('s');
  const locks = timer('locks', () => [s.lock(), s.unlock()]);
  it('deadlocks with the holder of its lock on the same CPU, unless softirqs are off there', () => {
    const one = { host: { cpus: 1 } };
    expect(of([locks, s], [[locks.mod(), s.lock(), s.unlock()]], [], one).broken).toEqual(['deadlock']);
    expect(of([locks, s], [[locks.mod(), s.lockIrqsave(), s.unlockIrqrestore()]], [], one)).toMatchObject(CLEAN);
  });
  it('whose function needs the lock that is held around timer_delete_sync() never ends', () =>
    expect(of([locks, s], [[locks.mod()], [s.lockIrqsave(), locks.deleteSync(), s.unlockIrqrestore()]]).broken).toEqual(['deadlock']));
  const ran = local<number>('ran');
  const hr = hrtimer('hr', () => [...body, seen.load('ran', ran)], { restarts: (_t, l) => ran.of(l) === 1 });
  it('of high resolution is cancelled though it restarts itself', () =>
    expect(of([hr], [[hr.start(), hr.cancel(), free]], [gone, may('restarted', (s) => s.ran === 2)])).toMatchObject(CLEAN));
});
