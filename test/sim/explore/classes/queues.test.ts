/**
 * Messages on their way from and to a scheduler: they join queues in order, in both parts of a
 * state, and go with their senders where CPUs are renamed.
 */
import { describe, expect, it } from 'vitest';
import type { ActorId } from '../../../../events/event.ts';
import type { Topology } from '../../../../sim/store.ts';
import { CATALOGUE, machineOf, type StateTable, toy } from '../toy.ts';
import { cpuBeside, equal, scheduling } from './toys.ts';

const CPUS: readonly ActorId[] = ['pcpu:0', 'pcpu:1', 'pcpu:2'];
const REST: StateTable = { on: {}, tags: ['rest'] };
const mailTo = (to: ActorId) => [{ to, type: 'mail' }];

/** Counts to three, and forgets. */
const counting: Readonly<Record<string, StateTable>> = {
  none: { on: { mail: { to: 'one' } }, tags: ['rest'] },
  one: { on: { mail: { to: 'two' } }, tags: ['rest'] },
  two: { on: { mail: { to: 'none' } }, tags: ['rest'] },
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

  it.each([2, 3])('from %i CPUs that are renamed go with them', (count) => {
    const cpus = CPUS.slice(0, count);
    const topology: Topology = {
      actors: [...cpus.map((id) => ({ id, kind: 'pcpu', input: null })), { id: 'node:0', kind: 'node', input: null }],
      machines: {
        // What it sends is no step of its own; how far it is says nothing of what is in flight.
        pcpu: scheduling({
          up: { on: { nudge: { to: 'up', sends: mailTo('node:0') }, pick: { to: 'down' } } },
          down: { on: { pick: { to: 'up' } } },
        }),
        node: machineOf(counting),
      },
      catalogue: CATALOGUE,
      interchangeable: [cpus],
    };
    const { states, classes, renamed } = equal(toy(topology));
    expect(renamed).toBe(true);
    expect(classes * count).toBeLessThan(states);
  });
});
