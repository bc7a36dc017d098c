/**
 * Holds a search over orbits against the whole space: each state is the image of one that was kept,
 * and what breaks is the same.
 */
import { expect } from 'vitest';
import { hexOf } from '../../../../sim/canonical.ts';
import { Explorer } from '../../../../sim/explore/breadth/explorer.ts';
import { OrbitSearch } from '../../../../sim/explore/reduce/orbits.ts';
import { Symmetry } from '../../../../sim/explore/reduce/symmetry.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { topologyOf } from '../../../../sim/host/topology.ts';
import type { WorldStep } from '../../../../sim/rows/world-step.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { play } from '../../play.ts';

/** Digests of states, whatever numbers a search gave them. */
const digestOf = (world: WorldStep, row: ArrayLike<number>): string => {
  let [a, b] = [0, 0];
  for (let column = 0; column < row.length; column++) {
    a = (a + world.laneA(column, row[column]!)) | 0;
    b = (b + world.laneB(column, row[column]!)) | 0;
  }
  return hexOf(a, b);
};

/** @returns how many states the whole space has for each that was kept */
export function expectCovered(scenario: ResolvedScenario): number {
  const explorer = new Explorer({ scenario, budget: { states: 200_000 } });
  const whole = finish(explorer.run());
  const { space } = explorer;
  const search = new OrbitSearch(scenario, 200_000);
  const report = finish(search.run());
  const symmetry = new Symmetry(search.world, topologyOf(scenario).interchangeable ?? []);
  const images = new Set(search.kept.flatMap((row) => [...symmetry.imagesOf(row)].map((image) => digestOf(search.world, image))));
  const row = new Int32Array(space.columns);
  for (let state = 0; state < space.count; state++) {
    space.read(state, row);
    if (!images.has(digestOf(explorer.world, row))) throw new Error(`state ${state} is the image of none that was kept`);
  }
  const names = (findings: readonly { readonly property: string }[]) => new Set(findings.map(({ property }) => property));
  expect(report.exhausted && whole.exhausted).toBe(true);
  expect(names(report.findings)).toEqual(names(whole.findings));
  expect(report.missed).toEqual([...whole.reached].flatMap(([id, first]) => (first ? [] : [id])));
  for (const { property, labels } of report.findings) {
    const choices = labels.map((label) => ({ index: 0, label }));
    expect(play(scenario, { name: 'replay', choices, match: 'label' }).end.violation).toMatchObject({ property, step: labels.length });
  }
  return whole.states / report.states;
}
