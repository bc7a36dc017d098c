/**
 * Searches that share a space, in one thread: together they find what one finds alone, however many
 * they are and however small their boxes.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEADLOCK } from '../../../../sim/end.ts';
import { conclude, searchedWay } from '../../../../sim/explore/conclude.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import { BOX_HEAD } from '../../../../sim/explore/space/exchange.ts';
import { SizeError } from '../../../../sim/explore/space/state-space.ts';
import { combined, Partition, type PartitionReport, type Round } from '../../../../sim/explore/together/partition.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { topologyOf } from '../../../../sim/host/topology.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { SHIPPED, shipped } from '../../play.ts';
import { MODELS, topologyOfModel } from '../arbitrary.ts';
import { firmware } from '../firmware.ts';
import { CATALOGUE, chain, machineOf, rule, toy } from '../toy.ts';

/** Two sets of boxes: one is written while the other is read. */
const boxesOf = (peers: number, integers: number) =>
  [0, 1].map(() => Array.from({ length: peers }, () => Array.from({ length: peers }, () => new Int32Array(integers))));

/** Every partition in turn, as threads would do it at once. */
function together(scenario: ResolvedScenario, peers: number, integers = 1 << 16): { reports: PartitionReport[]; rounds: number } {
  const sets = boxesOf(peers, integers);
  const partitions = Array.from({ length: peers }, (_, me) => new Partition({ scenario, from: null, me, boxes: sets[0]![me]! }));
  for (let round = 0; ; round++) {
    const set = sets[round % 2]!;
    const rounds: Round[] = partitions.map((partition, me) => partition.expand(set[me]!));
    for (const [me, partition] of partitions.entries())
      for (const [sender, { dictionary }] of rounds.entries()) if (sender !== me) partition.take(sender, dictionary, set[sender]![me]!);
    const done = rounds.every((each) => each.done);
    if (done && !rounds.some((each) => each.found)) return { reports: partitions.map((partition) => partition.report()), rounds: round };
    if (done) for (const partition of partitions) partition.descend();
  }
}

function agreed(whole: ResolvedScenario, peers: number, integers?: number) {
  // A cycle is found by one search, which has the space as a whole.
  const scenario = { ...whole, properties: { ...whole.properties, eventually: [] } };
  const request = { scenario, maxStates: 10_000_000 };
  const alone = finish(explore(request));
  const facts = combined(scenario, together(scenario, peers, integers).reports, null);
  const { coverage, guarantee, violations, ...rest } = finish(conclude(request, facts, searchedWay(request)));
  const { coverage: single, guarantee: text, violations: broken, ...counts } = alone;
  expect(rest).toEqual(expect.objectContaining({ ...counts, ...rest }));
  expect(rest).toMatchObject({
    states: counts.states,
    transitions: counts.transitions,
    unchanged: counts.unchanged,
    missed: counts.missed,
  });
  expect(new Set(violations)).toEqual(new Set(broken));
  const { localStates, reactions, depth, neverTaken, impossible } = single;
  if (broken.some(({ property }) => property === DEADLOCK)) {
    // Threads count steps out of a deadlock as taken; nothing else is told apart.
    const told = (lines: readonly string[]) => lines.filter((line) => !line.startsWith('Not taken'));
    expect(told(guarantee)).toEqual(told(text));
    expect(neverTaken).toEqual(expect.arrayContaining([...coverage.neverTaken]));
    return;
  }
  expect(guarantee).toEqual(text);
  expect(coverage).toMatchObject({ localStates, reactions, depth, neverTaken, impossible });
}

/**
 * Those with more than 100,000 states in some variant, and `rmp-lock`, which has a case of its own.
 * Threads themselves are tested end to end.
 */
const LARGE = [
  'rmp-churn',
  'rmp-double-prepare',
  'rmp-host-write-race',
  'rmp-lock',
  'oslock-dbgoslar-key',
  'oslock-shared-tde',
  'sld-cpu-offline',
  'sld-migrated-after-put-cpu',
  'sld-one-work-item',
];
const kindsOf = ({ name, variant }: (typeof SHIPPED)[number]): string =>
  [...new Set(topologyOf(shipped(name, variant)).actors.map(({ kind }) => kind))].sort().join(', ');

/**
 * One of each set of kinds of actors: how a space is shared depends on these and their messages,
 * not on the design that is searched.
 */
const CASES = [
  ...new Map(
    SHIPPED.filter(({ name }) => !LARGE.includes(name))
      .reverse()
      .map((one) => [kindsOf(one), one]),
  ).values(),
];

describe('searches that share a space', () => {
  it.each(CASES.map(({ name, variant }) => [name, variant] as const))('agree with one: %s %s', (name, variant) => {
    agreed(shipped(name, variant), variant.length % 2 === 0 ? 2 : 3);
  });

  it('agree where commands, completions and interrupts are in flight', () => {
    for (const peers of [2, 4]) agreed(firmware, peers);
  });

  it('agree on rmp-lock, whose counts others have found', () => {
    const scenario = shipped('rmp-lock');
    const { reports } = together(scenario, 4);
    expect(combined(scenario, reports, null)).toMatchObject({ states: 232_105, transitions: 643_436, unchanged: 445_176, reactions: 403 });
    // Each has its share.
    for (const { states } of reports) expect(states).toBeGreaterThan(50_000);
  });

  it('need more rounds where boxes are small, and find the same', () => {
    const scenario = shipped('vmsa-in-use-kick', 'no-kick');
    const small = together(scenario, 2, 900);
    expect(small.rounds).toBeGreaterThan(together(scenario, 2).rounds);
    agreed(scenario, 2, 900);
  });

  it('refuse boxes in which the successors of one state have no room', () => {
    expect(() => together(shipped('rmp-lock'), 2, BOX_HEAD)).toThrow(SizeError);
  });

  it('give the schedule that one search gives where the least deviating one is out of reach', () => {
    const request = { scenario: shipped('rmpadjust-vs-rmpupdate', 'inuse'), maxStates: 1_000_000 };
    const facts = combined(request.scenario, together(request.scenario, 2).reports, null);
    const [finding] = facts.findings;
    const way = finish(searchedWay(request)(finding!));
    expect(way!.labels).toHaveLength(finding!.steps);
    expect(way).toEqual(finish(searchedWay(request)(finding!)));
  });

  it('find a deadlock at its depth, and a violation in the first state', () => {
    const actors = ['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null }));
    const topology = { actors, machines: { node: machineOf(chain(3, { on: {} })) }, catalogue: CATALOGUE };
    const chained = toy(topology);
    const stuck = combined(chained, together(chained, 3).reports, null);
    expect(stuck.findings).toEqual([{ property: 'deadlock', message: expect.any(String), steps: 6 }]);
    const broken = toy(topology, [rule(() => 'from the start')]);
    expect(combined(broken, together(broken, 3).reports, null)).toMatchObject({ states: 1, transitions: 0, findings: [{ steps: 0 }] });
  });

  it('agree with one on any model, whatever is in flight', () => {
    fc.assert(
      fc.property(MODELS, fc.integer({ min: 2, max: 4 }), fc.constantFrom(600, 1 << 12), (model, peers, integers) => {
        agreed(toy(topologyOfModel(model)), peers, integers);
      }),
      { numRuns: 60, seed: 20_261 },
    );
  });
});
