/**
 * Objects that are made and freed, files, and pools: what each says of what was done to it, held
 * against a naive account of the same history.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, setup } from 'xstate';
import { type FileContext, fileMachine } from '../../../actors/host/file.ts';
import { type Mortal, misuseText, mortal } from '../../../actors/host/object-life.ts';
import { type PoolContext, poolMachine } from '../../../actors/host/pool.ts';
import { Given, told } from '../given.ts';

const FROM = 'thread:a/0';

interface Counter extends Mortal {
  readonly count: number;
  readonly last?: number;
}
/** A counter in two states: `low` and, above one, `high`; `peek` is no use of it. */
const counterMachine = mortal<Counter>(
  setup({ types: { context: {} as Counter, events: {} as { readonly type: string } } })
    .createMachine({
      id: 'counter',
      meta: { chances: [] },
      context: { count: 0 },
      initial: 'low',
      states: {
        low: {
          on: {
            add: [
              { guard: ({ context }: { readonly context: Counter }) => context.count > 0, target: 'high', actions: 'add' },
              { actions: 'add' },
            ],
          },
        },
        high: { on: { add: { actions: 'add' } } },
      },
      on: { peek: { actions: 'look' }, nothing: {} },
    } as never)
    .provide({
      actions: { add: assign(({ context }) => ({ count: context.count + 1, last: context.count })), look: assign(() => ({})) } as never,
    }) as unknown as AnyStateMachine,
  { renew: () => ({ count: 0 }), asks: ['peek'] },
);
const add = { type: 'add', from: FROM };
const create = { type: 'object.create', from: FROM };
const destroy = { type: 'object.destroy', from: FROM };

/** What a machine knows, without fields that are undefined. */
const plain = (context: object): unknown => JSON.parse(JSON.stringify(context));

describe('an object that can be absent', () => {
  it('is, once made, in the state of one that was always there', () => {
    const made = Given.start<Counter>(counterMachine, { absent: true }).after(create);
    const always = Given.start<Counter>(counterMachine);
    expect([made.state, plain(made.context)]).toEqual([always.state, plain(always.context)]);
    const again = always.after(add, add, destroy, create);
    expect([again.state, plain(again.context)]).toEqual([always.state, plain(always.context)]);
  });

  it('is the same whatever it was when it was freed', () => {
    const ends = [[], [add], [add, add, add]].map((events) => Given.start<Counter>(counterMachine).after(...events, destroy));
    expect(ends.map(({ state, context }) => [state, plain(context)])).toEqual(ends.map(() => ['low', { count: 0, absent: true }]));
  });

  it('says of itself that it is absent, to the engine', () => {
    const { absent } = counterMachine.root.meta as { readonly absent: (context: Mortal) => boolean };
    expect([absent({ absent: true }), absent({})]).toEqual([true, false]);
    expect(counterMachine.root.meta).toMatchObject({ chances: [] });
  });

  it.each([
    [
      'used before it is made',
      { absent: true },
      [add],
      'x is used by add from thread:a/0, and is not there: it was freed, or not made yet',
    ],
    [
      'used after it was freed',
      undefined,
      [destroy, add],
      'x is used by add from thread:a/0, and is not there: it was freed, or not made yet',
    ],
    ['freed twice', undefined, [destroy, destroy], 'x is freed from thread:a/0, and is not there: it was freed before, or never made'],
    ['made twice', undefined, [add, create], 'x is made from thread:a/0 where an object is already'],
    ['used by the environment', { absent: true }, [{ type: 'add' }], 'x is used by add, and is not there: it was freed, or not made yet'],
  ] as const)('notes that it is %s', (_what, input, events, text) => {
    const { misused } = Given.start<Counter>(counterMachine, input).after(...events).context;
    expect(misuseText('x', misused!)).toBe(text);
  });

  it('tells the first misuse, and takes the message as a new object would', () => {
    const { context, state } = Given.start<Counter>(counterMachine, { absent: true }).after(add, { ...add, from: 'thread:b/0' });
    expect(context.misused).toEqual({ by: FROM, with: 'add' });
    expect([state, context.count]).toEqual(['high', 2]);
  });

  it('takes what is no use of it, and still handles nothing where the machine does', () => {
    const absent = Given.start<Counter>(counterMachine, { absent: true });
    expect(absent.after({ type: 'peek' }).context.misused).toBeUndefined();
    expect(absent.when({ type: 'nothing' }).handled).toBe(false);
  });

  it('has one first state', () => {
    const regions = setup({}).createMachine({ id: 'regions', type: 'parallel', states: { a: {}, b: {} } });
    expect(() => mortal(regions, { renew: (context) => context })).toThrow(
      /^regions has no first state; expected a machine with `initial`/,
    );
  });

  it('is what a naive account says, after any history', () => {
    const events = { add, create, destroy };
    fc.assert(
      fc.property(fc.boolean(), fc.array(fc.constantFrom('add', 'create', 'destroy'), { maxLength: 12 }), (there, history) => {
        let alive = there;
        let count = 0;
        let misused = false;
        for (const what of history) {
          if (what === 'add') count++;
          misused ||= what === 'create' ? alive : !alive;
          if (what === 'create' && !alive) [alive, count, misused] = [true, 0, false];
          else if (what === 'destroy' && alive) [alive, count, misused] = [false, 0, false];
        }
        const { context } = history.reduce(
          (given, what) => given.after(events[what as keyof typeof events]),
          Given.start<Counter>(counterMachine, { absent: !there }),
        );
        expect([context.absent !== true, context.count, context.misused !== undefined]).toEqual([alive, count, misused]);
      }),
    );
  });
});

describe('a file', () => {
  const TYPES = ['file.install', 'file.get?', 'file.close', 'file.put'] as const;

  it('is what a naive account says, after any history', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(fc.constantFrom(...TYPES), { maxLength: 14 }), (open, history) => {
        // The users of the file by name; the descriptor is one of them until its put.
        let users = open ? ['fd'] : [];
        let isOpen = open;
        let given = Given.start<FileContext>(fileMachine, { open });
        for (const [at, type] of history.entries()) {
          const { sent, and } = given.when({ type, from: FROM });
          given = and;
          if (type === 'file.install') {
            expect(sent[0]!.event).toEqual({ type: 'file.installed', done: users.length === 0 });
            if (users.length === 0) [users, isOpen] = [['fd'], true];
          } else if (type === 'file.get?') {
            expect(sent[0]!.event).toEqual({ type: 'file.got', open: isOpen });
            if (isOpen) users = [...users, `${at}`];
          } else if (type === 'file.close') {
            expect(sent[0]!.event).toEqual({ type: 'file.closed', open: isOpen });
            isOpen = false;
          } else {
            expect(sent[0]!.event).toEqual({ type: 'file.dropped', last: users.length === 1 });
            if (users.length === 0) return;
            users = users.slice(1);
          }
          expect(given.context.users).toBe(users.length);
        }
        expect(given.context.misused).toBeUndefined();
      }),
    );
  });

  it('notes a put of what has no user', () => {
    const { context } = Given.start<FileContext>(fileMachine, null).after({ type: 'file.put', from: FROM });
    expect(context.misused).toEqual({ by: FROM, with: 'file.put' });
  });
});

describe('a pool', () => {
  it('gives the lowest place that is free, as a naive account says, after any history', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(fc.option(fc.nat(3)), { maxLength: 16 }), (size, history) => {
        const taken = new Set<number>();
        let given = Given.start<PoolContext>(poolMachine, { size });
        let misused = false;
        for (const back of history) {
          if (back === null) {
            const free = Array.from({ length: size }, (_, at) => at).find((at) => !taken.has(at)) ?? null;
            const { sent, and } = given.when({ type: 'pool.take', from: FROM });
            expect(sent.map(({ to, event }) => [to, event])).toEqual([[FROM, { type: 'pool.taken', at: free }]]);
            if (free !== null) taken.add(free);
            given = and;
          } else {
            if (!taken.delete(back)) misused = true;
            given = given.after({ type: 'pool.give', at: back, from: FROM });
          }
        }
        expect(given.context.taken).toEqual([...taken].sort((a, b) => a - b));
        expect(given.context.misused !== undefined).toBe(misused);
      }),
    );
  });

  it('is one state for two histories that leave the same places taken', () => {
    const take = { type: 'pool.take', from: FROM };
    const give = (at: number) => ({ type: 'pool.give', at, from: FROM });
    const start = Given.start<PoolContext>(poolMachine, { size: 3 });
    expect(start.after(take, take, give(0), take, give(1)).context).toEqual(start.after(take).context);
    expect(told(start.after(take, take, take).when(take).sent)).toEqual([`${FROM} pool.taken`]);
  });
});
