/**
 * Shared memory: fields that threads and guests load, store and change by locked instructions.
 *
 * A step is one access to one field, as READ_ONCE() and WRITE_ONCE() are; what the kernel reads in
 * two accesses is two steps here. Memory is sequentially consistent.
 *
 * @see kernel include/asm-generic/rwonce.h; Documentation/atomic_t.txt,
 * Documentation/atomic_bitops.txt
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { CellAnswer, CellEvent, CellValue } from '../../events/kit.ts';
import type { Step, StepSpec } from '../path/path.ts';
import { type Given, given, type Local } from './local.ts';
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

/** How many actors there are of a primitive. @public */
export interface Instances {
  readonly per?: Per;
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

/** What a locked instruction leaves in the field. */
function changed(fields: CellFields, event: Exclude<CellEvent, { readonly type: 'cell.load' }>): CellValue {
  const old = fieldOf(fields, event.field);
  switch (event.type) {
    case 'cell.cmpxchg':
      return old === event.expected ? event.value : old;
    case 'cell.add':
      if (typeof old !== 'number') throw new Error(`${event.field} holds ${JSON.stringify(old)}; expected a number to add to`);
      return old + event.value;
    default:
      return event.value;
  }
}

/** The memory behind a cell. */
export const cellMachine = setup({
  types: { context: {} as CellFields, events: {} as Stamped<CellEvent>, emitted: {} as Outgoing, input: {} as CellFields },
  actions: {
    answer: emit(({ context, event }) => outgoing(sender(event), { type: 'cell.value', value: fieldOf(context, event.field) })),
    write: assign(({ context, event }) => (event.type === 'cell.load' ? {} : { [event.field]: changed(context, event) })),
    answerSum: enqueueActions(({ context, event, enqueue }) => {
      if (event.type !== 'cell.add') return;
      const value = changed(context, event);
      enqueue.emit(outgoing(sender(event), { type: 'cell.value', value }));
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
export function cell<F extends CellFields>(name: string, fields: F, { per = 'host' }: Instances = {}): Cell<Fields<F>> {
  for (const [field, value] of Object.entries(fields))
    if (value !== null && !['string', 'number', 'boolean'].includes(typeof value))
      throw new Error(`${name}.${field} begins as ${JSON.stringify(value)}; expected text, a number, true, false or null`);
  const known = (field: string): string => {
    fieldOf(fields, field);
    return field;
  };
  const access = <T, L>(
    verb: string,
    field: string,
    event: (walker: T, locals: L) => CellEvent,
    into: { readonly name: string } | undefined,
    { at, as = `${verb}_${known(field)}`, step = {} }: Where<T, L> = {},
  ): CellStep<T, L> => {
    const target = instanceAt(name, per, at);
    return {
      kind: 'step',
      name: as,
      ...step,
      send: (walker, locals) => outgoing(target(walker, locals), event(walker, locals)),
      ...(into && { leaves: [into.name] }),
      ...(verb !== 'store' && {
        answers: { 'cell.value': (e: CellAnswer) => (into ? { [into.name]: e.value } : {}) as Partial<L> },
      }),
    };
  };
  return {
    kind: name,
    parts: [{ kind: name, per, machine: () => cellMachine, input: () => fields }],
    load: (field, into, where) => access('load', field, () => ({ type: 'cell.load', field }), into, where),
    store: (field, value, where) =>
      access('store', field, (w, l) => ({ type: 'cell.store', field, value: given(value, w, l) }), undefined, where),
    xchg: (field, value, into, where) =>
      access('xchg', field, (w, l) => ({ type: 'cell.xchg', field, value: given(value, w, l) }), into, where),
    cmpxchg: (field, expected, value, into, where) =>
      access(
        'cmpxchg',
        field,
        (w, l) => ({ type: 'cell.cmpxchg', field, expected: given(expected, w, l), value: given(value, w, l) }),
        into,
        where,
      ),
    testAndSet: (field, into, where) => access('test_and_set', field, () => ({ type: 'cell.xchg', field, value: true }), into, where),
    clearBit: (field, into, where) => access('clear', field, () => ({ type: 'cell.xchg', field, value: false }), into, where),
    addReturn: (field, value, into, where) =>
      access('add', field, (w, l) => ({ type: 'cell.add', field, value: given(value, w, l) }), into, where),
  };
}
