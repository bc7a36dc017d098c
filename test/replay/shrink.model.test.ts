/**
 * Shrinking: random failing schedules come down to the optimum, replay, and depend on the order of
 * two steps.
 */
import { describe, expect, it } from 'vitest';
import { openJournal } from '../../replay/open.ts';
import { reexecute } from '../../replay/reexecute.ts';
import { ShrinkError, type Shrunk, shrink } from '../../replay/shrink.ts';
import { memorySource } from '../../replay/source.ts';
import type { ChoiceView, Chooser } from '../../sim/choosers/chooser.ts';
import { FifoChooser } from '../../sim/choosers/fifo.ts';
import { BoundedSearch } from '../../sim/explore/in-order/bounded.ts';
import { finish } from '../../sim/explore/turns.ts';
import { Prng } from '../../sim/prng.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import type { StepOutcome } from '../../sim/sequencer.ts';
import type { Topology } from '../../sim/store.ts';
import type { WorldView } from '../../sim/view.ts';
import { CATALOGUE, chain, machineOf, rule, toy } from '../sim/explore/toy.ts';
import { engineOf, journalOf, play, shipped } from '../sim/play.ts';

interface Failing {
  readonly labels: readonly string[];
  readonly property: string;
}

/** In order, but for a choice now and then that is drawn. */
class Wavering implements Chooser {
  readonly name = 'wavering';
  readonly #fifo = new FifoChooser();
  readonly #prng: Prng;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  choose(view: ChoiceView): number {
    const inOrder = this.#fifo.choose(view);
    return this.#prng.below(8) === 0 ? this.#prng.below(view.count) : inOrder;
  }

  observe(outcome: StepOutcome): void {
    this.#fifo.observe(outcome);
  }
}

/** The first random schedules that break something. */
function failing(scenario: ResolvedScenario, count: number): Failing[] {
  const found: Failing[] = [];
  const engine = engineOf(scenario, 'memo');
  for (let seed = 1; seed <= 1000; seed++) {
    const { end, records } = play(scenario, new Wavering(seed), engine);
    if (!end.violation) continue;
    const labels = records.filter(({ kind }) => kind === 'choice').map(({ payload }) => String(payload.label));
    found.push({ labels, property: end.violation.property });
    if (found.length === count) return found;
  }
  throw new Error(`only ${found.length} of the random runs break something`);
}

const CASES = [
  ['rmp-host-write-race', 'panic-sigbus', 2],
  ['rmp-host-write-race', 'kill-guest', 3],
  ['rmpadjust-vs-rmpupdate', 'inuse', 8],
  ['vmsa-in-use-kick', 'kick', 4],
  ['vmsa-in-use-kick', 'no-kick', 3],
] as const;

const costOf = ({ disturbances, preemptions, switches, steps }: Shrunk['after']) => [disturbances, preemptions, switches, steps];
const labelled = (labels: readonly string[]) =>
  ({ name: 'replay', choices: labels.map((label) => ({ index: 0, label })), match: 'label' }) as const;

/** In the order of costs: the first that differs decides. */
function isAtMost(one: readonly number[], other: readonly number[]): boolean {
  const i = one.findIndex((cost, at) => cost !== other[at]);
  return i < 0 || one[i]! < other[i]!;
}

describe('20 random failing schedules', () => {
  it.each(CASES)(
    'of %s under %s shrink to the optimum and replay twice',
    (name, variant, count) => {
      const scenario = shipped(name, variant);
      const optima = new Map<string, readonly number[]>();
      const optimumOf = (property: string): readonly number[] => {
        const known = optima.get(property);
        if (known) return known;
        const report = finish(new BoundedSearch({ scenario, limits: {}, states: 200_000, until: [property] }).run());
        const found = report.findings.find((finding) => finding.property === property)!;
        const optimum = costOf({ ...found, steps: found.labels.length });
        optima.set(property, optimum);
        return optimum;
      };
      for (const { labels, property } of failing(scenario, count)) {
        const shrunk = finish(shrink(scenario, labels, property));
        // The way to a lasso is the least one; its turn is a short one, and no claim is made that
        // it is the shortest.
        const endless = scenario.properties.eventually.includes(property);
        expect(shrunk.optimal).toBe(!endless);
        if (!endless) expect(costOf(shrunk.after)).toEqual(optimumOf(property));
        else expect(isAtMost(costOf(shrunk.after), costOf(shrunk.before))).toBe(true);
        expect(shrunk.before.steps).toBe(labels.length);
        expect(shrunk.labels).toHaveLength(shrunk.after.steps);
        const journals = [1, 2].map(() => journalOf(scenario, labelled(shrunk.labels), engineOf(scenario, 'live')));
        expect(journals[0]!.bytes).toEqual(journals[1]!.bytes);
        for (const { bytes, run } of journals) {
          expect(run.end?.violation).toMatchObject({ property, step: shrunk.after.steps });
          expect(reexecute(openJournal(memorySource(bytes)))).toMatchObject({ identical: true, steps: shrunk.after.steps });
        }
        expectCritical(scenario, shrunk, property);
      }
    },
    120_000,
  );
});

/** Exchanged, the two of the pair no longer break the property; as they stand they do. */
function expectCritical(scenario: ResolvedScenario, { critical }: Shrunk, property: string): void {
  if (critical === null) return;
  const { step, first, second, labels } = critical;
  expect([labels[step - 1], labels[step]]).toEqual([first, second]);
  expect(play(scenario, labelled(labels)).end.violation?.property).toBe(property);
  const swapped = [...labels.slice(0, step - 1), second, first, ...labels.slice(step + 1)];
  const after = play({ ...scenario, bounds: { ...scenario.bounds, steps: 2000 } }, { ...labelled(swapped), after: { name: 'fifo' } });
  expect(after.end.violation?.property).not.toBe(property);
  const labelsAfter = after.records.filter(({ kind }) => kind === 'choice').map(({ payload }) => String(payload.label));
  expect(labelsAfter.slice(0, swapped.length)).toEqual(swapped.slice(0, labelsAfter.length));
}

describe('shrinking', () => {
  const race = shipped('rmpadjust-vs-rmpupdate', 'inuse');
  const [first] = failing(race, 1);

  it('names the critical pair of a race', () => {
    const { critical } = finish(shrink(race, first!.labels, first!.property));
    expect(critical).not.toBeNull();
    expect(new Set([critical!.first, critical!.second])).toEqual(new Set(['exec(pcpu:0)', 'exec(pcpu:1)']));
    expectCritical(race, { critical } as Shrunk, first!.property);
  });

  it('leaves what is shrunk already as it is, and counts it the same', () => {
    const once = finish(shrink(race, first!.labels, first!.property));
    const twice = finish(shrink(race, once.labels, first!.property));
    expect(twice.before).toEqual(once.after);
    expect(twice.after).toEqual(once.after);
    expect(twice.labels).toEqual(once.labels);
  });

  it.each(['kick', 'no-kick'])('counts a schedule that waits as the search does: vmsa-in-use-kick under %s', (variant) => {
    const scenario = shipped('vmsa-in-use-kick', variant);
    const once = finish(shrink(scenario, failing(scenario, 1)[0]!.labels, 'rmp.retry-bounded'));
    const twice = finish(shrink(scenario, once.labels, 'rmp.retry-bounded'));
    expect(twice.before).toEqual(once.after);
    expect(twice.after).toEqual(once.after);
  });

  it('refuses a schedule that does not break the property', () => {
    const clean = play(race, { name: 'fifo' });
    const labels = clean.records.filter(({ kind }) => kind === 'choice').map(({ payload }) => String(payload.label));
    expect(() => finish(shrink(race, labels, 'rmp.vm-bugged'))).toThrow(ShrinkError);
    expect(() => finish(shrink(race, first!.labels, 'rmp.host-panic'))).toThrow(
      'the schedule does not break rmp.host-panic under this model',
    );
  });

  it('takes choices out where the search for the optimum is stopped, and says that smaller ones may exist', () => {
    // 22 x 22 x 22 states, and a race at the end of them: the search hands the thread back long
    // before it has an answer.
    const ids = ['node:0', 'node:1', 'node:2'];
    const end = { s20: { on: { interrupt: { to: 'hit' } } }, hit: { on: {}, tags: ['rest'] } };
    const topology: Topology = {
      actors: ids.map((id) => ({ id, kind: 'node', input: null })),
      machines: { node: machineOf({ ...chain(20), ...end }) },
      catalogue: CATALOGUE,
    };
    const allHit = (world: WorldView) => (world.actors('node').every(({ value }) => value === 'hit') ? 'all are hit' : null);
    const broken = rule(allHit);
    const scenario = toy(topology, [broken]);
    const alternating = Array.from({ length: 21 }, (_, i) => ids.map((id) => (i < 20 ? `exec(${id})` : `interrupt(${id})`))).flat();
    const search = shrink(scenario, alternating, broken.id);
    expect(search.next().done).toBe(false);
    let turn = search.next(true);
    while (!turn.done) turn = search.next(true);
    expect(turn.value.optimal).toBe(false);
    expect(turn.value.before).toMatchObject({ disturbances: 3, switches: 57, steps: 63 });
    expect(turn.value.after).toMatchObject({ disturbances: 3, steps: 63 });
    expect(turn.value.after.switches).toBeLessThan(57);
    expect(play(scenario, labelled(turn.value.labels)).end.violation?.property).toBe(broken.id);
  });

  it('keeps the property where another one breaks in the same state', () => {
    const topology: Topology = {
      actors: ['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null })),
      machines: { node: machineOf(chain(2)) },
      catalogue: CATALOGUE,
    };
    const stand = (world: WorldView, a: string, b: string) => {
      const [first, second] = world.actors('node').map(({ value }) => value);
      return first === a && second === b ? `${a} ${b}` : null;
    };
    const early = rule((world) => stand(world, 's1', 's1') && 'early');
    const late = rule((world) => stand(world, 's1', 's1') ?? stand(world, 's2', 's0'));
    const scenario = toy(topology, [early, late]);
    const shrunk = finish(shrink(scenario, ['exec(node:0)', 'exec(node:0)'], late.id));
    expect(play(scenario, labelled(shrunk.labels)).end.violation?.property).toBe(late.id);
  });
});
