/**
 * refcount_t, and kref around it: a count that saturates where it would come back from 0 or go
 * below, and says so. What saturates is found without a property of the module's own.
 *
 * @see kernel include/linux/refcount.h; lib/refcount.c, refcount_warn_saturate();
 * include/linux/kref.h
 */
import { assign, emit, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { RefcountEvent } from '../../events/kit.ts';
import { type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { A_COUNT, AN_OBJECT, COUNT, INTO, ITEMS, maybe, PER, primitive, restOf, WHERE } from './checked.ts';
import { fn } from './fn.ts';
import { memorized } from './known.ts';
import { type Local, local } from './local.ts';
import type { LockWhere } from './mutex.ts';
import { type MemoryObject, usesOf } from './object.ts';
import { type Breach, instanceAt, type Per, type Primitive } from './primitive.ts';

const { step, call, when } = host;
const REFCOUNT = memorized('include/linux/refcount.h; lib/refcount.c, refcount_warn_saturate()');
const KREF = memorized('include/linux/kref.h, kref_put()');

/** What the kernel warns of; REFCOUNT_SATURATED is what the count is from there. */
interface Warning {
  readonly by: ActorId;
  readonly says: string;
}
export interface RefcountContext {
  readonly count: number | 'saturated';
  readonly warning: Warning | null;
}

const ADDED = 'refcount_t: addition on 0; use-after-free.';
const UNDERFLOWN = 'refcount_t: underflow; use-after-free.';
export const refcountMachine = setup({
  types: {
    context: {} as RefcountContext,
    events: {} as Stamped<RefcountEvent>,
    emitted: {} as Outgoing,
    input: {} as Pick<RefcountContext, 'count'>,
  },
  guards: {
    isSaturated: ({ context: c }) => c.count === 'saturated',
    isZero: ({ context: c }) => c.count === 0,
    isOne: ({ context: c }) => c.count === 1,
  },
  actions: {
    stay: assign({}),
    inc: assign({ count: ({ context: c }) => Number(c.count) + 1 }),
    dec: assign({ count: ({ context: c }) => Number(c.count) - 1 }),
    saturateAbove: assign({ count: 'saturated', warning: ({ event }) => ({ by: sender(event), says: ADDED }) }),
    saturateBelow: assign({ count: 'saturated', warning: ({ event }) => ({ by: sender(event), says: UNDERFLOWN }) }),
    set: assign(({ event }) => (event.type === 'refcount.set' ? { count: event.count } : {})),
    answerYes: emit(({ event }) => outgoing(sender(event), { type: 'refcount.done', result: true })),
    answerNo: emit(({ event }) => outgoing(sender(event), { type: 'refcount.done', result: false })),
    answerCount: emit(({ context: c, event }) => outgoing(sender(event), { type: 'refcount.value', count: c.count })),
  },
}).createMachine({
  id: 'refcount',
  context: ({ input }) => ({ ...input, warning: null }),
  initial: 'counting',
  states: {
    counting: {
      tags: 'rest',
      on: {
        // What has saturated stays: never 0, and never 1.
        'refcount.inc': [{ guard: 'isSaturated', actions: 'stay' }, { guard: 'isZero', actions: 'saturateAbove' }, { actions: 'inc' }],
        'refcount.incNotZero': [
          { guard: 'isSaturated', actions: 'answerYes' },
          { guard: 'isZero', actions: 'answerNo' },
          { actions: ['inc', 'answerYes'] },
        ],
        'refcount.decAndTest': [
          { guard: 'isSaturated', actions: 'answerNo' },
          { guard: 'isZero', actions: ['saturateBelow', 'answerNo'] },
          { guard: 'isOne', actions: ['dec', 'answerYes'] },
          { actions: ['dec', 'answerNo'] },
        ],
        'refcount.decNotOne': [
          { guard: 'isSaturated', actions: 'answerYes' },
          { guard: 'isZero', actions: ['saturateBelow', 'answerYes'] },
          { guard: 'isOne', actions: 'answerNo' },
          { actions: ['dec', 'answerYes'] },
        ],
        'refcount.set': { actions: 'set' },
        'refcount.read': { actions: 'answerCount' },
      },
    },
  },
});

const SATURATES: Breach<RefcountContext> = {
  id: 'saturates',
  source: 'kernel lib/refcount.c, refcount_warn_saturate()',
  grade: 'memory',
  each: ({ warning }, id) => warning && `${warning.by} at ${id}: ${warning.says}`,
};

/** A reference count. @public */
export interface Refcount extends Primitive {
  readonly kind: string;
  /** refcount_inc(), kref_get(): by who has a reference already. */
  get(where?: LockWhere): HostItem;
  /** refcount_inc_not_zero(), kref_get_unless_zero(); `into` gets whether one was got. */
  getUnlessZero(into: Local<boolean>, where?: LockWhere): HostItem;
  /** kref_put(): who drops the last reference walks the items of `release`. */
  put(release?: readonly HostItem[], where?: LockWhere): HostItem;
  /** refcount_dec_and_test(); `into` gets whether it was the last reference. */
  decAndTest(into: Local<boolean>, where?: LockWhere): HostItem;
  /** refcount_dec_not_one(); `into` gets whether a reference was dropped. */
  decNotOne(into: Local<boolean>, where?: LockWhere): HostItem;
  /** refcount_read(). */
  read(into: Local<number | 'saturated'>, where?: LockWhere): HostItem;
  /** refcount_set(), kref_init(). */
  set(count: number, where?: LockWhere): HostItem;
}

/** How a count begins, and where it lies. @public */
export interface RefcountRest {
  readonly per?: Per;
  /** References from the start; 1 unless given. */
  readonly begins?: number;
  /** The object that it lies in: each step uses it. */
  readonly in?: MemoryObject;
}

const isLast = local<boolean>('refcountIsLast');

/** A reference count of this name. Where it saturates, `NAME.saturates` is broken. @public */
export function refcount(name: string, rest: RefcountRest = {}): Refcount {
  const { per = 'host', begins = 1, in: within } = restOf('refcount', name, rest, { ...PER, begins: COUNT, in: AN_OBJECT });
  const says = (event: RefcountEvent, as: string, { at, as: own }: LockWhere = {}, into?: Local<boolean>): HostItem => {
    const id = instanceAt(name, per, at);
    const uses = usesOf<HostThread, HostLocals>(within, at, name, per);
    return step(own ?? as, {
      ...REFCOUNT,
      send: (t, l) => [...uses(t, l), outgoing(id(t, l), event)],
      ...(into && { leaves: [into.name], answers: { 'refcount.done': (e) => ({ [into.name]: e.result }) } }),
    });
  };
  const decAndTest = (into: Local<boolean>, where?: LockWhere) =>
    says({ type: 'refcount.decAndTest' }, 'refcount_dec_and_test', where, into);
  return primitive<Refcount>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per, machine: () => refcountMachine, input: () => ({ count: begins }), breaches: [SATURATES] }],
      get: (where) => says({ type: 'refcount.inc' }, 'refcount_inc', where),
      getUnlessZero: (into, where) => says({ type: 'refcount.incNotZero' }, 'refcount_inc_not_zero', where, into),
      decAndTest,
      decNotOne: (into, where) => says({ type: 'refcount.decNotOne' }, 'refcount_dec_not_one', where, into),
      put: (release = [], { at, as = 'kref_put' } = {}) =>
        call(fn(as, KREF, [decAndTest(isLast, { ...(at && { at }) }), when([isLast.is(true), release])])),
      read: (into, where = {}) => {
        const id = instanceAt(name, per, where.at);
        const uses = usesOf<HostThread, HostLocals>(within, where.at, name, per);
        return step(where.as ?? 'refcount_read', {
          ...REFCOUNT,
          leaves: [into.name],
          send: (t, l) => [...uses(t, l), outgoing(id(t, l), { type: 'refcount.read' })],
          answers: { 'refcount.value': (e) => ({ [into.name]: e.count }) },
        });
      },
      set: (count, where) => says({ type: 'refcount.set', count }, 'refcount_set', where),
    },
    {
      get: [WHERE],
      getUnlessZero: [INTO, WHERE],
      decAndTest: [INTO, WHERE],
      decNotOne: [INTO, WHERE],
      put: [maybe(ITEMS), WHERE],
      read: [INTO, WHERE],
      set: [A_COUNT, WHERE],
    },
  );
}
