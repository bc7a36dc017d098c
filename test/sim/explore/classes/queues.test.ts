/**
 * Messages on their way from and to a scheduler: they join queues in order, in both parts of a
 * state, and go with their senders where CPUs are renamed.
 */
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, createMachine, emit } from 'xstate';
import { type ActorId, outgoing } from '../../../../events/event.ts';
import type { Topology } from '../../../../sim/store.ts';
import { CATALOGUE, machineOf, type StateTable, toy } from '../toy.ts';
import { cpuBeside, equal, scheduling } from './toys.ts';

const CPUS: readonly ActorId[] = ['pcpu:0', 'pcpu:1', 'pcpu:2'];
const REST: StateTable = { on: {}, tags: ['rest'] };
const mailTo = (to: ActorId) => [{ to, type: 'mail' }];

/** Counts to three, and forgets. */
const counting: Readonly<Record<string, StateTable>> = {
  none: { on: { mail: { to: 'one' }, told: { to: 'none' } }, tags: ['rest'] },
  one: { on: { mail: { to: 'two' }, told: { to: 'one' } }, tags: ['rest'] },
  two: { on: { mail: { to: 'none' }, told: { to: 'two' } }, tags: ['rest'] },
};

describe('messages in flight', () => {
  const sending = (to: ActorId) => ({
    a: { on: { exec: { to: 'b', sends: mailTo(to) } } },
    b: { on: { exec: { to: 'c', sends: mailTo(to) } } },
    c: REST,
  });

  it('to a scheduler join those that are there', () => {
    equal(toy(cpuBeside(counting, sending('pcpu:0'))));
  });

  it('from one program to another join those that are there', () => {
    const { actors, machines, catalogue } = cpuBeside({ up: { on: { pick: { to: 'down' } } }, down: REST }, sending('other:0'));
    const topology: Topology = {
      actors: [...actors, { id: 'other:0', kind: 'other', input: null }],
      machines: { ...machines, other: machineOf(counting) },
      catalogue,
    };
    equal(toy(topology));
  });

  const named = (cpus: readonly ActorId[], pcpu: AnyStateMachine, inputs: readonly boolean[] = []): Topology => ({
    actors: [...cpus.map((id, at) => ({ id, kind: 'pcpu', input: inputs[at] ?? null })), { id: 'node:0', kind: 'node', input: null }],
    machines: { pcpu, node: machineOf(counting) },
    catalogue: { ...CATALOGUE, told: 'bus' },
    interchangeable: [cpus],
  });

  it.each([
    [2, 78],
    [3, 364],
  ])('from %i CPUs that are renamed go with them', (count, orbits) => {
    const sends = mailTo('node:0');
    const told = [{ to: 'node:0', type: 'told' }];
    // What a CPU sends is no step of its own; neither is its last one, which changes no program.
    const cpu = scheduling({ up: { on: { nudge: { to: 'up', sends }, interrupt: { to: 'spent', sends: told } } }, spent: REST });
    const { states, classes, renamed } = equal(toy(named(CPUS.slice(0, count), cpu)));
    expect(renamed).toBe(true);
    // A CPU has sent up to two messages, of which some have come, and is spent or not: 12 ways.
    expect([states, classes]).toEqual([12 ** count, orbits]);
  });

  it('keep their senders where the scheduler does not lead from one to the other', () => {
    interface Cpu {
      readonly left: number;
    }
    const isLeft = ({ left }: Cpu) => left > 0;
    const cpu = createMachine({
      context: ({ input }: { input: boolean }) => ({ left: input ? 1 : 0 }),
      meta: { schedules: true },
      initial: 'up',
      states: {
        up: {
          tags: 'rest',
          meta: { offers: (c: Cpu) => (isLeft(c) ? [{ type: 'nudge' }] : []) },
          on: {
            nudge: {
              guard: ({ context }: { context: Cpu }) => isLeft(context),
              actions: [assign({ left: 0 } as never), emit(outgoing('node:0', { type: 'mail' }) as never)],
            },
          },
        },
      },
    } as never) as unknown as AnyStateMachine;
    expect(equal(toy(named(CPUS.slice(0, 2), cpu, [true, false]))).renamed).toBe(false);
  });
});
