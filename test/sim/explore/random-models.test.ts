/** Random models: the explorer, the bounded search and the oracle must agree on each of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BoundedSearch } from '../../../sim/explore/in-order/bounded.ts';
import type { Deviations } from '../../../sim/explore/request.ts';
import { finish } from '../../../sim/explore/turns.ts';
import type { Topology } from '../../../sim/store.ts';
import type { WorldView } from '../../../sim/view.ts';
import { MODELS, topologyOfModel, withoutChoices } from './arbitrary.ts';
import { expectEqual, search } from './equal.ts';
import { metInOrder, metWithin } from './in-order/in-order-states.ts';
import { leastOf, type Priced, pricesOf } from './in-order/naive-prices.ts';
import { actorIn, rule, toy } from './toy.ts';

const SEED = 20_261;
const STATES = 100_000;

/** Broken where the first two actors stand in these states. */
const bothIn = (a: string, b: string) => (world: WorldView) =>
  actorIn(world, 'node:0').value === a && actorIn(world, 'node:1').value === b ? `node:0 in ${a}, node:1 in ${b}` : null;

const cases = fc.record({ model: MODELS, a: fc.constantFrom('a', 'b', 'c'), b: fc.constantFrom('b', 'c') });

const bounded = (topology: Topology, a: string, b: string, limits = {}) => {
  const scenario = toy(topology, [rule(bothIn(a, b))]);
  return finish(new BoundedSearch({ scenario, limits, states: STATES }).run());
};

const costOf = ({ disturbances, preemptions, switches }: Deviations) => ({ disturbances, preemptions, switches });

describe('random models', () => {
  it('have the states, depths and transitions that the oracle finds', () => {
    fc.assert(
      fc.property(cases, ({ model, a, b }) => {
        const topology = topologyOfModel(model);
        expectEqual(toy(topology, [rule(bothIn(a, b))]));
      }),
      { numRuns: 80, seed: SEED },
    );
  });

  it('are closed under a bound that is large enough, with the verdicts of the whole search', () => {
    fc.assert(
      fc.property(cases, ({ model, a, b }) => {
        const topology = topologyOfModel(model);
        const scenario = toy(topology, [rule(bothIn(a, b))]);
        const whole = search(scenario).report;
        for (const limits of [{}, { deviations: 60 }, { preemptions: 60 }, { switches: 60, preemptions: 60 }]) {
          const report = finish(new BoundedSearch({ scenario, limits, states: STATES }).run());
          expect(report).toMatchObject({ exhausted: true, closed: true, limit: null });
          expect(report.findings.map(({ property }) => property).sort()).toEqual(whole.findings.map(({ property }) => property).sort());
        }
      }),
      { numRuns: 40, seed: SEED },
    );
  });

  it('show each violation at the lowest price that any schedule has', () => {
    let broken = 0;
    fc.assert(
      fc.property(cases, ({ model, a, b }) => {
        const topology = topologyOfModel(model);
        const { prices } = pricesOf(topology, (world) => bothIn(a, b)(world) !== null, 3);
        const least = leastOf(prices);
        const [finding] = bounded(topology, a, b).findings.filter(({ property }) => property !== 'deadlock');
        if (!least) return;
        broken++;
        expect({ ...costOf(finding!), steps: finding!.labels.length }).toEqual(least);
      }),
      { numRuns: 80, seed: SEED },
    );
    expect(broken).toBeGreaterThan(20);
  });

  const within: readonly (readonly [string, object, (price: Priced) => boolean])[] = [
    ['at most 1 preemption', { preemptions: 1 }, (price) => price.preemptions <= 1],
    ['at most 1 switch', { switches: 1 }, (price) => price.switches <= 1],
    ['no switch and 1 preemption', { switches: 0, preemptions: 1 }, (price) => price.switches === 0 && price.preemptions <= 1],
    ['at most 2 deviations', { deviations: 2 }, (price) => price.disturbances + price.preemptions + price.switches <= 2],
    ['2 deviations, 1 switch', { deviations: 2, switches: 1 }, (p) => p.disturbances + p.preemptions + p.switches <= 2 && p.switches <= 1],
  ];

  it.each(within)('are searched whole within %s: what the oracle reaches is found, and nothing else', (_, limits, fits) => {
    fc.assert(
      fc.property(cases, ({ model, a, b }) => {
        const topology = topologyOfModel(model);
        const { prices } = pricesOf(topology, (world) => bothIn(a, b)(world) !== null, 4);
        const found = bounded(topology, a, b, limits).findings.some(({ property }) => property !== 'deadlock');
        // The oracle stops at four of each: within that it must be found, and what is found must
        // cost what it says.
        if (prices.some(fits)) expect(found).toBe(true);
        else if (found) {
          const [finding] = bounded(topology, a, b, limits).findings;
          expect(Math.max(finding!.disturbances, finding!.preemptions, finding!.switches)).toBeGreaterThan(4);
        }
      }),
      { numRuns: 40, seed: SEED },
    );
  });

  it('have with 0 deviations the states of the in-order run and of the choices of their own', () => {
    fc.assert(
      fc.property(MODELS, (model) => {
        const topology = topologyOfModel(model);
        const { digests } = metWithin(toy(topology), { deviations: 0 });
        expect([...digests].sort()).toEqual([...pricesOf(topology, () => false, 0).free].sort());
      }),
      { numRuns: 200, seed: SEED },
    );
  });

  it('have with 0 deviations the states of the in-order run alone, where they have no choices of their own', () => {
    let long = 0;
    fc.assert(
      fc.property(MODELS, (model) => {
        const scenario = toy(topologyOfModel(withoutChoices(model)));
        const inOrder = metInOrder(scenario);
        if (inOrder.size > 5) long++;
        expect([...metWithin(scenario, { deviations: 0 }).digests].sort()).toEqual([...inOrder].sort());
      }),
      { numRuns: 400, seed: SEED },
    );
    expect(long).toBeGreaterThan(50);
  });
});
