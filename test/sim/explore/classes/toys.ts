/** Schedulers of a few states, beside programs of a few states. */
import { expect } from 'vitest';
import { type AnyStateMachine, setup } from 'xstate';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import type { Topology } from '../../../../sim/store.ts';
import { CATALOGUE, machineOf, type StateTable } from '../toy.ts';
import { type Compared, compared } from './against-plain.ts';

type States = Readonly<Record<string, StateTable>>;

/** States within which toys are searched. */
export const STATES = 10_000;

/** A machine of a table that schedules. */
export const scheduling = (states: States): AnyStateMachine =>
  setup({}).createMachine({ ...(machineOf(states).config as object), meta: { schedules: true } }) as AnyStateMachine;

/** A scheduler, which properties can look at, beside a program. */
export const cpuBeside = (scheduler: States, program: States): Topology => ({
  actors: [
    { id: 'pcpu:0', kind: 'pcpu', input: null },
    { id: 'node:0', kind: 'node', input: null },
  ],
  machines: { pcpu: scheduling(scheduler), node: machineOf(program) },
  catalogue: { ...CATALOGUE, step: 'bus', told: 'bus' },
});

/** A task that has the CPU or not, and has done something or not. */
export interface Task {
  readonly cpu: boolean;
  readonly did: number;
  readonly frames: object;
}

/** How its machine begins, and what the context switch keeps of it. */
export const SWITCHED_TASK = {
  context: { cpu: false, did: 0, frames: {} } as Task,
  type: 'parallel',
  meta: { switched: { context: ['cpu'], region: 'switch', frame: 'switch' } },
} as const;

/** Compared with the search over all states, and equal. */
export function equal(scenario: ResolvedScenario): Compared {
  const result = compared(scenario, STATES)!;
  expect(result.differences).toEqual([]);
  return result;
}
