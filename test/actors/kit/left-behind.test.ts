/** What an end leaves behind: of a wait, a signal, a lock, a thread; and what lies in an object. */
import { describe, expect, it } from 'vitest';
import { type HostItem, host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { completion } from '../../../actors/kit/completion.ts';
import { kthread } from '../../../actors/kit/kthread.ts';
import { local } from '../../../actors/kit/local.ts';
import { mutex } from '../../../actors/kit/mutex.ts';
import { object } from '../../../actors/kit/object.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { refcount } from '../../../actors/kit/refcount.ts';
import { semaphore } from '../../../actors/kit/semaphore.ts';
import { handleSignal, tgkill, threadOf } from '../../../actors/kit/signal.ts';
import { smpCall } from '../../../actors/kit/smp-call.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { waitQueue } from '../../../actors/kit/wait-queue.ts';
import { happens, holds } from '../../../sim/host/race-properties.ts';
import type { Property } from '../../../sim/property.ts';
import { threads } from './claims.ts';
import { raced } from './raced.ts';

const { when, step } = host;
const CLEAN = { verdict: 'clean', exhausted: true };
const seen = cell('seen', { ready: false, held: 0, gaveUp: 0, inside: false, again: false, handled: 0, over: false, wrong: false });
interface Seen {
  readonly held: number;
  readonly gaveUp: number;
  readonly again: boolean;
  readonly handled: number;
  readonly over: boolean;
  readonly wrong: boolean;
}
type Says = (seen: Seen) => boolean;
const may = (id: string, says: Says) => happens<Seen>({ kind: 'seen' }, `seen.${id}`, 'a test', (c) => says(c) && 'so it is');
const never = (id: string, says: Says) => holds<Seen>({ kind: 'seen' }, `seen.${id}`, 'a test', (c) => says(c) && 'so it is');
const wrong = never('wrong', (s) => s.wrong);
const isWrong = seen.store('wrong', true);
const gaveUp = seen.addReturn('gaveUp', 1);
const gives = may('gives-up', (s) => s.gaveUp > 0);
const ready = local<boolean>('ready');
const ok = local<boolean>('ok');
const look = seen.load('ready', ready);
const target = threadOf('a', 0);
const enter = step('enter', { mode: 'kernel' });
const leave = step('leave', { mode: 'user' });

/** Two threads that begin in user mode, each on a CPU of its own. */
const two = (uses: readonly Primitive[], mine: readonly HostItem[], other: readonly HostItem[], properties: readonly Property[]) =>
  expect(
    raced({
      race: {
        uses: [seen, ...uses],
        operations: {
          mine: { summary: 'waits', source: 'a test', does: () => mine },
          other: { summary: 'sends', source: 'a test', does: () => other },
        },
      },
      properties,
      processes: { a: { cpu: 0, threads: [[{ mine: {} }]] }, b: { cpu: 1, threads: [[{ other: {} }]] } },
    }),
  ).toMatchObject(CLEAN);

describe('a wait that a signal or its timer ends', () => {
  const q = waitQueue('q');
  it('has met its condition where it has seen that hold, time or signal', () => {
    const condition = [look, when([ready.is(true), [seen.addReturn('held', 1)]])];
    const waits = [enter, q.waitEventInterruptibleTimeout(ok, ready.is(true), ...condition), when([ok.is(false), [gaveUp]]), leave];
    const both = never('both', (s) => s.held > 0 && s.gaveUp > 0);
    two([q], waits, [seen.store('ready', true), tgkill(target)], [both, gives, may('met', (s) => s.held > 0)]);
  });
  it('is on the queue no more', () => {
    const active = local<boolean>('active');
    const waits = [enter, q.waitEventInterruptible(ok, ready.is(true), look), gaveUp, q.active(active), when([active.is(true), [isWrong]])];
    two([q], [...waits, leave], [tgkill(target)], [wrong, gives]);
  });
  it.each([['down_interruptible()', semaphore('lock')] as const, ['mutex_lock_interruptible()', mutex('lock')] as const])(
    'holds no lock: %s',
    (_name, lock) => {
      const isMutex = 'lock' in lock;
      const down = isMutex ? lock.lockInterruptible(ok) : lock.downInterruptible(ok);
      const [hold, drop] = isMutex ? [lock.lock(), lock.unlock()] : [lock.down(), lock.up()];
      const waits = [enter, down, when([ok.is(true), [drop]], [() => true, [gaveUp]]), leave];
      two([lock], waits, [enter, hold, leave, tgkill(target), enter, drop, leave], [gives]);
    },
  );
});

it('a signal that comes while the handler of one runs is handled after it', () => {
  const inside = local<boolean>('inside');
  const sent = completion('sent');
  const mine = [
    step('runs'),
    handleSignal(seen.addReturn('handled', 1), seen.store('inside', true), seen.store('inside', false)),
    ...[enter, sent.wait(), leave],
    handleSignal(seen.addReturn('handled', 1)),
    seen.store('over', true),
  ];
  const again = when([inside.is(true), [tgkill(target), seen.store('again', true)]]);
  const lost = never('lost', (s) => s.again && s.over && s.handled !== 2);
  two([sent], mine, [tgkill(target), seen.load('inside', inside), again, sent.complete()], [lost, may('twice', (s) => s.again && s.over)]);
});

describe('kthread_stop()', () => {
  const never = waitQueue('never');
  const parks = kthread('parks', () => [parks.parkme()]);
  const waits = kthread('waits', () => [never.waitEventInterruptible(ok, () => false, step('look'))]);
  it('ends a thread that is parked', () => expect(threads([[parks.park(), parks.stop()]], { uses: [parks] })).toMatchObject(CLEAN));
  it('ends an interruptible wait', () => expect(threads([[waits.wakeUp(), waits.stop()]], { uses: [waits, never] })).toMatchObject(CLEAN));
});

it('on_each_cpu() waits for each of several CPUs', () => {
  const call = smpCall('call', () => [seen.addReturn('handled', 1)]);
  const count = local<number>('count');
  const looks = [seen.load('handled', count), when([(_t: object, l: object) => count.of(l)! < 3, [isWrong]])];
  const made = raced({
    race: {
      uses: [seen, call],
      operations: {
        calls: { summary: 'calls', source: 'a test', does: (env) => syscall('write', 'a test', [call.onEach(env), ...looks]) },
      },
    },
    host: { cpus: 3 },
    properties: [wrong],
    processes: { p: { cpu: 0, threads: [[{ calls: {} }]] } },
  });
  expect(made).toMatchObject(CLEAN);
});

describe('memory that has been freed', () => {
  const box = object('box');
  const fields = cell('fields', { n: 0 }, { in: box });
  const refs = refcount('refs', { in: box });
  const count = local<number | 'saturated'>('count');
  it.each([
    ['refcount_inc()', refs.get()],
    ['refcount_read()', refs.read(count)],
    ['atomic_add_return()', fields.addReturn('n', 1)],
    ['WRITE_ONCE()', fields.store('n', 1)],
  ] as const)('is used by what lies in it: %s', (_name, use) =>
    expect(threads([[box.free(), use]], { uses: [box, fields, refs] }).broken).toEqual(['box.use-after-free']),
  );
});

it('test_and_set_bit() and clear_bit() leave a bit set and clear, and tell what it was', () => {
  const was = [local<boolean>('was0'), local<boolean>('was1'), local<boolean>('was2')] as const;
  const items = [seen.testAndSet('ready', was[0]), seen.clearBit('ready', was[1]), seen.clearBit('ready', was[2])];
  const said = (_t: object, l: object) => was.map((one) => one.of(l)).join() !== 'false,true,false';
  expect(threads([[...items, when([said, [isWrong]])]], { uses: [seen], properties: [wrong] })).toMatchObject(CLEAN);
});
