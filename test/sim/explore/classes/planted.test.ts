/**
 * Violations that are planted: each condition under which one configuration of the scheduler stands
 * for others is broken by a model of its own, and is refused, or met exactly.
 */

import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, emit, setup } from 'xstate';
import { type ActorId, outgoing } from '../../../../events/event.ts';
import { ClassError } from '../../../../sim/explore/classes/class-error.ts';
import { classified } from '../../../../sim/explore/classes/classified.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { sometimes } from '../../../../sim/property.ts';
import type { Topology } from '../../../../sim/store.ts';
import type { WorldView } from '../../../../sim/view.ts';
import { actorIn, CATALOGUE, machineOf, rule, type StateTable, toy } from '../toy.ts';
import { equal, STATES, SWITCHED_TASK, scheduling, type Task } from './toys.ts';

const SCHEDULER: ActorId = 'node:9';
const CPU: ActorId = 'pcpu:0';
const TASK: ActorId = 'other:0';

const EVENTS = { ...CATALOGUE, 'sched.out': 'bus', 'sched.in': 'bus', step: 'bus', told: 'bus' } as const;

const TELLS: StateTable = { on: { exec: { to: 'done', sends: [{ to: 'node:0', type: 'mail' }] }, mail: { to: 'told' } } };
const DONE: StateTable = { on: { mail: { to: 'done' }, ask: { to: 'done' } }, tags: ['rest'] };

/** A program that makes two moves; what reaches it in between is noted. */
const PROGRAM: Readonly<Record<string, StateTable>> = {
  a: { on: { exec: { to: 'b', sends: [{ to: SCHEDULER, type: 'mail' }] }, mail: { to: 'a' } } },
  b: { on: { mail: { to: 'noted' } }, tags: ['rest'] },
  noted: { on: { mail: { to: 'noted' } }, tags: ['rest'] },
};

const withScheduler = (scheduler: AnyStateMachine, program: Readonly<Record<string, StateTable>> = PROGRAM): Topology => ({
  actors: [
    { id: SCHEDULER, kind: 'scheduler', input: null },
    { id: 'node:0', kind: 'node', input: null },
  ],
  machines: { scheduler, node: machineOf(program) },
  catalogue: EVENTS,
});

const isNoted = (world: WorldView) => (actorIn(world, 'node:0').value === 'noted' ? 'a message has come' : null);

describe('a scheduler of one’s own', () => {
  it('is searched over classes: what it does by itself is one state', () => {
    const turning = scheduling({
      one: { on: { pick: { to: 'two' }, mail: { to: 'one' } } },
      two: { on: { pick: { to: 'one' }, mail: { to: 'two' } } },
    });
    const { states, classes } = equal(toy(withScheduler(turning), [rule(isNoted)]));
    expect(classes).toBeLessThan(states);
  });

  it('may go through a door that leads one way alone', () => {
    const doors = scheduling({
      out: { on: { pick: { to: 'in' }, nudge: { to: 'out' }, mail: { to: 'out' } } },
      in: { on: { pick: { to: 'far' }, nudge: { to: 'told' }, mail: { to: 'in' } } },
      told: TELLS,
      far: { on: { mail: { to: 'told' } }, tags: ['rest'] },
      done: DONE,
    });
    const { violated } = equal(toy(withScheduler(doors), [rule(isNoted)]));
    expect(violated).toHaveLength(1);
  });
});

describe('a step in the middle of a switch', () => {
  const switching = (late: Readonly<Record<string, StateTable>>, middle: StateTable['on']) =>
    toy(withScheduler(scheduling({ middle: { on: { exec: { to: 'done' }, ...middle } }, done: DONE, ...late })), [rule(isNoted)]);

  it('is one state with what comes before and after it', () => {
    const mute = { a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'c' } } }, c: { on: {}, tags: ['rest'] } };
    const scheduler = scheduling({ middle: { on: { exec: { to: 'next' } } }, next: { on: { exec: { to: 'done' } } }, done: DONE });
    const { states, classes } = equal(toy(withScheduler(scheduler, mute)));
    expect({ states, classes }).toEqual({ states: 9, classes: 3 });
  });

  it('may be met by a message that a step of a program sends', () => {
    const { violated } = equal(switching({ told: TELLS }, { mail: { to: 'told' } }));
    expect(violated).toHaveLength(1);
  });

  it('may answer a program otherwise', () => {
    const answers = setup({}).createMachine({
      context: {},
      meta: { schedules: true },
      initial: 'middle',
      states: {
        middle: {
          meta: { offers: () => [{ type: 'exec', owed: true }] },
          on: { exec: 'done', ask: { actions: emit(outgoing('node:0', { type: 'told' }) as never) } },
        },
        done: { tags: 'rest', on: { ask: { actions: assign({}) } } },
      },
    }) as unknown as AnyStateMachine;
    const program: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b', sends: [{ to: SCHEDULER, type: 'ask' }] } } },
      b: { on: { told: { to: 'noted' } }, tags: ['rest'] },
      noted: { on: {}, tags: ['rest'] },
    };
    const { violated } = equal(toy(withScheduler(answers, program), [rule(isNoted)]));
    expect(violated).toHaveLength(1);
  });

  it('may be looked at by a property', () => {
    const middle = (world: WorldView) =>
      world.actors<unknown>('pcpu')[0]!.value === 'middle' && actorIn(world, 'node:0').value === 'b'
        ? 'a program has moved meanwhile'
        : null;
    const topology: Topology = {
      actors: [
        { id: CPU, kind: 'pcpu', input: null },
        { id: 'node:0', kind: 'node', input: null },
      ],
      machines: {
        pcpu: scheduling({ middle: { on: { exec: { to: 'done' } } }, done: DONE }),
        node: machineOf({ a: { on: { exec: { to: 'b' } } }, b: { on: {}, tags: ['rest'] } }),
      },
      catalogue: EVENTS,
    };
    const met = sometimes('planted.middle', { kinds: ['pcpu', 'node'], source: 'a test', grade: 'decision', check: middle });
    expect(equal(toy(topology, [rule(middle)])).violated).toHaveLength(1);
    const looked = toy(topology, [met]);
    equal(looked);
    expect(finish(explore({ scenario: looked, maxStates: STATES, scheduler: true })).missed).toEqual([]);
  });
});

/** A task whose scheduler's half says whether it has the CPU. */
function task(reacts: (task: Task) => boolean, offers: (task: Task) => boolean): AnyStateMachine {
  return setup({ types: { context: {} as Task } }).createMachine({
    ...SWITCHED_TASK,
    states: {
      code: {
        initial: 'runs',
        states: {
          runs: {
            tags: 'rest',
            meta: { offers: (c: Task) => (offers(c) ? [{ type: 'nudge' }] : []) },
            on: {
              step: { actions: assign({ did: ({ context: c }) => Math.min(c.did + 1, 2) }) },
              nudge: { guard: ({ context: c }) => offers(c), target: 'nudged' },
            },
          },
          nudged: { tags: 'rest', on: { step: { actions: assign({}) } } },
        },
      },
      switch: {
        initial: 'quiet',
        states: {
          quiet: {
            on: {
              'sched.in': { actions: assign({ cpu: ({ context: c }) => reacts(c) }) },
              'sched.out': { actions: assign({ cpu: false }) },
            },
          },
        },
      },
    },
  }) as unknown as AnyStateMachine;
}

/** A CPU that takes the task in and out, and steps it while it is in. */
function withTask(machine: AnyStateMachine): Topology {
  const cpu = scheduling({
    out: { on: { pick: { to: 'in', sends: [{ to: TASK, type: 'sched.in' }] } } },
    in: {
      on: { exec: { to: 'in', sends: [{ to: TASK, type: 'step' }] }, preempt: { to: 'out', sends: [{ to: TASK, type: 'sched.out' }] } },
    },
  });
  return {
    actors: [
      { id: SCHEDULER, kind: 'scheduler', input: null },
      { id: TASK, kind: 'other', input: null },
    ],
    machines: { scheduler: cpu, other: machine },
    catalogue: EVENTS,
  };
}

const taskIn = (world: WorldView) => world.actors<Task>('other')[0]!;
const always = () => true;
const never = () => false;

describe('a task', () => {
  const far = () => rule((world) => (taskIn(world).context.did > 1 ? 'the task has made two steps' : null));
  const onCpu = () =>
    rule((world) => {
      const { cpu, did } = taskIn(world).context;
      return !cpu && did > 0 ? 'the task has lost its CPU behind its first step' : null;
    });

  it('may be met in and out of the CPU, and what it does is the same', () => {
    expect(equal(toy(withTask(task(always, never)), [far()])).violated).toHaveLength(1);
  });

  it('is looked at in each configuration where a property sees what the context switch keeps of it', () => {
    expect(equal(toy(withTask(task(always, never)), [onCpu()])).violated).toHaveLength(2);
  });

  it('may offer something by itself, on its CPU or off it', () => {
    for (const offers of [always, ({ cpu }: Task) => cpu, ({ cpu, did }: Task) => !cpu && did === 1]) {
      const nudged = rule((world) => (JSON.stringify(taskIn(world).value).includes('nudged') ? 'the task was nudged' : null));
      expect(equal(toy(withTask(task(always, offers)), [nudged])).violated).toContain(nudged.id);
    }
  });

  describe('whose answer to the scheduler hangs on its program', () => {
    const scenario = () => toy(withTask(task(({ did }) => did === 0, never)), [far()]);

    it('is refused', () => {
      const searched = () => finish(classified({ scenario: scenario(), budget: { states: STATES }, renames: 'cpus' }));
      expect(searched).toThrow(ClassError);
      expect(searched).toThrow('hangs on its program');
      expect(() => finish(explore({ scenario: scenario(), maxStates: STATES, scheduler: true }))).toThrow(ClassError);
    });
  });
});
