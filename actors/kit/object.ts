/**
 * Memory with a life: allocated, used, freed. A use of it once it is freed is found, without a
 * property of the module's own.
 *
 * As with KASAN, a use is one of this object: what the allocator gives to others meanwhile is not
 * in here, so no use goes unseen because the memory has a new owner.
 *
 * @see kernel mm/slub.c, kfree(); mm/kasan/report.c, "slab-use-after-free", "double-free"
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { ObjectEvent } from '../../events/kit.ts';
import { type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { flag } from '../path/fits.ts';
import { PER, primitive, restOf, TEXT, WHERE } from './checked.ts';
import { KitError } from './kit-error.ts';
import { memorized } from './known.ts';
import type { LockWhere } from './mutex.ts';
import { type At, type Breach, instanceAt, type Per, type Primitive } from './primitive.ts';

const { step } = host;
const SLUB = memorized('mm/slub.c, kmalloc(), kfree()');

/** What a step has done to memory that it may not do. */
interface Misuse {
  readonly is: 'use-after-free' | 'double-free';
  readonly by: ActorId;
}
export interface ObjectContext {
  readonly isAllocated: boolean;
  /** Who has freed it; null while it is there, and if it never was. */
  readonly freedBy: ActorId | null;
  /** The first misuse; nothing is told of those behind it. */
  readonly misuse: Misuse | null;
}

type Args = { readonly context: ObjectContext; readonly event: Stamped<ObjectEvent> };
const misused =
  (is: Misuse['is']) =>
  ({ context: c, event }: Args) => ({ misuse: c.misuse ?? { is, by: sender(event) } });

const objectMachine = setup({
  types: {
    context: {} as ObjectContext,
    events: {} as Stamped<ObjectEvent>,
    emitted: {} as Outgoing,
    input: {} as Pick<ObjectContext, 'isAllocated'>,
  },
  guards: { isAllocated: ({ context: c }) => c.isAllocated },
  actions: {
    allocate: enqueueActions(({ context: c, event, enqueue }) => {
      if (c.isAllocated) throw new Error(`${sender(event)} allocates what is allocated already: an object is one piece of memory`);
      enqueue.assign({ isAllocated: true, freedBy: null });
    }),
    free: assign({ isAllocated: false, freedBy: ({ event }) => sender(event) }),
    use: assign({}),
    useFreed: assign(misused('use-after-free')),
    freeTwice: assign(misused('double-free')),
  },
}).createMachine({
  id: 'object',
  context: ({ input }) => ({ ...input, freedBy: null, misuse: null }),
  initial: 'memory',
  states: {
    memory: {
      tags: 'rest',
      on: {
        'object.alloc': { actions: 'allocate' },
        'object.use': [{ guard: 'isAllocated', actions: 'use' }, { actions: 'useFreed' }],
        'object.free': [{ guard: 'isAllocated', actions: 'free' }, { actions: 'freeTwice' }],
      },
    },
  },
});

/** What KASAN reports, of the actor's context. */
const breach = (id: Misuse['is'], says: (by: ActorId, freedBy: ActorId | null, id: ActorId) => string): Breach<ObjectContext> => ({
  id,
  source: `kernel mm/kasan/report.c, "${id === 'double-free' ? id : `slab-${id}`}"`,
  grade: 'memory',
  each: ({ misuse, freedBy }, object) => (misuse?.is === id ? says(misuse.by, freedBy, object) : null),
});
const BREACHES = [
  breach('use-after-free', (by, freedBy, id) =>
    freedBy === null ? `${by} uses ${id} before it is allocated` : `${by} uses ${id}, and ${freedBy} has freed it`,
  ),
  breach('double-free', (by, freedBy, id) =>
    freedBy === null ? `${by} frees ${id} before it is allocated` : `${by} frees ${id}, and ${freedBy} has freed it already`,
  ),
];

/** Memory of one object, and whether it is there. @public */
export interface MemoryObject extends Primitive {
  readonly kind: string;
  readonly per: Per;
  /** kmalloc(): one that begins unallocated, or was freed. */
  alloc(where?: LockWhere): HostItem;
  /** kfree(). */
  free(where?: LockWhere): HostItem;
  /** A step that reads or writes something in it, which is no cell of its own. */
  use(as: string, where?: LockWhere): HostItem;
}

/** That the walker uses the object, beside what else its step says. */
export const usesOf = <T, L>(
  object: MemoryObject | undefined,
  at: At<T, L> | undefined,
  within: string,
  per: Per,
): ((walker: T, locals: L) => readonly Outgoing[]) => {
  if (object === undefined) return () => [];
  if (object.per !== per && object.per !== 'host')
    throw new KitError(`${within} lies in ${object.kind}, of which there is one for each ${object.per}; expected { per: '${object.per}' }`);
  const id = instanceAt(object.kind, object.per, at);
  return (walker, locals) => [outgoing(id(walker, locals), { type: 'object.use' })];
};

/** The message that frees the object: what a callback does with it. */
export const freeing = ({ kind, per }: MemoryObject, at: At<HostThread, HostLocals> | undefined) => {
  const id = instanceAt(kind, per, at);
  return (t: HostThread, l: HostLocals): Outgoing => outgoing(id(t, l), { type: 'object.free' });
};

/**
 * An object of this name, allocated from the start unless `allocated` is false. `in` of a cell or a
 * count says that it lies in there. A use of it once it is freed breaks `NAME.use-after-free`.
 * @public
 */
export function object(name: string, rest: { readonly per?: Per; readonly allocated?: boolean } = {}): MemoryObject {
  const { per = 'host', allocated = true } = restOf('object', name, rest, { ...PER, allocated: flag });
  const says =
    (type: ObjectEvent['type'], as: string) =>
    (where: LockWhere = {}): HostItem => {
      const id = instanceAt(name, per, where.at);
      return step(where.as ?? as, { ...SLUB, send: (t, l) => outgoing(id(t, l), { type }) });
    };
  return primitive<MemoryObject>(
    name,
    {
      kind: name,
      per,
      parts: [{ kind: name, per, machine: () => objectMachine, input: () => ({ isAllocated: allocated }), breaches: BREACHES }],
      alloc: says('object.alloc', 'kmalloc'),
      free: says('object.free', 'kfree'),
      use: (as, where = {}) => says('object.use', as)(where),
    },
    { alloc: [WHERE], free: [WHERE], use: [TEXT, WHERE] },
  );
}
