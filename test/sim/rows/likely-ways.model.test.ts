/** Waits that one likely way ends, among actors that can do more than is looked at. */
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, createMachine } from 'xstate';
import { MemoEngine } from '../../../sim/engine/memo.ts';
import { DeadEnds } from '../../../sim/rows/dead-ends.ts';
import { WorldStep } from '../../../sim/rows/world-step.ts';
import type { Topology } from '../../../sim/store.ts';
import { CATALOGUE, machineOf } from '../explore/toy.ts';

/** Steps of the sender before its message: others may stand anywhere by then. */
const STEPS = 9;
const OTHERS = 24;

const scheduling = (machine: AnyStateMachine): AnyStateMachine =>
  createMachine({ ...(machine.config as object), meta: { schedules: true } } as never) as unknown as AnyStateMachine;

const waits = machineOf({ waits: { on: { exec: { to: 'waits' }, mail: { to: 'done' } } }, done: { on: {}, tags: ['rest'] } });
const sends = machineOf({
  ...Object.fromEntries(Array.from({ length: STEPS }, (_, step) => [`s${step}`, { on: { exec: { to: `s${step + 1}` } } }])),
  [`s${STEPS}`]: { on: { exec: { to: 'sent', sends: [{ to: 'node:0', type: 'mail' }] } } },
  sent: { on: {}, tags: ['rest'] },
});
const turns = machineOf({ a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'a' } } } });

const topology: Topology = {
  actors: [
    { id: 'node:0', kind: 'node', input: null },
    { id: 'other:0', kind: 'other', input: null },
    ...Array.from({ length: OTHERS }, (_, i) => ({ id: `turn:${i}`, kind: 'turn', input: null })),
  ],
  machines: { node: waits, other: scheduling(sends), turn: scheduling(turns) },
  catalogue: CATALOGUE,
};

describe('a wait that a message ends', () => {
  it('is no deadlock, whatever many others may do meanwhile', () => {
    const ends = new DeadEnds(new WorldStep(new MemoEngine(topology)));
    expect(ends.isDead(ends.world.initial)).toBe(false);
    expect(ends.undecided).toBe(0);
  });
});
