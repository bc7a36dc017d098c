/**
 * Worlds in which primitives of the kit speak: each event that they have is said in one of them.
 */
import { type HostItem, host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { local } from '../../../actors/kit/local.ts';
import { mutex } from '../../../actors/kit/mutex.ts';
import { object } from '../../../actors/kit/object.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { rcu, srcu } from '../../../actors/kit/rcu.ts';
import { refcount } from '../../../actors/kit/refcount.ts';
import { rwlock } from '../../../actors/kit/rwlock.ts';
import { rwsem } from '../../../actors/kit/rwsem.ts';
import { semaphore } from '../../../actors/kit/semaphore.ts';
import { seqlock } from '../../../actors/kit/seqcount.ts';
import { spinlock } from '../../../actors/kit/spinlock.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { outgoing } from '../../../events/event.ts';
import { race } from '../../../sim/host/race.ts';
import { register } from '../../../sim/host/registry.ts';
import { knownProperties } from '../../../sim/properties/index.ts';
import { resolveScenario } from '../../../sim/scenario/resolve.ts';
import type { ResolvedScenario, Scenario } from '../../../sim/scenario/types.ts';

/** A fatal signal for a thread, which wakes it. */
export const kill = (thread: string): HostItem =>
  host.step('do_send_sig_info', {
    send: () => [outgoing(thread, { type: 'process.kill' }), outgoing('sched', { type: 'sched.wake', thread })],
  });

interface World {
  readonly uses: readonly Primitive[];
  /** What one thread does, and the other. */
  readonly works: readonly [readonly HostItem[], readonly HostItem[]];
}

const got = local<boolean>('got');
const n = local<number>('n');
const left = local<number | 'saturated'>('left');
const index = local<0 | 1>('index');
/** Long enough for others to come meanwhile. */
const long = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth'].map((name) => host.step(name));
const unless = (item: HostItem): HostItem => host.when([got.is(true), [item]]);

function worldsOfMemory(): Readonly<Record<string, World>> {
  const memory = cell('spokenCell', { n: 0, flag: false });
  const lock = spinlock('spokenLock');
  const thing = object('spokenObject', { allocated: false });
  const refs = refcount('spokenRefs');
  const domain = srcu('spokenSrcu');
  const cells = [memory.load('n', n), memory.store('n', 1), memory.xchg('n', 2), memory.cmpxchg('n', 2, 3), memory.addReturn('n', 1)];
  return {
    cells: { uses: [memory, lock], works: [cells, [lock.lock(), memory.testAndSet('flag'), lock.unlock()]] },
    counts: {
      uses: [thing, refs],
      works: [
        [thing.alloc(), refs.get(), refs.getUnlessZero(got), refs.decNotOne(got), refs.put()],
        [refs.read(left), refs.set(2), thing.use('read_it'), thing.free()],
      ],
    },
    readers: {
      uses: [rcu, domain, thing],
      works: [
        [rcu.readLock(), rcu.readUnlock(), domain.readLock(index), domain.readUnlock(index)],
        [rcu.synchronize(), domain.kfree(thing)],
      ],
    },
  };
}

function worldsOfLocks(): Readonly<Record<string, World>> {
  const spins = rwlock('spokenRwlock');
  const sleeping = mutex('spokenMutex');
  const sem = rwsem('spokenRwsem');
  const counting = semaphore('spokenSemaphore');
  const both = seqlock('spokenSeqlock');
  return {
    rwlocks: {
      uses: [spins, both, sleeping],
      works: [
        [sleeping.trylock(got), unless(sleeping.unlock()), spins.readLock(), ...long, spins.readUnlock(), both.read([])],
        [spins.writeLock(), ...long, spins.writeUnlock(), both.writeLock(), both.writeUnlock()],
      ],
    },
    rwsems: {
      uses: [sem],
      works: [
        [sem.downWriteKillable(got), unless(sem.upWrite())],
        [sem.downReadTrylock(got), unless(sem.upRead()), sem.downWrite(), sem.downgradeWrite(), kill('thread:a/0'), sem.upRead()],
      ],
    },
    semaphores: {
      uses: [counting],
      works: [
        [counting.downKillable(got), unless(counting.up())],
        [counting.downTrylock(got), unless(counting.up()), counting.down(), kill('thread:a/0'), counting.up()],
      ],
    },
  };
}

const scenarioOf = (name: string): Scenario => ({
  name: `spoken-${name}`,
  summary: 'Primitives of the kit',
  host: { arch: 'amd', cpus: 2 },
  processes: {
    a: { cpu: 0, threads: [[{ [`${name}-0`]: {} } as never]] },
    b: { cpu: 1, threads: [[{ [`${name}-1`]: {} } as never]] },
  },
});

/** The worlds, whose mechanisms are registered until `end` is called. */
export function spokenWorlds(): { readonly worlds: readonly (readonly [string, ResolvedScenario])[]; readonly end: () => void } {
  const all = Object.entries({ ...worldsOfMemory(), ...worldsOfLocks() });
  const operation = (items: readonly HostItem[]) => ({
    summary: 'works',
    source: 'a test',
    does: () => syscall('ioctl', 'a test', items),
  });
  const end = register(
    race({
      name: 'spoken',
      arches: ['amd'],
      uses: all.flatMap(([, { uses }]) => uses),
      operations: Object.fromEntries(
        all.flatMap(([name, { works }]) => works.map((work, at) => [`${name}-${at}`, operation(work)] as const)),
      ),
    }),
  );
  const worlds = all.map(
    ([name]) => [`${name} of the kit`, resolveScenario(scenarioOf(name), { knownProperties: knownProperties() })] as const,
  );
  return { worlds, end };
}
