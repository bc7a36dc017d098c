/**
 * Compares an exploration with the oracle: the same states at the same depths, the same
 * transitions, trails that replay.
 */
import { expect } from 'vitest';
import { openJournal } from '../../../replay/open.ts';
import { reexecute } from '../../../replay/reexecute.ts';
import { memorySource } from '../../../replay/source.ts';
import { hexOf } from '../../../sim/canonical.ts';
import { DEADLOCK } from '../../../sim/end.ts';
import { Explorer } from '../../../sim/explore/breadth/explorer.ts';
import type { ExploreReport } from '../../../sim/explore/breadth/options.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import { propertyOf } from '../../../sim/properties/index.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import { engineOf, journalOf } from '../play.ts';
import { type NaiveSpace, naiveSpace } from './naive-space.ts';

const STATES = 1_000_000;

export interface Searched {
  readonly explorer: Explorer;
  readonly report: ExploreReport;
}

export const search = (scenario: ResolvedScenario): Searched => {
  const explorer = new Explorer({ scenario, budget: { states: STATES } });
  return { explorer, report: finish(explorer.run()) };
};

export const oracle = (scenario: ResolvedScenario): NaiveSpace => {
  const always = scenario.properties.always.map(propertyOf);
  return naiveSpace(topologyOf(scenario), (view) => always.some(({ check }) => check(view) !== null));
};

/** Depth by digest. */
function depthsOf({ space, world: step }: Explorer): Map<string, number> {
  const row = new Int32Array(space.columns);
  const depths: number[] = [];
  const found = new Map<string, number>();
  for (let state = 0; state < space.count; state++) {
    depths.push(state === 0 ? 0 : depths[space.parent[state]!]! + 1);
    space.read(state, row);
    let [a, b] = [0, 0];
    for (const [column, value] of row.entries()) {
      a = (a + step.laneA(column, value)) | 0;
      b = (b + step.laneB(column, value)) | 0;
    }
    found.set(hexOf(a, b), depths[state]!);
  }
  return found;
}

/**
 * The trail of each finding, replayed to a journal, and that once more with every choice compared
 * with index, count and label.
 */
function expectTrailsReplay(scenario: ResolvedScenario, { explorer, report }: Searched): void {
  for (const { property, message, state, steps } of report.findings) {
    const labels = explorer.labelsTo(state);
    expect(labels).toHaveLength(steps);
    const choices = labels.map((label) => ({ index: 0, label }));
    const { bytes, run: played } = journalOf(scenario, { name: 'replay', choices, match: 'label' }, engineOf(scenario, 'live'));
    expect(played.end).toMatchObject({ violation: property === DEADLOCK ? { property } : { property, message, step: steps } });
    const journal = openJournal(memorySource(bytes));
    expect(journal.steps).toBe(steps);
    expect(reexecute(journal)).toMatchObject({ identical: true, steps });
  }
}

/**
 * Searches a scenario both ways, and compares everything that the explorer says with the oracle.
 */
export function expectEqual(scenario: ResolvedScenario): Searched {
  const searched = search(scenario);
  const { explorer, report } = searched;
  const naive = oracle(scenario);
  const expected = new Map([...naive.nodes.values()].map(({ digest, depth }) => [digest, depth]));
  expect(expected.size).toBe(naive.nodes.size);
  expect(depthsOf(explorer)).toEqual(expected);
  expect(report).toMatchObject({ exhausted: true, limit: null, states: naive.nodes.size });
  expect({ transitions: report.transitions, unchanged: report.unchanged }).toEqual({
    transitions: naive.transitions,
    unchanged: naive.unchanged,
  });
  expect(report.depth).toBe(Math.max(...expected.values()));
  for (const { property, steps } of report.findings) {
    if (property === DEADLOCK) continue;
    const { check } = propertyOf(property);
    const broken = [...naive.nodes.values()].filter((node) => node.ends && check(naive.naive.viewOf(node.state)) !== null);
    expect(steps).toBe(Math.min(...broken.map(({ depth }) => depth)));
  }
  // A run ends in a dead state: what the search has looked at behind the first one is no reaction.
  const isStuck = report.findings.some(({ property, steps }) => property === DEADLOCK && steps === 0);
  expect(report.reactions > 0).toBe(!isStuck && report.transitions + report.unchanged > 0);
  expectTrailsReplay(scenario, searched);
  return searched;
}
