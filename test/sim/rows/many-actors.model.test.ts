/**
 * Deadlocks among more actors than a memory of whole steps is kept for: the same answers as among
 * few, where all the others rest.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoEngine } from '../../../sim/engine/memo.ts';
import { ModelError } from '../../../sim/engine/port.ts';
import { DeadEnds } from '../../../sim/rows/dead-ends.ts';
import { WorldStep } from '../../../sim/rows/world-step.ts';
import type { Topology } from '../../../sim/store.ts';
import { MODELS, topologyOfModel } from '../explore/arbitrary.ts';
import { carried } from '../explore/classes/parts-of-rows.ts';
import { machineOf } from '../explore/toy.ts';

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

describe('among many actors', () => {
  it(`a state is dead, and someone gets on, as among few, with seed ${SEED}`, () => {
    const met = { dead: 0, alive: 0, led: 0 };
    fc.assert(
      fc.property(MODELS, (model) => {
        const topology = topologyOfModel(model);
        const [few, many] = [topology, among(topology)].map((each) => new DeadEnds(new WorldStep(new MemoEngine(each))));
        for (const row of statesOf(few!.world)) {
          const same = amongMany(row, few!.world, many!.world);
          const isDead = few!.isDead(row);
          expect(many!.isDead(same)).toBe(isDead);
          expect(many!.someProgresses(same.slice(0, many!.world.actors))).toBe(few!.someProgresses(row.slice(0, few!.world.actors)));
          const isLed = many!.isLed(same);
          if (isLed) expect(isDead).toBe(false);
          met[isDead ? 'dead' : 'alive']++;
          if (isLed) met.led++;
        }
      }),
      { seed: SEED, numRuns: MODELS_DRAWN },
    );
    expect(Math.min(met.dead, met.alive, met.led)).toBeGreaterThan(MODELS_DRAWN / 4);
  });
});
