/**
 * Deadlocks among more actors than a memory of whole steps is kept for: the same answers as among
 * few, where all the others rest.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, createMachine } from 'xstate';
import { MemoEngine } from '../../../sim/engine/memo.ts';
import { ModelError } from '../../../sim/engine/port.ts';
import { DeadEnds } from '../../../sim/rows/dead-ends.ts';
import { WorldStep } from '../../../sim/rows/world-step.ts';
import type { Topology } from '../../../sim/store.ts';
import { MODELS, topologyOfModel } from '../explore/arbitrary.ts';
import { carried } from '../explore/classes/parts-of-rows.ts';
import { CATALOGUE, machineOf } from '../explore/toy.ts';

/** More than the memory of steps is kept for. */
const MANY = 513;
const STATES = 40;
const MODELS_DRAWN = 40;
const SEED = 20_263;

const still = machineOf({ still: { on: {}, tags: ['rest'] } });

/** The same model among many actors that rest. */
const among = ({ actors, machines, ...rest }: Topology): Topology => ({
  ...rest,
  actors: [...actors, ...Array.from({ length: MANY }, (_, index) => ({ id: `still:${index}`, kind: 'still', input: null }))],
  machines: { ...machines, still },
});

/** A state of the model, among the others. */
function amongMany(row: readonly number[], few: WorldStep, many: WorldStep): number[] {
  const there = carried(row, few, many);
  return Array.from({ length: many.columns }, (_, column) => {
    const isOther = column >= few.actors && column < many.actors;
    return isOther ? many.initial[column]! : (there[column] ?? 0);
  });
}

/** Some states, breadth first, none of which breaks a rule of models. */
function statesOf(world: WorldStep): readonly (readonly number[])[] {
  const seen = new Map([[world.initial.join(), world.initial as readonly number[]]]);
  for (const row of seen.values())
    for (const [column, value] of row.entries())
      for (const event of world.alternatives(column, value)) {
        if (seen.size >= STATES) return [...seen.values()];
        try {
          const next = world.after(row, world.run(row, column, event));
          seen.set(next.join().replace(/(,0)+$/, ''), next);
        } catch (error) {
          if (!(error instanceof ModelError)) throw error;
        }
      }
  return [...seen.values()];
}

const scheduling = (machine: AnyStateMachine): AnyStateMachine =>
  createMachine({ ...(machine.config as object), meta: { schedules: true } } as never) as unknown as AnyStateMachine;

/** The model, and the same where some of its actors are the scheduler's. */
function withScheduler(topology: Topology): readonly Topology[] {
  const { node, other, ...machines } = topology.machines;
  return [topology, { ...topology, machines: { ...machines, node: node!, other: scheduling(other!) } }];
}

/** Its one way on is to send again what was taken out of the queue. */
const SENDS_AGAIN: Topology = {
  actors: ['node:0', 'other:0'].map((id) => ({ id, kind: id.slice(0, -2), input: null })),
  machines: {
    node: machineOf({ a: { on: { exec: { to: 'a', sends: [{ to: 'other:0', type: 'latch' }] } } } }),
    other: scheduling(machineOf({ a: { on: { latch: { to: 'a' } } } })),
  },
  catalogue: CATALOGUE,
};

/** Asks about each state of a model among few actors and among many. @returns what was met */
function answersOf(topology: Topology): readonly ('dead' | 'alive' | 'led')[] {
  const [few, many] = [topology, among(topology)].map((each) => new DeadEnds(new WorldStep(new MemoEngine(each))));
  return statesOf(few!.world).flatMap((row) => {
    const same = amongMany(row, few!.world, many!.world);
    const isDead = few!.isDead(row);
    expect(many!.isDead(same)).toBe(isDead);
    expect(many!.someProgresses(same.slice(0, many!.world.actors))).toBe(few!.someProgresses(row.slice(0, few!.world.actors)));
    const isLed = many!.isLed(same);
    if (isLed) expect(isDead).toBe(false);
    return [isDead ? 'dead' : 'alive', ...(isLed ? (['led'] as const) : [])];
  });
}

describe('among many actors', () => {
  it(`a state is dead, and someone gets on, as among few, with seed ${SEED}`, () => {
    const met = { dead: 0, alive: 0, led: 0 };
    fc.assert(
      fc.property(MODELS, (model) => {
        for (const topology of withScheduler(topologyOfModel(model))) for (const what of answersOf(topology)) met[what]++;
      }),
      { seed: SEED, numRuns: MODELS_DRAWN },
    );
    expect(Math.min(met.dead, met.alive, met.led)).toBeGreaterThan(MODELS_DRAWN / 4);
  });

  it('a message that is sent again is a way on', () => {
    expect(answersOf(SENDS_AGAIN)).not.toContain('dead');
  });
});
