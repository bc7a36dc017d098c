/** Shared memory against a naive oracle, and as races see it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { host } from '../../../actors/host/host-env.ts';
import { cell, cellMachine } from '../../../actors/kit/cell.ts';
import { fn } from '../../../actors/kit/fn.ts';
import { local } from '../../../actors/kit/local.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import type { CellEvent, CellValue } from '../../../events/kit.ts';
import { race } from '../../../sim/host/race.ts';
import { always } from '../../../sim/property.ts';
import { raced } from './raced.ts';

const { loop, when, leaveLoop } = host;
const value = fc.constantFrom<CellValue>(0, 1, 2, true, false, null, 'a');
const field = fc.constantFrom('x', 'y');
const access: fc.Arbitrary<CellEvent> = fc.oneof(
  fc.record({ type: fc.constant('cell.load' as const), field }),
  fc.record({ type: fc.constant('cell.store' as const), field, value }),
  fc.record({ type: fc.constant('cell.xchg' as const), field, value }),
  fc.record({ type: fc.constant('cell.cmpxchg' as const), field, expected: value, value }),
  fc.record({ type: fc.constant('cell.add' as const), field: fc.constant('n'), value: fc.integer({ min: -3, max: 3 }) }),
);

describe('the memory of a cell', () => {
  it('does what a map of fields does, access by access', () => {
    fc.assert(
      fc.property(fc.array(access, { maxLength: 20, size: 'max' }), (accesses) => {
        const memory: Record<string, CellValue> = { x: 0, y: false, n: 0 };
        const actor = createActor(cellMachine, { input: { x: 0, y: false, n: 0 } });
        const said: CellValue[] = [];
        actor.on('*', (message) => said.push((message as unknown as { event: { value: CellValue } }).event.value));
        actor.start();
        const expected: CellValue[] = [];
        for (const event of accesses) {
          const old = memory[event.field]!;
          if (event.type === 'cell.store') memory[event.field] = event.value;
          if (event.type === 'cell.xchg') memory[event.field] = event.value;
          if (event.type === 'cell.cmpxchg' && old === event.expected) memory[event.field] = event.value;
          if (event.type === 'cell.add') memory[event.field] = (old as number) + event.value;
          if (event.type === 'cell.add') expected.push(memory[event.field]!);
          else if (event.type !== 'cell.store') expected.push(old);
          actor.send({ ...event, from: 'thread:p/0' });
        }
        expect(said).toEqual(expected);
        expect(actor.getSnapshot().context).toEqual(memory);
      }),
    );
  });

  it('has one zero', () => {
    const actor = createActor(cellMachine, { input: { x: 1 } }).start();
    actor.send({ type: 'cell.store', field: 'x', value: -0, from: 'thread:p/0' });
    expect(Object.is(actor.getSnapshot().context.x, 0)).toBe(true);
  });

  it('has no other fields, and begins with values', () => {
    expect(() => cell('c', { x: 0 }).load('y' as never, local('y'))).toThrow(
      'c.load(): argument 1: found "y"; expected one of its fields ("x")',
    );
    expect(() => cell('c', { x: [] as never })).toThrow('cell c: x is []; expected text, a finite number, true, false or null');
    expect(() => cell('c', { x: 0 }, { per: 'vcpu' }).load('x', local('x'))).toThrow(
      'c has one actor for each vCPU; expected `at` to say which',
    );
  });
});

const counter = cell('counter', { n: 0, done: 0 });
const n = local<number>('n');
const old = local<number>('old');
const lost = always('counter.lost', {
  kinds: ['counter'],
  source: 'a test',
  grade: 'decision',
  check: (world) => {
    const { n: value, done: additions } = world.actors<{ n: number; done: number }>('counter')[0]!.context;
    return value < additions ? `${additions} additions came to ${value}` : null;
  },
});
const done = counter.addReturn('done', 1);
const WAYS = {
  'load and store': [counter.load('n', n), counter.store('n', (_t, l) => (n.of(l) ?? 0) + 1), done],
  addReturn: [counter.addReturn('n', 1), done],
  cmpxchg: [
    loop(
      counter.load('n', n),
      counter.cmpxchg(
        'n',
        (_t, l) => n.of(l)!,
        (_t, l) => n.of(l)! + 1,
        old,
      ),
      when([(_t, l) => old.of(l) === n.of(l), [leaveLoop]]),
    ),
    done,
  ],
};

describe('two threads that count', () => {
  const of = (how: keyof typeof WAYS, cpus = 2) =>
    raced({
      race: { uses: [counter], operations: { count: { summary: 'counts', source: 'a test', does: () => WAYS[how] } } },
      host: { cpus },
      properties: [lost],
      processes: { p: { threads: [[{ count: {} }], [{ count: {} }]] } },
    });
  it('lose an addition by a load and a store', () =>
    expect(of('load and store')).toMatchObject({ broken: ['counter.lost'], messages: ['2 additions came to 1'] }));
  it.each(['addReturn', 'cmpxchg'] as const)('lose none by %s', (how) =>
    expect(of(how)).toMatchObject({ verdict: 'clean', exhausted: true }),
  );
  it('lose none on one CPU without preemption', () =>
    expect(
      raced({
        race: {
          uses: [counter],
          operations: {
            count: {
              summary: 'counts',
              source: 'a test',
              does: () => syscall('write', 'a test', WAYS['load and store']),
            },
          },
        },
        host: { cpus: 1, preemption: 'none' },
        properties: [lost],
        processes: { p: { threads: [[{ count: {} }], [{ count: {} }]] } },
      }),
    ).toMatchObject({ verdict: 'clean', exhausted: true }));
});

describe('a race', () => {
  it('says which of `uses` is no primitive', () => {
    const uses = [counter, {} as never];
    expect(() => race({ name: 'mine', arches: ['amd'], uses })).toThrow(
      'race mine: uses[1] is no primitive; expected what cell(), mutex()',
    );
  });
});

describe('a function of the kit', () => {
  it('lists what its steps leave, hands on what it is to leave, and numbers what stands there twice', () => {
    const made = fn('f', 'a test', [counter.load('n', n), loop(counter.load('n', old), when([n.is(1), [leaveLoop]]))], { leaves: ['n'] });
    expect(made).toMatchObject({ name: 'f', grade: 'memory', locals: ['old'], leaves: ['n'] });
    expect(JSON.stringify(made.items)).toContain('"load_n_2"');
    expect(fn('g', 'a test', [host.call(made)]).locals).toEqual(['n']);
  });
});
