/** Locks as races see them: a holder is alone, and a waiter gets it. */
import { describe, expect, it } from 'vitest';
import type { HostItem } from '../../../actors/host/host-env.ts';
import { host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { local } from '../../../actors/kit/local.ts';
import { mutex } from '../../../actors/kit/mutex.ts';
import { spinlock } from '../../../actors/kit/spinlock.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { progress } from '../../../sim/properties/liveness.ts';
import { always, sometimes } from '../../../sim/property.ts';
import { raced } from './raced.ts';

const { when } = host;
const inside = cell('inside', { count: 0, refused: 0 });
const known = { source: 'a test', grade: 'decision' } as const;
const alone = always('lock.alone', {
  ...known,
  kinds: ['inside'],
  check: (world) => (world.actors<{ count: number }>('inside').some(({ context }) => context.count > 1) ? 'two are inside' : null),
});
const refused = sometimes('lock.refused', {
  ...known,
  kinds: ['inside'],
  check: (world) => (world.actors<{ refused: number }>('inside').some(({ context }) => context.refused > 0) ? 'refused' : null),
});
const section = [inside.addReturn('count', 1), inside.addReturn('count', -1)];
const m = mutex('m');
const s = spinlock('s');
// The steps of a lock have a local of this name too.
const got = local<boolean>('granted');

const of = (items: readonly HostItem[], properties = [alone], host_ = {}) =>
  raced({
    race: {
      uses: [inside, m, s],
      operations: {
        work: {
          summary: 'works',
          source: 'a test',
          does: () => syscall('write', 'a test', [...items]),
        },
      },
    },
    host: host_,
    properties,
    processes: { p: { threads: [[{ work: {} }], [{ work: {} }]] } },
  });

const WAYS: Readonly<Record<string, readonly HostItem[]>> = {
  mutex_lock: [m.lock(), ...section, m.unlock()],
  mutex_lock_killable: [m.lockKillable(got), when([got.is(true), [...section, m.unlock()]])],
  mutex_lock_interruptible: [m.lockInterruptible(got), when([got.is(true), [...section, m.unlock()]])],
  mutex_trylock: [m.trylock(got), when([got.is(true), [...section, m.unlock()]])],
  spin_lock: [s.lock(), ...section, s.unlock()],
  spin_lock_irqsave: [s.lockIrqsave(), ...section, s.unlockIrqrestore()],
  spin_lock_bh: [s.lockBh(), ...section, s.unlockBh()],
  spin_trylock: s.trylock([...section, s.unlock()]),
};

describe('a section under a lock', () => {
  it('without it has two inside', () => expect(of(section).broken).toEqual(['lock.alone']));
  it.each(Object.keys(WAYS))('has one inside, and no waiter is left: %s', (how) => {
    const liveness = how.startsWith('spin') ? [alone] : [alone, progress];
    expect(of(WAYS[how]!, liveness)).toMatchObject({ verdict: 'clean', exhausted: true });
  });
  it.each(['none', 'voluntary', 'full', 'rt'] as const)('spins under preemption %s', (preemption) =>
    expect(of(WAYS.spin_lock!, [alone], { preemption })).toMatchObject({ verdict: 'clean', exhausted: true }),
  );
  it('a trylock may be refused, of a mutex and of a spinlock', () => {
    const note = inside.addReturn('refused', 1);
    expect(of([m.trylock(got), when([got.is(true), [m.unlock()]], [() => true, [note]])], [refused])).toMatchObject({ verdict: 'clean' });
    expect(of(s.trylock([s.unlock()], [note]), [refused])).toMatchObject({ verdict: 'clean' });
  });
  it('may close a circle of two: ABBA', () => {
    const other = mutex('other');
    const { broken } = raced({
      race: {
        uses: [m, other],
        operations: {
          ab: {
            summary: 'a, b',
            source: 'a test',
            does: () => syscall('write', 'a test', [m.lock(), other.lock(), other.unlock(), m.unlock()]),
          },
          ba: {
            summary: 'b, a',
            source: 'a test',
            does: () => syscall('write', 'a test', [other.lock(), m.lock(), m.unlock(), other.unlock()]),
          },
        },
      },
      processes: { p: { threads: [[{ ab: {} }], [{ ba: {} }]] } },
    });
    expect(broken).toEqual(['deadlock']);
  });
  it('may not be slept in under a spinlock', () => {
    expect(() => of([s.lock(), m.lock(), m.unlock(), s.unlock()])).toThrow(/sleeps/);
  });
  it('is left by its owner alone', () => {
    expect(() => of([{ ...s.unlock(), spin: undefined } as unknown as HostItem])).toThrow(
      'bad unlock balance: thread:p/0 unlocks it, and no one holds it',
    );
  });
});
