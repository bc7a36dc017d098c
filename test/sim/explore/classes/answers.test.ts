/**
 * Tasks whose answers to the scheduler hang on their programs, each in one way: by what they keep,
 * by how far the program is, and by what they send. No configuration may stand for others.
 */
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, emit, setup } from 'xstate';
import { type ActorId, outgoing } from '../../../../events/event.ts';
import { ClassError } from '../../../../sim/explore/classes/class-error.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import type { Topology } from '../../../../sim/store.ts';
import { CATALOGUE, toy } from '../toy.ts';
import { equal, STATES, SWITCHED_TASK, scheduling, type Task } from './toys.ts';

const CPU: ActorId = 'node:9';
const TASK: ActorId = 'other:0';

/** What a task does when it loses its CPU, by where its program is. */
interface Answer {
  readonly keepsCpu?: boolean;
  readonly did?: number;
  readonly tells?: readonly ('latch' | 'bolt')[];
}

function answering(answers: readonly Answer[]): AnyStateMachine {
  const lost = answers.map(({ keepsCpu = false, did = -1, tells = [] }, at) => ({
    guard: ({ context }: { context: Task }) => context.did === at,
    actions: [
      assign(({ context }: { context: Task }) => ({ cpu: keepsCpu && context.cpu, did: did < 0 ? context.did : did }) as never),
      ...tells.map((type) => emit(outgoing(CPU, { type }) as never)),
    ],
  }));
  const moves = assign({ did: ({ context }: { context: Task }) => 1 - context.did }) as never;
  return setup({ types: { context: {} as Task } }).createMachine({
    ...SWITCHED_TASK,
    states: {
      code: {
        initial: 'runs',
        states: { runs: { tags: 'rest', on: { step: { actions: moves }, told: { actions: moves } } } },
      },
      switch: {
        initial: 'quiet',
        states: { quiet: { on: { 'sched.in': { actions: assign({ cpu: true }) }, 'sched.out': lost as never } } },
      },
    },
  }) as unknown as AnyStateMachine;
}

/** A CPU that takes the task in and out, and steps it while it is in. */
function withTask(answers: readonly Answer[]): Topology {
  const hears = (to: string) => ({ latch: { to }, bolt: { to } });
  const cpu = scheduling({
    out: { on: { pick: { to: 'in', sends: [{ to: TASK, type: 'sched.in' }] }, ...hears('out') } },
    in: {
      on: {
        exec: { to: 'in', sends: [{ to: TASK, type: 'step' }] },
        preempt: { to: 'out', sends: [{ to: TASK, type: 'sched.out' }] },
        ...hears('in'),
      },
    },
  });
  return {
    actors: [
      { id: CPU, kind: 'scheduler', input: null },
      { id: TASK, kind: 'other', input: null },
    ],
    machines: { scheduler: cpu, other: answering(answers) },
    catalogue: { ...CATALOGUE, bolt: 'latched', 'sched.in': 'bus', 'sched.out': 'bus', step: 'bus' },
  };
}

const HANGING: Readonly<Record<string, readonly [Answer, Answer]>> = {
  'keeps something else': [{}, { keepsCpu: true }],
  'moves its program': [{}, { did: 0 }],
  'sends where it sent nothing': [{}, { tells: ['latch'] }],
  'sends nothing where it sent': [{ tells: ['latch'] }, {}],
  'sends another message': [{ tells: ['latch'] }, { tells: ['bolt'] }],
};

describe('a task that behind its first step', () => {
  it.each(Object.entries(HANGING))('%s, as the scheduler takes its CPU, is refused', (_, answers) => {
    const searched = () => finish(explore({ scenario: toy(withTask(answers)), maxStates: STATES, scheduler: true }));
    expect(searched).toThrow(ClassError);
    expect(searched).toThrow('hangs on its program');
  });

  it.each([{}, { keepsCpu: true }, { tells: ['latch'] }, { tells: ['latch', 'bolt'] }] as readonly Answer[])(
    'answers as before is searched over classes: %j',
    (answer) => {
      const { states, classes } = equal(toy(withTask([answer, answer])));
      expect(classes).toBeLessThan(states);
    },
  );
});

describe('a step of the scheduler that gives two tasks something', () => {
  it('is none of its own where it moves the program of the second', () => {
    const [first, second] = [TASK, 'other:1'];
    const cpu = scheduling({
      out: {
        on: {
          pick: {
            to: 'in',
            sends: [
              { to: first, type: 'sched.in' },
              { to: second, type: 'told' },
            ],
          },
        },
      },
      in: {
        on: { exec: { to: 'in', sends: [{ to: first, type: 'step' }] }, preempt: { to: 'out', sends: [{ to: first, type: 'sched.out' }] } },
      },
    });
    const { actors, machines, catalogue } = withTask([{}, {}]);
    const topology: Topology = {
      actors: [...actors, { id: second, kind: 'other', input: null }],
      machines: { ...machines, scheduler: cpu },
      catalogue: { ...catalogue, told: 'bus' },
    };
    expect(equal(toy(topology)).states).toBe(8);
  });
});
