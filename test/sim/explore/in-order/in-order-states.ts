/** The states that a bounded search meets, and those of the in-order run, by their digests. */

import { hexOf } from '../../../../sim/canonical.ts';
import type { ChoiceView } from '../../../../sim/choosers/chooser.ts';
import { FifoChooser } from '../../../../sim/choosers/fifo.ts';
import { MemoEngine } from '../../../../sim/engine/memo.ts';
import { type BoundedReport, BoundedSearch } from '../../../../sim/explore/in-order/bounded.ts';
import { isDeviating } from '../../../../sim/explore/in-order/deviations.ts';
import type { Limits } from '../../../../sim/explore/request.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { topologyOf } from '../../../../sim/host/topology.ts';
import { WorldStep } from '../../../../sim/rows/world-step.ts';
import { Run } from '../../../../sim/run.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';

const STATES = 100_000;
const STEPS = 2000;

export interface Met {
  readonly digests: ReadonlySet<string>;
  readonly report: BoundedReport;
}

/** What a search within limits meets. */
export function metWithin(scenario: ResolvedScenario, limits: Limits): Met {
  const digests = new Set<string>();
  const world = new WorldStep(new MemoEngine(topologyOf(scenario)));
  const look = (row: readonly number[]) => {
    let [a, b] = [0, 0];
    for (const [column, value] of row.entries()) {
      a = (a + world.laneA(column, value)) | 0;
      b = (b + world.laneB(column, value)) | 0;
    }
    digests.add(hexOf(a, b));
    return false;
  };
  const search = new BoundedSearch({ scenario, limits, states: STATES, world, goal: { name: 'looking', at: look } });
  return { report: finish(search.run()), digests };
}

const digestOf = ({ sequencer: { digest } }: Run): string => hexOf(digest.a, digest.b);

/**
 * What the in-order run meets with these inputs, until nothing is left but deviations, or it asks
 * again in a state where it has asked before: what follows is what other inputs gave there. It owes
 * nothing: a cycle does not end it.
 */
function metWith(scenario: ResolvedScenario, engine: MemoEngine, inputs: readonly number[], digests: Set<string>): readonly number[] {
  const fifo = new FifoChooser();
  const counts: number[] = [];
  const askedIn = new Set<string>();
  let ends = false;
  const choose = (view: ChoiceView): number => {
    const index = fifo.choose(view);
    const { kind, label } = view.alternative(index);
    ends ||= kind === 'offer' && isDeviating(label.slice(0, label.indexOf('(')));
    const offered = view.alternatives().flatMap((alternative, at) => (alternative.label.startsWith('choose(') ? [at] : []));
    if (offered.length === 0) return index;
    const state = digestOf(run);
    ends ||= askedIn.has(state);
    if (ends) return index;
    askedIn.add(state);
    const asked = inputs[counts.length] ?? 0;
    counts.push(offered.length + 1);
    return asked === 0 ? index : offered[asked - 1]!;
  };
  const owing = { ...scenario, properties: { ...scenario.properties, eventually: [] }, bounds: { ...scenario.bounds, steps: STEPS } };
  const chooser = { name: 'in order', choose, observe: fifo.observe.bind(fifo) };
  const run = new Run({ scenario: owing, engine, chooser });
  run.start();
  const met: (readonly [step: number, digest: string])[] = [];
  const look = () => met.push([run.sequencer.step, digestOf(run)]);
  look();
  for (let goesOn = true; goesOn; ) {
    goesOn = run.advance();
    if (ends) break;
    look();
  }
  // A run that finds itself in a deadlock takes the steps behind it back.
  for (const [step, digest] of met) if (step <= run.sequencer.step) digests.add(digest);
  return counts;
}

/**
 * What the in-order run meets: one run for each way in which the inputs can be that the scenario
 * leaves open.
 */
export function metInOrder(scenario: ResolvedScenario): ReadonlySet<string> {
  const digests = new Set<string>();
  const engine = new MemoEngine(topologyOf(scenario));
  for (let inputs: readonly number[] | null = []; inputs !== null; ) {
    const counts = metWith(scenario, engine, inputs, digests);
    inputs = following(inputs, counts);
  }
  return digests;
}

/** The next inputs, the last of them first; null if these were the last. */
function following(inputs: readonly number[], counts: readonly number[]): readonly number[] | null {
  for (let at = counts.length - 1; at >= 0; at--) {
    const input = inputs[at] ?? 0;
    if (input + 1 < counts[at]!) return [...Array.from({ length: at }, (_, before) => inputs[before] ?? 0), input + 1];
  }
  return null;
}
