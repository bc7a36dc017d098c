/**
 * Shared memory: fields that threads and guests load, store and change by locked instructions.
 *
 * A step is one access to one field, as READ_ONCE() and WRITE_ONCE() are; what the kernel reads in
 * two accesses is two steps here. When a store is seen by others is for the host's `memory` to say.
 *
 * @see kernel include/asm-generic/rwonce.h; Documentation/atomic_t.txt,
 * Documentation/atomic_bitops.txt
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type Outgoing, outgoing } from '../../events/event.ts';
import type { CellAnswer, CellEvent, CellValue } from '../../events/kit.ts';
import { accessor, type Relayed } from '../../events/memory-order.ts';
import { oneOf, shownValue } from '../path/fits.ts';
import type { Step, StepSpec } from '../path/path.ts';
import {
  AN_OBJECT,
  checkTable,
  GIVEN,
  INTO,
  isValue,
  maybe,
  nameOf,
  PER,
  primitive,
  restOf,
  type Takes,
  VALUES,
  whereWith,
} from './checked.ts';
import { KitError } from './kit-error.ts';
import { type Given, given, type Local } from './local.ts';
import { type MemoryObject, usesOf } from './object.ts';
import { type At, instanceAt, type Per, type Primitive } from './primitive.ts';

/** What the context of a cell's actor is: its fields. @public */
export type CellFields = Readonly<Record<string, CellValue>>;

/** Where a step of a primitive stands, and what it is called. @public */
export interface Where<T, L> {
  readonly at?: At<T, L>;
  /** The name of the step; made of what it does and the field unless given. */
  readonly as?: string;
  /** What else the step does, such as `mode` or `mayResched`. */
  readonly step?: Pick<
    StepSpec<T, L, CellAnswer>,
    'mode' | 'preempt' | 'irqs' | 'idles' | 'yields' | 'mayResched' | 'source' | 'grade' | 'ns' | 'set'
  >;
}

type CellStep<T, L> = Step<T, L, CellAnswer>;

/** Shared memory, by field. @public */
export interface Cell<F extends CellFields> extends Primitive {
  readonly kind: string;
  /** Of the type alone: what properties see. */
  readonly context?: F;
  /** READ_ONCE(). */
  load<K extends keyof F & string, T extends object, L extends object>(field: K, into: Local<F[K]>, where?: Where<T, L>): CellStep<T, L>;
  /** WRITE_ONCE(). */
  store<K extends keyof F & string, T extends object, L extends object>(
    field: K,
    value: Given<F[K], T, L>,
    where?: Where<T, L>,
  ): CellStep<T, L>;
  /** smp_load_acquire(): on x86 a load as any other. */
  loadAcquire<K extends keyof F & string, T extends object, L extends object>(
    field: K,
    into: Local<F[K]>,
    where?: Where<T, L>,
  ): CellStep<T, L>;
  /** smp_store_release(): on x86 a store as any other. */
  storeRelease<K extends keyof F & string, T extends object, L extends object>(
    field: K,
    value: Given<F[K], T, L>,
    where?: Where<T, L>,
  ): CellStep<T, L>;
  /** smp_store_mb(): seen by all before anything else is done; on x86 an xchg(). */
  storeMb<K extends keyof F & string, T extends object, L extends object>(
    field: K,
    value: Given<F[K], T, L>,
    where?: Where<T, L>,
  ): CellStep<T, L>;
  /** xchg(); `into` gets what was there. */
  xchg<K extends keyof F & string, T extends object, L extends object>(
    field: K,
    value: Given<F[K], T, L>,
    into?: Local<F[K]>,
    where?: Where<T, L>,
  ): CellStep<T, L>;
  /** cmpxchg(); `into` gets what was there: `expected` if it has stored. */
  cmpxchg<K extends keyof F & string, T extends object, L extends object>(
    field: K,
    expected: Given<F[K], T, L>,
    value: Given<F[K], T, L>,
    into?: Local<F[K]>,
    where?: Where<T, L>,
  ): CellStep<T, L>;
  /** test_and_set_bit(); `into` gets whether it was set. */
  testAndSet<K extends keyof F & string, T extends object, L extends object>(
    field: K,
    into?: Local<boolean>,
    where?: Where<T, L>,
  ): CellStep<T, L>;
  /** clear_bit(), or test_and_clear_bit() where `into` wants to know whether it was set. */
  clearBit<K extends keyof F & string, T extends object, L extends object>(
    field: K,
    into?: Local<boolean>,
    where?: Where<T, L>,
  ): CellStep<T, L>;
  /** atomic_add_return(); `into` gets the sum. */
  addReturn<K extends keyof F & string, T extends object, L extends object>(
    field: K,
    value: Given<number, T, L>,
    into?: Local<number>,
    where?: Where<T, L>,
  ): CellStep<T, L>;
}

/** How many actors there are of a primitive, and where it lies. @public */
export interface Instances {
  readonly per?: Per;
  /** The object that it lies in: each step uses it. */
  readonly in?: MemoryObject;
}

/** How many there are of a cell, and in which order its stores are seen. @public */
export interface CellRest extends Instances {
  /**
   * `sc`: each store is a locked instruction, as that of an atomic of C11 is. Without it the cell
   * goes by the `memory` of the host.
   */
  readonly memory?: 'sc';
}

/**
 * What fields can hold that begin so: another value of the same type, and anything after null.
 * @public
 */
export type Fields<F> = {
  readonly [K in keyof F]: F[K] extends boolean ? boolean : F[K] extends number ? number : F[K] extends string ? string : CellValue;
};

const fieldOf = (fields: CellFields, field: string): CellValue => {
  if (!Object.hasOwn(fields, field)) throw new Error(`there is no field ${field}; expected ${Object.keys(fields).join(', ')}`);
  return fields[field]!;
};

const shown = (value: unknown): string => (typeof value === 'number' ? `${value}` : (JSON.stringify(value) ?? String(value)));
const checked = (field: string, value: unknown): CellValue => {
  if (!isValue(value)) throw new Error(`${field} is to hold ${shown(value)}; expected ${VALUES}`);
  // No register tells -0 from 0.
  return value === 0 ? 0 : (value as CellValue);
};

/** What a store or a locked instruction leaves in the field. */
function changed(fields: CellFields, event: Exclude<CellEvent, { readonly type: 'cell.load' }>): CellValue {
  const old = fieldOf(fields, event.field);
  switch (event.type) {
    case 'cell.cmpxchg':
      return old === event.expected ? checked(event.field, event.value) : old;
    case 'cell.add':
      if (typeof old !== 'number') throw new Error(`${event.field} holds ${JSON.stringify(old)}; expected a number to add to`);
      if (!Number.isFinite(event.value)) throw new Error(`${event.field}: found ${shown(event.value)} to add; expected a number`);
      return checked(event.field, old + event.value);
    default:
      return checked(event.field, event.value);
  }
}

/** What a function or a local has given for the field. @throws KitError if no memory can hold it */
function held<V>(field: string, from: unknown, value: V): V {
  if (isValue(value)) return value;
  const giver = typeof from === 'function' ? 'the function' : `the local ${(from as { readonly name?: string }).name}`;
  throw new KitError(`${field}: ${giver} gives ${shownValue(value)}; expected ${VALUES}`);
}

const CELL_WHERE = whereWith({ step: ['a map of what else the step does', (value) => typeof value === 'object' && value !== null] });

/** The memory behind a cell. */
export const cellMachine = setup({
  types: { context: {} as CellFields, events: {} as Relayed<CellEvent>, emitted: {} as Outgoing, input: {} as CellFields },
  actions: {
    answer: emit(({ context, event }) => outgoing(accessor(event), { type: 'cell.value', value: fieldOf(context, event.field) })),
    write: assign(({ context, event }) => (event.type === 'cell.load' ? {} : { [event.field]: changed(context, event) })),
    answerSum: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'cell.add') return;
      const value = changed(context, event);
      enqueue.emit(outgoing(accessor(event), { type: 'cell.value', value }));
      enqueue.assign({ [event.field]: value });
    }),
  },
}).createMachine({
  id: 'cell',
  context: ({ input }) => input,
  initial: 'memory',
  states: {
    memory: {
      tags: 'rest',
      on: {
        'cell.load': { actions: 'answer' },
        'cell.store': { actions: 'write' },
        'cell.xchg': { actions: ['answer', 'write'] },
        'cell.cmpxchg': { actions: ['answer', 'write'] },
        'cell.add': { actions: 'answerSum' },
      },
    },
  },
});

/**
 * Shared memory of this name, with these fields; the properties of a module find it as actors of
 * the kind `name`, whose context has the fields.
 * @throws Error if a field begins with something that is no value
 * @public
 */
export function cell<F extends CellFields>(name: string, fields: F, rest: CellRest = {}): Cell<Fields<F>> {
  const { per = 'host', in: within, memory } = restOf('cell', name, rest, { ...PER, in: AN_OBJECT, memory: oneOf('sc') });
  checkTable(`cell ${name}`, fields, [VALUES, isValue]);
  const field = nameOf('one of its fields', Object.keys(fields));
  const isAdded = (one: string): boolean => fields[one] === null || typeof fields[one] === 'number';
  const number = nameOf('a field with a number', Object.keys(fields).filter(isAdded));
  const added: Takes = { wrong: (value) => field.wrong(value) ?? number.wrong(value) };
  const access = <T, L>(
    [verb, type]: readonly [verb: string, type: CellEvent['type']],
    field: string,
    rest: (walker: T, locals: L) => object,
    into: { readonly name: string } | undefined,
    { at, as = `${verb}_${field}`, step = {} }: Where<T, L> = {},
  ): CellStep<T, L> => {
    const target = instanceAt(name, per, at);
    const uses = usesOf<T, L>(within, at, name, per);
    return {
      kind: 'step',
      name: as,
      ...step,
      send: (walker, locals) => [...uses(walker, locals), outgoing(target(walker, locals), { type, field, ...rest(walker, locals) })],
      ...(into && { leaves: [into.name] }),
      ...(type !== 'cell.store' && {
        answers: { 'cell.value': (e: CellAnswer) => (into ? { [into.name]: e.value } : {}) as Partial<L> },
      }),
    };
  };
  const nothing = () => ({});
  const of =
    <V, T, L>(value: Given<V, T, L>, field: string) =>
    (w: T, l: L) => ({ value: held(`${name}.${field}`, value, given(value, w, l)) });
  const plain = memory === 'sc' ? 'cell.xchg' : 'cell.store';
  return primitive<Cell<CellFields>>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per, machine: () => cellMachine, input: () => fields }],
      load: (field, into, where) => access(['load', 'cell.load'], field, nothing, into, where),
      loadAcquire: (field, into, where) => access(['load_acquire', 'cell.load'], field, nothing, into, where),
      store: (field, value, where) => access(['store', plain], field, of(value, field), undefined, where),
      storeRelease: (field, value, where) => access(['store_release', plain], field, of(value, field), undefined, where),
      storeMb: (field, value, where) => access(['store_mb', 'cell.xchg'], field, of(value, field), undefined, where),
      xchg: (field, value, into, where) => access(['xchg', 'cell.xchg'], field, of(value, field), into, where),
      cmpxchg: (field, expected, value, into, where) =>
        access(
          ['cmpxchg', 'cell.cmpxchg'],
          field,
          (w, l) => ({ expected: held(`${name}.${field}`, expected, given(expected, w, l)), ...of(value, field)(w, l) }),
          into,
          where,
        ),
      testAndSet: (field, into, where) =>
        access(['test_and_set', 'cell.xchg'], field, of<CellValue, unknown, unknown>(true, field), into, where),
      clearBit: (field, into, where) => access(['clear', 'cell.xchg'], field, of<CellValue, unknown, unknown>(false, field), into, where),
      addReturn: (field, value, into, where) => access(['add', 'cell.add'], field, of(value, field), into, where),
    },
    {
      load: [field, INTO, CELL_WHERE],
      loadAcquire: [field, INTO, CELL_WHERE],
      store: [field, GIVEN, CELL_WHERE],
      storeRelease: [field, GIVEN, CELL_WHERE],
      storeMb: [field, GIVEN, CELL_WHERE],
      xchg: [field, GIVEN, maybe(INTO), CELL_WHERE],
      cmpxchg: [field, GIVEN, GIVEN, maybe(INTO), CELL_WHERE],
      testAndSet: [field, maybe(INTO), CELL_WHERE],
      clearBit: [field, maybe(INTO), CELL_WHERE],
      addReturn: [added, GIVEN, maybe(INTO), CELL_WHERE],
    },
  ) as Cell<Fields<F>>;
}
