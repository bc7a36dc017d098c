/**
 * Memory with a life: allocated, used, freed. A use of it once it is freed is found, without a
 * property of the module's own.
 *
 * As with KASAN, a use is one of this object: what the allocator gives to others meanwhile is not
 * in here, so no use goes unseen because the memory has a new owner.
 *
 * @see kernel mm/slub.c, kfree(); mm/kasan/report.c, "slab-use-after-free", "double-free"
 */
import { assign, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped } from '../../events/event.ts';
import type { ObjectEvent } from '../../events/object.ts';
import { type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { type Mortal, mortal } from '../host/object-life.ts';
import { flag } from '../path/fits.ts';
import type { Source } from '../path/path.ts';
import { PER, primitive, restOf, TEXT, WHERE } from './checked.ts';
import { KitError } from './kit-error.ts';
import { memorized } from './known.ts';
import type { LockWhere } from './mutex.ts';
import { type At, type Breach, instanceAt, type Per, type Primitive } from './primitive.ts';

const { step } = host;
const SLUB = memorized('mm/slub.c, kmalloc(), kfree()');

export interface ObjectContext extends Mortal {
  /** Who has freed it; null while it is there, and if it never was. */
  readonly freedBy: ActorId | null;
}

const objectMachine = mortal<ObjectContext>(
  setup({
    types: { context: {} as ObjectContext, events: {} as Stamped<ObjectEvent>, emitted: {} as Outgoing },
    actions: { use: assign({}) },
  }).createMachine({
    id: 'object',
    context: { freedBy: null },
    initial: 'memory',
    states: { memory: { tags: 'rest', on: { 'object.use': { actions: 'use' } } } },
  }),
  { renew: (_context, { type, from = null }) => ({ freedBy: type === 'object.destroy' ? from : null }) },
);

type Says = (by: ActorId, freedBy: ActorId | null, id: ActorId) => string;

/** A message to it that is a mistake: KASAN reports it, but for the last. */
const breach = (id: string, source: string, message: ObjectEvent['type'], says: Says): Breach<ObjectContext> => ({
  id,
  source,
  grade: 'memory',
  each: ({ misused, freedBy }, object) => (misused?.with === message ? says(misused.by!, freedBy, object) : null),
});
const KASAN = 'kernel mm/kasan/report.c';
const BREACHES = [
  breach('use-after-free', `${KASAN}, "slab-use-after-free"`, 'object.use', (by, freedBy, id) =>
    freedBy === null ? `${by} uses ${id} before it is allocated` : `${by} uses ${id}, and ${freedBy} has freed it`,
  ),
  breach('double-free', `${KASAN}, "double-free"`, 'object.destroy', (by, freedBy, id) =>
    freedBy === null ? `${by} frees ${id} before it is allocated` : `${by} frees ${id}, and ${freedBy} has freed it already`,
  ),
  breach('double-alloc', 'docs/kit/refcounts.md', 'object.create', (by, _freedBy, id) => `${by} allocates ${id}, which is there already`),
];

/** Memory of one object, and whether it is there. @public */
export interface MemoryObject extends Primitive {
  readonly kind: string;
  readonly per: Per;
  /** kmalloc(): one that begins unallocated, or was freed. */
  alloc(where?: LockWhere): HostItem;
  /** kfree(). */
  free(where?: LockWhere): HostItem;
  /** A step of the caller that reads or writes something in it, which is no cell of its own. */
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
  return (t: HostThread, l: HostLocals): Outgoing => outgoing(id(t, l), { type: 'object.destroy' });
};

/**
 * An object of this name, allocated from the start unless `allocated` is false. `in` of a cell or a
 * count says that it lies in there. A use of it once it is freed breaks `NAME.use-after-free`.
 * @public
 */
export function object(name: string, rest: { readonly per?: Per; readonly allocated?: boolean } = {}): MemoryObject {
  const { per = 'host', allocated = true } = restOf('object', name, rest, { ...PER, allocated: flag });
  const says =
    (type: ObjectEvent['type'], as: string, source: Partial<Source> = SLUB) =>
    (where: LockWhere = {}): HostItem => {
      const id = instanceAt(name, per, where.at);
      return step(where.as ?? as, { ...source, send: (t, l) => outgoing(id(t, l), { type }) });
    };
  return primitive<MemoryObject>(
    name,
    {
      kind: name,
      per,
      parts: [{ kind: name, per, machine: () => objectMachine, input: () => (allocated ? null : { absent: true }), breaches: BREACHES }],
      alloc: says('object.create', 'kmalloc'),
      free: says('object.destroy', 'kfree'),
      use: (as, where = {}) => says('object.use', as, {})(where),
    },
    { alloc: [WHERE], free: [WHERE], use: [TEXT, WHERE] },
  );
}
