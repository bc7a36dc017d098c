/**
 * RCU and SRCU: readers that hold no one up, and synchronize_rcu() and call_rcu(), which wait until
 * those have left that were inside before.
 *
 * A reader of RCU may be preempted where the host preempts the kernel (CONFIG_PREEMPT_RCU), and may
 * not sleep; one of SRCU may. A callback is one step: what it tells one actor.
 *
 * Simplified: code with preemption or interrupts off is no reader unless it says so. Under `tso`
 * rcu_read_unlock() waits until the stores of its CPU are seen, as those of a section are when the
 * grace period ends.
 *
 * @see kernel include/linux/rcupdate.h, kernel/rcu/tree_plugin.h; include/linux/srcu.h,
 * kernel/rcu/srcutree.c
 */
import { type Outgoing, outgoing } from '../../events/event.ts';
import type { GraceEvent } from '../../events/kit.ts';
import { type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { untilGranted } from '../host/sleeping.ts';
import type { Source, StepSpec } from '../path/path.ts';
import { A_PRIMITIVE, FROM, FUNCTION, INTO, PER, primitive, restOf, WHERE } from './checked.ts';
import { GRACE_SETS, graceMachine } from './grace.ts';
import { memorized } from './known.ts';
import type { Local } from './local.ts';
import type { LockWhere } from './mutex.ts';
import { freeing, type MemoryObject } from './object.ts';
import { instanceAt, type Part, type Per, type Primitive } from './primitive.ts';

const { step, call } = host;
const RCU = memorized('include/linux/rcupdate.h, rcu_read_lock(); kernel/rcu/tree.c, synchronize_rcu(), call_rcu()');
const SRCU = memorized('include/linux/srcu.h, srcu_read_lock(); kernel/rcu/srcutree.c, synchronize_srcu(), call_srcu()');

/** What a callback tells which actor. @public */
export type Callback = (thread: HostThread, locals: HostLocals) => Outgoing;

/** What waits for a grace period. @public */
export interface GracePeriods extends Primitive {
  readonly kind: string;
  /** synchronize_rcu(): sleeps until all readers have left that were inside before. */
  synchronize(where?: LockWhere): HostItem;
  /** call_rcu(): goes on at once; the callback runs behind the grace period. */
  call(callback: Callback, where?: LockWhere): HostItem;
  /** kfree_rcu(): the object is freed behind the grace period. */
  kfree(object: MemoryObject, where?: LockWhere): HostItem;
}

/** RCU. @public */
export interface Rcu extends GracePeriods {
  /** rcu_read_lock(); sections nest. */
  readLock(where?: LockWhere): HostItem;
  readUnlock(where?: LockWhere): HostItem;
}

/** One SRCU domain, whose readers may sleep. @public */
export interface Srcu extends GracePeriods {
  /** srcu_read_lock(); `index` gets what srcu_read_unlock() wants to have. */
  readLock(index: Local<0 | 1>, where?: LockWhere): HostItem;
  readUnlock(index: Local<0 | 1>, where?: LockWhere): HostItem;
}

interface Kind {
  readonly kind: string;
  readonly per: Per;
  readonly source: Source;
  readonly functions: { readonly synchronize: string; readonly call: string; readonly kfree: string };
}
type Rest = Pick<StepSpec<HostThread, HostLocals, never>, 'rcu' | 'leaves' | 'answers'>;

const partsOf = (kind: string, per: Per, index: 0 | null): readonly Part[] => [
  { kind, per, machine: () => graceMachine, input: () => ({ index }), sets: GRACE_SETS },
];

const asking =
  ({ kind, per, source }: Kind) =>
  (as: string, event: (t: HostThread, l: HostLocals) => GraceEvent, { at, as: own }: LockWhere = {}, rest: Rest = {}): HostItem => {
    const id = instanceAt(kind, per, at);
    return step(own ?? as, { ...source, ...rest, send: (t, l) => outgoing(id(t, l), event(t, l)) });
  };

const waits = (of: Kind): Pick<GracePeriods, 'synchronize' | 'call' | 'kfree'> => {
  const { kind, per, source, functions } = of;
  const ask = asking(of);
  return {
    synchronize: ({ at, as = functions.synchronize } = {}) => {
      const id = instanceAt(kind, per, at);
      const wait = untilGranted(
        as,
        source,
        { first: 'call_rcu_hurry', again: 'wait_for_completion' },
        {
          send: (t, l) => outgoing(id(t, l), { type: 'grace.synchronize' }),
          answers: { 'grace.over': (e) => ({ granted: e.over }) },
        },
      );
      return call(wait);
    },
    call: (callback, where) => ask(functions.call, (t, l) => ({ type: 'grace.call', callback: calledBack(callback(t, l)) }), where),
    kfree: (object, where = {}) => {
      const free = freeing(object, where.at);
      return ask(functions.kfree, (t, l) => ({ type: 'grace.call', callback: calledBack(free(t, l)) }), where);
    },
  };
};
const calledBack = ({ to, event }: Outgoing) => ({ to, event });

const OF_RCU: Kind = {
  kind: 'rcu',
  per: 'host',
  source: RCU,
  functions: { synchronize: 'synchronize_rcu', call: 'call_rcu', kfree: 'kfree_rcu' },
};

const GRACE = { synchronize: [WHERE], call: [FUNCTION, WHERE], kfree: [A_PRIMITIVE, WHERE] };
/** The RCU of the kernel: there is one. @public */
export const rcu: Rcu = primitive<Rcu>(
  OF_RCU.kind,
  {
    kind: OF_RCU.kind,
    parts: partsOf(OF_RCU.kind, 'host', null),
    readLock: (where) => asking(OF_RCU)('rcu_read_lock', () => ({ type: 'grace.read' }), where, { rcu: 1 }),
    readUnlock: (where) => asking(OF_RCU)('rcu_read_unlock', () => ({ type: 'grace.leave' }), where, { rcu: -1 }),
    ...waits(OF_RCU),
  },
  { readLock: [WHERE], readUnlock: [WHERE], ...GRACE },
);

/** An SRCU domain of this name. @public */
export function srcu(name: string, rest: { readonly per?: Per } = {}): Srcu {
  const { per = 'host' } = restOf('srcu', name, rest, PER);
  const of: Kind = {
    kind: name,
    per,
    source: SRCU,
    functions: { synchronize: 'synchronize_srcu', call: 'call_srcu', kfree: 'call_srcu_kfree' },
  };
  const ask = asking(of);
  return primitive<Srcu>(
    name,
    {
      kind: name,
      parts: partsOf(name, per, 0),
      readLock: (index, where) =>
        ask('srcu_read_lock', () => ({ type: 'grace.enter' }), where, {
          leaves: [index.name],
          answers: { 'grace.index': (e: { readonly index: 0 | 1 }) => ({ [index.name]: e.index }) },
        } as Rest),
      readUnlock: (index, where) =>
        ask(
          'srcu_read_unlock',
          (_t, l) => {
            const held = index.of(l);
            if (held === undefined)
              throw new Error(`srcu_read_unlock() of ${name} with ${index.name}, in which srcu_read_lock() has left nothing`);
            return { type: 'grace.leave', index: held };
          },
          where,
        ),
      ...waits(of),
    },
    { readLock: [INTO, WHERE], readUnlock: [FROM, WHERE], ...GRACE },
  );
}
