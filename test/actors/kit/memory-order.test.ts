/** `memory: tso` in races: barriers, locks, guests, and what a search says of it. */
import { describe, expect, it } from 'vitest';
import { assign } from 'xstate';
import type { HostItem } from '../../../actors/host/host-env.ts';
import { host } from '../../../actors/host/host-env.ts';
import { smpMb, smpRmb, smpWmb } from '../../../actors/kit/barriers.ts';
import { type Cell, cell } from '../../../actors/kit/cell.ts';
import { local } from '../../../actors/kit/local.ts';
import { rcu } from '../../../actors/kit/rcu.ts';
import { spinlock } from '../../../actors/kit/spinlock.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { waitQueue } from '../../../actors/kit/wait-queue.ts';
import type { GuestItem } from '../../../actors/kvm/guest-program.ts';
import { scenario } from '../../../api/scenario.ts';
import { progress } from '../../../sim/properties/liveness.ts';
import { always, sometimes } from '../../../sim/property.ts';
import { kitClaims, provides } from './claims.ts';
import { finals, threadsOf } from './litmus.ts';
import { raced } from './raced.ts';
import { oracleFinals } from './tso-oracle.ts';
import { LIFO, NO_FENCE, PLAIN_XCHG } from './wrong-buffers.ts';

const { loop, when, leaveLoop } = host;
const known = { source: 'a test', grade: 'decision' } as const;
const r = local<number>('r');
const mem = cell('mem', { x: 0, y: 0 });
const out = cell('out', { a: 9, b: 9 }, { memory: 'sc' });
const bothMissed = sometimes('sb.both', {
  ...known,
  kinds: ['out'],
  check: (world) => {
    const { a, b } = world.actors<{ a: number; b: number }>('out')[0]!.context;
    return a === 0 && b === 0 ? 'neither has seen the store of the other' : null;
  },
});
const tells = (field: 'a' | 'b') => out.store(field, (_t: object, l: object) => r.of(l)!);
const operation = (does: readonly HostItem[]) => ({ summary: 'one side', source: 'a test', does: () => does });

/** Two sides, each on a CPU of its own. */
const sides = (a: readonly HostItem[], b: readonly HostItem[], uses: readonly Cell<never>[] | readonly unknown[] = [mem, out]) => ({
  race: { uses: uses as readonly Cell<never>[], operations: { a: operation(a), b: operation(b) } },
  host: { options: { memory: 'tso' as const } },
  processes: { p: { cpu: 0, threads: [[{ a: {} }]] }, q: { cpu: 1, threads: [[{ b: {} }]] } },
});
const isMissed = (world: Parameters<typeof raced>[0]) => raced({ ...world, properties: [bothMissed] }).missed.length > 0;

describe('two sides that store and then look', () => {
  const WAYS: Readonly<Record<string, readonly [boolean, (mine: 'x' | 'y') => readonly HostItem[]]>> = {
    'a plain store': [false, (mine) => [mem.store(mine, 1)]],
    'smp_store_release()': [false, (mine) => [mem.storeRelease(mine, 1)]],
    'smp_wmb() and smp_rmb()': [false, (mine) => [mem.store(mine, 1), smpWmb(), smpRmb()]],
    'smp_mb()': [true, (mine) => [mem.store(mine, 1), smpMb()]],
    'smp_store_mb()': [true, (mine) => [mem.storeMb(mine, 1)]],
  };
  const found = (way: string): boolean => {
    const [, store] = WAYS[way]!;
    const a = [...store('x'), mem.load('y', r), tells('a')];
    const b = [...store('y'), mem.loadAcquire('x', r), tells('b')];
    return isMissed(sides(a, b));
  };
  kitClaims([
    {
      id: 'KIT-115',
      says: 'smp_mb() and smp_store_mb() keep a store before a later load; smp_wmb(), smp_rmb() and smp_store_release() do not',
      source: 'arch/x86/include/asm/barrier.h, 6.12',
      grade: 'read',
      mutants: { 'nothing waits for smp_mb()': { host: NO_FENCE }, 'no locked instruction waits': { host: PLAIN_XCHG } },
      check: () => {
        for (const [way, [isOrdered]] of Object.entries(WAYS)) expect(found(way), way).toBe(isOrdered);
      },
    },
  ]);
  it('may have rcu_read_lock() between, which is no access that another CPU sees', () => {
    const reads = (mine: 'x' | 'y', other: 'x' | 'y') => [mem.store(mine, 1), rcu.readLock(), mem.load(other, r), rcu.readUnlock()];
    expect(isMissed(sides([...reads('x', 'y'), tells('a')], [...reads('y', 'x'), tells('b')], [mem, out, rcu]))).toBe(false);
  });
  it('may be a guest and a thread of the host', () => {
    const a: readonly GuestItem[] = [mem.store('x', 1), mem.load('y', r), tells('a')];
    const race = {
      uses: [mem, out],
      operations: { b: operation([mem.store('y', 1), mem.load('x', r), tells('b')]) },
      guestOperations: { a: { summary: 'the guest', source: 'a test', does: () => a } },
    };
    const world = (memory: 'sc' | 'tso') => ({
      race,
      host: { options: { memory } },
      vms: { vm0: { type: 'svm', vcpus: [[{ a: {} }]] } },
      processes: { qemu: { cpu: 0, threads: [[{ KVM_RUN: { vcpu: 'vm0/0' } }]] }, q: { cpu: 1, threads: [[{ b: {} }]] } },
    });
    expect(isMissed(world('sc'))).toBe(true);
    expect(isMissed(world('tso'))).toBe(false);
  });
});

describe('a spinlock under tso', () => {
  const lock = spinlock('lock');
  const waits = sometimes('lock.release-waits', {
    ...known,
    kinds: ['storeBuffer'],
    check: (world) =>
      world
        .actors<{ waiting: readonly { event: { type: string } }[] }>('storeBuffer')
        .some(({ context }) => context.waiting.at(-1)?.event.type === 'spin.unlock')
        ? 'a release waits in a store buffer'
        : null,
  });
  const alone = always('lock.lost', {
    ...known,
    kinds: ['mem', 'out'],
    check: (world) => {
      const { a, b } = world.actors<{ a: number; b: number }>('out')[0]!.context;
      return a !== 9 && b !== 9 && world.actors<{ x: number }>('mem')[0]!.context.x !== 2 ? 'an addition is lost' : null;
    },
  });
  const adds = [mem.load('x', r), mem.store('x', (_t: object, l: object) => r.of(l)! + 1)];
  const section = (field: 'a' | 'b') => [...adds, out.store(field, 1)];
  const inside = (field: 'a' | 'b'): readonly HostItem[] => [lock.lock(), ...adds, lock.unlock(), out.store(field, 1)];
  kitClaims([
    {
      id: 'KIT-116',
      says: 'spin_unlock() is a store that may wait, and what the lock keeps apart stays apart',
      source: 'arch/x86/include/asm/qspinlock.h, native_queued_spin_unlock(), 6.12',
      grade: 'read',
      mutants: {
        'a buffer that is last in, first out': { host: LIFO },
        'a lock that is always free': {
          lock: provides({ guards: { isFree: () => true }, actions: { release: assign({ owner: null }) } }),
        },
      },
      check: (of) => {
        const locked = sides(inside('a'), inside('b'), [mem, out, of(lock)]);
        expect(raced({ ...locked, properties: [alone, waits] })).toMatchObject({ verdict: 'clean', exhausted: true, missed: [] });
        expect(raced({ ...sides(section('a'), section('b')), properties: [alone] }).broken).toEqual(['lock.lost']);
      },
    },
  ]);
});

describe('a waker that looks whether anyone waits: waitqueue_active()', () => {
  const queue = waitQueue('queue');
  const some = local<boolean>('some');
  const wakes = (...barrier: readonly HostItem[]) =>
    syscall('write', 'include/linux/wait.h, waitqueue_active()', [
      mem.store('x', 1),
      ...barrier,
      queue.active(some),
      when([some.is(true), [queue.wakeUp()]]),
    ]);
  const waits = syscall('read', 'a test', [queue.waitEvent(r.is(1), mem.load('x', r))]);
  const broken = (memory: 'sc' | 'tso', ...barrier: readonly HostItem[]) =>
    raced({ ...sides(waits, wakes(...barrier), [mem, queue]), host: { options: { memory } } }).broken;
  it('loses a wake-up under tso, and none with smp_mb()', () => {
    expect(broken('sc')).toEqual([]);
    expect(broken('tso')).toEqual(['deadlock']);
    expect(broken('tso', smpWmb())).toEqual(['deadlock']);
    expect(broken('tso', smpMb())).toEqual([]);
  });
});

describe('two that wait for each other by polling', () => {
  const polls = (mine: 'x' | 'y', other: 'x' | 'y') => [
    mem.store(mine, 1),
    loop(mem.load(other, r, { step: { idles: true, yields: true } }), when([r.is(1), [leaveLoop]])),
  ];
  it('get on: a store does not wait forever', () =>
    expect(raced({ ...sides(polls('x', 'y'), polls('y', 'x')), properties: [progress] })).toMatchObject({
      verdict: 'clean',
      exhausted: true,
    }));
});

describe('a search under tso', () => {
  const SB = threadsOf('x = 1; r0 = y | y = 1; r1 = x');
  it.each([{ scheduler: true }, { local: true }])('finds the same final states with %o', (search) => {
    const moving = finals(SB, { cpus: 2, search });
    expect(moving.finals).toEqual(oracleFinals(SB));
  });
  it('may rename CPUs, with their buffers', () => {
    const one = [mem.store('x', 1), mem.load('y', r), tells('a')];
    const other = [mem.store('y', 1), mem.load('x', r), tells('b')];
    const world = { ...sides(one, other), processes: { p: { threads: [[{ a: {} }], [{ b: {} }]] } }, properties: [bothMissed] };
    const [plain, renamed] = [raced(world), raced({ ...world, search: { symmetry: true } })];
    expect([plain, renamed].map(({ missed, exhausted }) => [missed, exhausted])).toEqual([
      [[], true],
      [[], true],
    ]);
    expect(renamed.states).toBeLessThan(0.6 * plain.states);
  });
  it('says which order it covers', () => {
    const plain = [mem.store('x', 1), mem.load('y', r)];
    const tso = raced(sides(plain, [mem.store('y', 1)]));
    expect(tso.memoryOrder).toBe('tso');
    expect(tso.guarantee).toContain('memory order tso (each CPU holds back up to 8 stores to cells)');
    expect(tso.guarantee).not.toContain('sequentially consistently');
    const sc = raced({ ...sides(plain, [mem.load('y', r)]), host: {} });
    expect(sc.memoryOrder).toBe('sc');
    expect(sc.guarantee).toContain('Not covered: store buffers and reordering (micro-steps interleave sequentially consistently)');
    expect(sc.guarantee).not.toContain('tso');
  });
  it('says where no store could wait', () => {
    const { guarantee } = raced(sides([mem.load('y', r)], [mem.storeMb('y', 1)]));
    expect(guarantee).toContain('no store waited in storeBuffer:0: nothing that runs there stores to a cell and goes on');
  });
});

describe('the memory order of a host', () => {
  const written = (arch: 'intel' | 'arm64', variants: object = {}) =>
    ({
      name: 'order',
      summary: 'A host',
      host: { arch, ...(Object.keys(variants).length === 0 && { options: { memory: 'tso' } }) },
      processes: { p: { threads: [[{ compute: {} }]] } },
      ...(Object.keys(variants).length > 0 && { variants }),
    }) as never;
  const REFUSED = 'found "tso", the memory order of x86; expected "sc": that of arm64 is weaker, and no model of it is there';
  it('is that of x86 on intel and amd alone', () => {
    expect(scenario(written('intel'))).toMatchObject({ host: { options: { memory: 'tso' } } });
    expect(() => scenario(written('arm64'))).toThrow(`host.options.memory: ${REFUSED}`);
    expect(() => scenario(written('arm64', { plain: {}, weak: { memory: 'tso' } }))).toThrow(`variants.weak.memory: ${REFUSED}`);
  });
});
