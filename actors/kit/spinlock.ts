/**
 * spin_lock() and its likes: who is refused asks again and again, with preemption off unless the
 * host is `rt`.
 *
 * Simplified: waiters are not queued, so that any of them may get the lock next. spin_lock_bh()
 * keeps preemption off on an `rt` host too. spin_lock_irqsave() keeps interrupts off on an
 * `rt` host too, as raw_spin_lock_irqsave() does.
 *
 * @see kernel include/linux/spinlock_api_smp.h; kernel/locking/qspinlock.c,
 * queued_spin_lock_slowpath(); Documentation/locking/locktypes.rst
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing } from '../../events/event.ts';
import type { SpinEvent } from '../../events/kit.ts';
import { accessor, type Relayed } from '../../events/memory-order.ts';
import { refuseUnlock } from '../host/bad-unlock.ts';
import { type HostItem, type HostLocals, type HostPath, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { type Ask, isGranted } from '../host/sleeping.ts';
import { otherwise, type Source, type StepSpec } from '../path/path.ts';
import { ITEMS, maybe, PER, primitive, restOf, WHERE } from './checked.ts';
import type { LockWhere } from './mutex.ts';
import { instanceAt, type Per, type Primitive } from './primitive.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;
const SPINLOCK = kernelSource('include/linux/spinlock_api_smp.h; kernel/locking/qspinlock.c, queued_spin_lock_slowpath()');

export interface SpinlockContext {
  readonly owner: ActorId | null;
}

const spinlockMachine = setup({
  types: { context: {} as SpinlockContext, events: {} as Relayed<SpinEvent>, emitted: {} as Outgoing },
  guards: { isFree: ({ context: c }) => c.owner === null },
  actions: {
    take: assign({ owner: ({ event }) => accessor(event) }),
    answerTaken: emit(({ event }) => outgoing(accessor(event), { type: 'spin.locked', acquired: true })),
    answerBusy: emit(({ event }) => outgoing(accessor(event), { type: 'spin.locked', acquired: false })),
    release: enqueueActions(({ context: c, event, enqueue }) => {
      if (c.owner !== accessor(event)) refuseUnlock(accessor(event), c.owner === null ? [] : [c.owner]);
      enqueue.assign({ owner: null });
    }),
  },
}).createMachine({
  id: 'spinlock',
  context: { owner: null },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'spin.lock': [{ guard: 'isFree', actions: ['take', 'answerTaken'] }, { actions: 'answerBusy' }],
        'spin.unlock': { actions: 'release' },
      },
    },
  },
});

/** A lock that is waited for by spinning. Its holder does not sleep. @public */
export interface Spinlock extends Primitive {
  readonly kind: string;
  /** spin_lock(). */
  lock(where?: LockWhere): HostItem;
  unlock(where?: LockWhere): HostItem;
  /** spin_lock_irqsave(), with interrupts on before: they go off first. */
  lockIrqsave(where?: LockWhere): HostItem;
  /** spin_unlock_irqrestore(): interrupts are on again. */
  unlockIrqrestore(where?: LockWhere): HostItem;
  lockBh(where?: LockWhere): HostItem;
  unlockBh(where?: LockWhere): HostItem;
  /** spin_trylock(): `held` has to drop the lock; `refused` goes on without it. */
  trylock(held: readonly HostItem[], refused?: readonly HostItem[], where?: LockWhere): readonly HostItem[];
}

type Context = Pick<StepSpec<HostThread, HostLocals, never>, 'spin' | 'preempt' | 'bh' | 'irqs'>;

/**
 * A function that takes a lock that is spun for: it asks once, with preemption off from then on,
 * and spins where that was refused. `again`: what it asks then, if that is another question.
 */
export const spinPath = (
  as: string,
  source: Source,
  slowpath: string,
  ask: Ask,
  { first = { spin: 1 }, again = ask }: { readonly first?: Context; readonly again?: Ask } = {},
): HostPath => {
  const spins = loop(step(slowpath, { idles: true, yields: true, ...again }), when([isGranted, [leaveLoop]]));
  return path(as, source, [step('trylock', { ...first, ...ask }), when([(_t, l) => l.granted !== true, [spins]])], { locals: ['granted'] });
};

/** A spinlock of this name: one for the host, or one for each VM, vCPU or CPU. @public */
export function spinlock(name: string, rest: { readonly per?: Per } = {}): Spinlock {
  const { per = 'host' } = restOf('spinlock', name, rest, PER);
  const ask = ({ at }: LockWhere) => {
    const id = instanceAt(name, per, at);
    return {
      send: (t: HostThread, l: HostLocals) => outgoing(id(t, l), { type: 'spin.lock' }),
      answers: { 'spin.locked': (e: { readonly acquired: boolean }) => ({ granted: e.acquired }) },
    };
  };
  const lock =
    (as: string, first: Context) =>
    (where: LockWhere = {}): HostItem =>
      call(spinPath(where.as ?? as, SPINLOCK, 'queued_spin_lock_slowpath', ask(where), { first }));
  const unlock =
    (as: string, rest: Context) =>
    (where: LockWhere = {}): HostItem => {
      const id = instanceAt(name, per, where.at);
      return step(where.as ?? as, { ...SPINLOCK, ...rest, send: (t, l) => outgoing(id(t, l), { type: 'spin.unlock' }) });
    };
  return primitive<Spinlock>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per, machine: () => spinlockMachine }],
      lock: lock('spin_lock', { spin: 1 }),
      unlock: unlock('spin_unlock', { spin: -1 }),
      lockIrqsave: lock('spin_lock_irqsave', { irqs: false, spin: 1 }),
      unlockIrqrestore: unlock('spin_unlock_irqrestore', { spin: -1, irqs: true }),
      lockBh: lock('spin_lock_bh', { bh: 1, preempt: 1, spin: 1 }),
      unlockBh: unlock('spin_unlock_bh', { spin: -1, preempt: -1, bh: -1 }),
      trylock: (held, refused = [], where = {}) => [
        step(where.as ?? 'spin_trylock', { ...SPINLOCK, leaves: ['granted'], spin: 1, ...ask(where) }),
        when(
          [isGranted, [note(() => ({ granted: undefined })), ...held]],
          [otherwise, [step('preempt_enable', { spin: -1, local: () => ({ granted: undefined }) }), ...refused]],
        ),
      ],
    },
    {
      lock: [WHERE],
      unlock: [WHERE],
      lockIrqsave: [WHERE],
      unlockIrqrestore: [WHERE],
      lockBh: [WHERE],
      unlockBh: [WHERE],
      trylock: [ITEMS, maybe(ITEMS), WHERE],
    },
  );
}
