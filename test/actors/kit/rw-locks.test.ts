/** Locks for readers and writers, semaphores, sequence counts, as races see them. */
import { describe, expect, it } from 'vitest';
import { assign } from 'xstate';
import { type HostItem, host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { local } from '../../../actors/kit/local.ts';
import { rwlock } from '../../../actors/kit/rwlock.ts';
import { rwsem } from '../../../actors/kit/rwsem.ts';
import { semaphore } from '../../../actors/kit/semaphore.ts';
import { seqcount, seqlock } from '../../../actors/kit/seqcount.ts';
import { spinlock } from '../../../actors/kit/spinlock.ts';
import { progress } from '../../../sim/properties/liveness.ts';
import { always, sometimes } from '../../../sim/property.ts';
import { kitClaims, provides, threads } from './claims.ts';
import { kill } from './spoken.ts';

const { when } = host;
const known = { kinds: ['inside'], source: 'a test', grade: 'decision' } as const;
const clean = { verdict: 'clean', exhausted: true } as const;
interface Inside {
  readonly readers: number;
  readonly writers: number;
  readonly noted: boolean;
}
const inside = cell('inside', { readers: 0, writers: 0, noted: false });
type World = Parameters<ReturnType<typeof always>['check']>[0];
const now = (world: World) => world.actors<Inside>('inside')[0]!.context;
const writerAlone = always('inside.writer-alone', {
  ...known,
  check: (world) => {
    const { readers, writers } = now(world);
    return writers > 1 || (writers > 0 && readers > 0) ? `${writers} writers and ${readers} readers are inside` : null;
  },
});
const readersTogether = sometimes('inside.readers-together', { ...known, check: (world) => (now(world).readers > 1 ? 'two' : null) });
const noted = sometimes('inside.noted', { ...known, check: (world) => (now(world).noted ? 'it is' : null) });
const neverNoted = always('inside.never-noted', { ...known, check: (world) => (now(world).noted ? 'it is' : null) });
const reads = [inside.addReturn('readers', 1), inside.addReturn('readers', -1)];
const writes = [inside.addReturn('writers', 1), inside.addReturn('writers', -1)];
const note = inside.store('noted', true);
// The steps of a lock have a local of this name too.
const got = local<boolean>('granted');
const free = { isGranted: () => true };

const lock = rwlock('lock');
const sem = rwsem('sem');
const [readLocked, writeLocked] = [
  [lock.readLock(), ...reads, lock.readUnlock()],
  [lock.writeLock(), ...writes, lock.writeUnlock()],
];
const [readDown, writeDown] = [
  [sem.downRead(), ...reads, sem.upRead()],
  [sem.downWrite(), ...writes, sem.upWrite()],
];
const twice = semaphore('twice', { count: 2 });
const once = semaphore('once');
const count = seqcount('count');
const data = cell('data', { a: 0, b: 0 });
const a = local<number>('a');
const b = local<number>('b');
const guard = spinlock('guard');
const writeData = [data.store('a', 1), data.store('b', 1)];
const torn = when([(_t: object, l: object) => a.of(l) !== b.of(l), [note]]);

kitClaims([
  {
    id: 'KIT-5',
    says: 'a writer of an rwlock is alone, and readers are together',
    source: 'kernel/locking/qrwlock.c, 6.12',
    grade: 'read',
    mutants: {
      'rwlock-free-to-all': { lock: provides({ guards: { isGranted: () => true } }) },
      'rwlock-readers-exclude': {
        lock: provides({ guards: { isGranted: ({ context: c }: { context: { readers: [] } }) => c.readers.length === 0 } }),
      },
    },
    check: (of) => {
      const uses = [inside, of(lock)];
      expect(threads([readLocked, writeLocked], { uses, properties: [writerAlone] })).toMatchObject(clean);
      expect(threads([writeLocked, writeLocked], { uses, properties: [writerAlone] })).toMatchObject(clean);
      expect(threads([readLocked, readLocked], { uses, properties: [readersTogether] })).toMatchObject(clean);
    },
  },
  {
    id: 'KIT-6',
    says: 'a reader of an rwlock that comes while a writer heads the queue waits behind it, so that read_lock() twice may lock up',
    source: 'kernel/locking/qrwlock.c, queued_read_lock_slowpath(), 6.12',
    grade: 'read',
    mutants: {
      'rwlock-unfair': { lock: provides({ actions: { setWaiting: assign({}) } }) },
      'rwlock-waits-for-no-one': { lock: provides({ guards: { isHeadGranted: () => true } }) },
    },
    check: (of) => {
      const recursive = [lock.readLock(), lock.readLock(), lock.readUnlock(), lock.readUnlock()];
      expect(threads([recursive, writeLocked], { uses: [inside, of(lock)] }).broken).toEqual(['deadlock']);
    },
  },
  {
    id: 'KIT-7',
    says: 'a writer of an rw_semaphore is alone, readers are together, and who sleeps is woken',
    source: 'kernel/locking/rwsem.c, rwsem_mark_wake(), rwsem_try_write_lock(), 6.12',
    grade: 'read',
    mutants: {
      'rwsem-free-to-all': { sem: provides({ guards: free }) },
      'rwsem-wakes-no-one': { sem: provides({ actions: { release: assign({ writer: null, readers: [] }) } }) },
    },
    check: (of) => {
      const uses = [inside, of(sem)];
      expect(threads([readDown, writeDown], { uses, properties: [writerAlone, progress] })).toMatchObject(clean);
      expect(threads([writeDown, writeDown], { uses, properties: [writerAlone, progress] })).toMatchObject(clean);
      expect(threads([readDown, readDown], { uses, properties: [readersTogether] })).toMatchObject(clean);
    },
  },
  {
    id: 'KIT-8',
    says: 'while readers hold an rw_semaphore and a writer waits, a reader that comes waits, so that down_read() twice may lock up',
    source: 'kernel/locking/rwsem.c, rwsem_down_read_slowpath(), 6.12',
    grade: 'read',
    mutants: {
      'rwsem-readers-first': {
        sem: provides({
          guards: {
            isGranted: ({ context: c, event: e }: { context: { writer: null; readers: [] }; event: { writes: boolean } }) =>
              c.writer === null && !(e.writes && c.readers.length > 0),
          },
        }),
      },
      'rwsem-writers-first': { sem: provides({ guards: free }) },
    },
    check: (of) => {
      const recursive = [sem.downRead(), sem.downRead(), sem.upRead(), sem.upRead()];
      expect(threads([recursive, writeDown], { uses: [inside, of(sem)] }).broken).toEqual(['deadlock']);
    },
  },
  {
    id: 'KIT-9',
    says: 'downgrade_write() lets no writer in before the reader that it makes is done, and lets readers in',
    source: 'kernel/locking/rwsem.c, __downgrade_write(), rwsem_downgrade_wake(), 6.12',
    grade: 'read',
    mutants: {
      'rwsem-downgrade-drops-it': {
        sem: provides({ actions: { downgrade: assign({ writer: null }), release: assign({ writer: null, readers: [] }) } }),
      },
      'rwsem-downgrade-stays': { sem: provides({ actions: { downgrade: assign({}), release: assign({ writer: null }) } }) },
    },
    check: (of) => {
      const downgrades = [sem.downWrite(), sem.downgradeWrite(), ...reads, sem.upRead()];
      const uses = [inside, of(sem)];
      expect(threads([downgrades, writeDown], { uses, properties: [writerAlone, progress] })).toMatchObject(clean);
      expect(threads([downgrades, readDown], { uses, properties: [readersTogether, progress] })).toMatchObject(clean);
    },
  },
  {
    id: 'KIT-10',
    says: 'a semaphore of n lets n in and no more, and up() hands over to who waits',
    source: 'kernel/locking/semaphore.c, 6.12',
    grade: 'read',
    mutants: {
      'semaphore-of-any-number': {
        twice: provides({ guards: { isFree: () => true } }),
        once: provides({ guards: { isFree: () => true } }),
      },
      'semaphore-hands-over-nothing': { once: provides({ actions: { up: assign(({ context: c }) => ({ count: c.count + 1 })) } }) },
    },
    check: (of) => {
      const within = (s: typeof once) => [s.down(), ...writes, s.up()];
      const all = [inside, of(once), of(twice)];
      expect(threads([within(once), within(once)], { uses: all, properties: [writerAlone, progress] })).toMatchObject(clean);
      expect(threads([within(twice), within(twice)], { uses: all, properties: [writerAlone] }).broken).toEqual(['inside.writer-alone']);
    },
  },
  {
    id: 'KIT-11',
    says: 'what stands between read_seqcount_begin() and a read_seqcount_retry() that is false was read while no one wrote',
    source: 'include/linux/seqlock.h, do___read_seqcount_retry(), do_raw_write_seqcount_begin(), 6.12',
    grade: 'read',
    mutants: {
      'seqcount-begins-even': { count: provides({ actions: { begin: assign({}) } }) },
      'seqcount-ends-unseen': { count: provides({ actions: { begin: assign({}), end: assign({}) } }) },
    },
    check: (of) => {
      const reader = [count.read([data.load('a', a), data.load('b', b)]), torn];
      const writer = [guard.lock(), count.writeBegin(), ...writeData, count.writeEnd(), guard.unlock()];
      const uses = [inside, data, guard, of(count)];
      expect(threads([reader, writer], { uses, properties: [neverNoted, progress] })).toMatchObject(clean);
      expect(threads([[data.load('a', a), data.load('b', b), torn], writer], { uses, properties: [neverNoted] }).broken).toEqual([
        'inside.never-noted',
      ]);
    },
  },
  {
    id: 'KIT-12',
    says: 'two writers of a sequence count at once are reported',
    source: 'Documentation/locking/seqlock.rst, "Write side critical sections must thus be serialized", 6.12',
    grade: 'read',
    mutants: {
      'seqcount-forgets-its-writer': {
        count: provides({ actions: { begin: assign(({ context: c }) => ({ sequence: c.sequence + 1 })) } }),
      },
      'seqcount-takes-any-writer': { count: provides({ actions: { begin: assign(({ event }) => ({ writer: event.from })) } }) },
    },
    check: (of) => {
      const writer = [host.preemptDisable, count.writeBegin(), ...writeData, count.writeEnd(), host.preemptEnable];
      const { broken, messages } = threads([writer, writer], { uses: [data, of(count)] });
      expect(broken).toEqual(['count.one-writer']);
      expect(messages[0]).toMatch(/^thread:p\d\/0 begins to write count:0, and thread:p\d\/0 has not ended$/);
    },
  },
]);

describe('a lock for readers and writers', () => {
  it.each(['none', 'full', 'rt'] as const)('spins under preemption %s, and with interrupts off', (preemption) => {
    const items = [
      lock.writeLockIrqsave(),
      ...writes,
      lock.writeUnlockIrqrestore(),
      lock.readLockIrqsave(),
      ...reads,
      lock.readUnlockIrqrestore(),
    ];
    expect(threads([items, readLocked], { uses: [inside, lock], properties: [writerAlone], host: { preemption } })).toMatchObject(clean);
  });
  it('is dropped by its holder', () => {
    expect(() => threads([[{ ...lock.readUnlock(), spin: undefined } as unknown as HostItem]], { uses: [lock] })).toThrow(
      'and no one holds it for reading',
    );
    expect(() => threads([[sem.upWrite()]], { uses: [sem] })).toThrow('and no one holds it for writing');
  });
  it.each([
    ['down_read_trylock', [sem.downReadTrylock(got), when([got.is(true), [sem.upRead()]], [() => true, [note]])], writeDown],
    ['down_write_trylock', [sem.downWriteTrylock(got), when([got.is(true), [sem.upWrite()]], [() => true, [note]])], readDown],
    ['down_trylock', [once.downTrylock(got), when([got.is(true), [once.up()]], [() => true, [note]])], [once.down(), once.up()]],
  ] as const)('may be refused: %s', (_name, tries, other) =>
    expect(threads([[...tries], [...other]], { uses: [inside, sem, once], properties: [noted, progress] })).toMatchObject(clean),
  );
  it.each([
    ['down_read_killable', sem.downReadKillable(got), sem.upRead(), sem.downWrite(), sem.upWrite()],
    ['down_write_killable', sem.downWriteKillable(got), sem.upWrite(), sem.downWrite(), sem.upWrite()],
    ['down_killable', once.downKillable(got), once.up(), once.down(), once.up()],
    ['down_interruptible', once.downInterruptible(got), once.up(), once.down(), once.up()],
  ] as const)('is not held by a thread that was killed while it waited: %s', (_name, down, up, hold, drop) => {
    const waiter = [down, when([got.is(true), [...writes, up]], [() => true, [note]])];
    const killer = [hold, kill('thread:p0/0'), ...writes, drop];
    expect(threads([waiter, killer], { uses: [inside, sem, once], properties: [writerAlone, noted, progress] })).toMatchObject(clean);
  });
  it('of a seqlock serializes its writers', () => {
    const both = seqlock('both');
    const writer = [both.writeLock(), ...writeData, both.writeUnlock()];
    const reader = [both.read([data.load('a', a), data.load('b', b)]), torn];
    expect(threads([writer, writer], { uses: [data, both] })).toMatchObject(clean);
    expect(threads([writer, reader], { uses: [inside, data, both], properties: [neverNoted, progress] })).toMatchObject(clean);
  });
  it('of a seqlock is read inside the read of another', () => {
    const outer = seqcount('outer');
    const inner = seqlock('inner');
    const items = [inner.writeLock(), inner.writeUnlock(), outer.read([inner.read([data.load('a', a)])])];
    expect(threads([items], { uses: [data, outer, inner], properties: [progress] })).toMatchObject(clean);
  });
  it('is refused where a sequence is written with preemption on', () =>
    expect(() => threads([[count.writeBegin()]], { uses: [count] })).toThrow('needs preemption off'));
  it('begins with a number', () =>
    expect(() => semaphore('s', { count: 0.5 })).toThrow('semaphore s: count is 0.5; expected a whole number, 0 or more'));
});
