/**
 * The walk against the sequencer and against its own dependencies: same alternatives, same digests,
 * and steps that commute where it says so.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { RandomUniformChooser } from '../../../sim/choosers/random-uniform.ts';
import { MemoEngine } from '../../../sim/engine/memo.ts';
import { Digests } from '../../../sim/explore/sampling/digests.ts';
import { WalkView } from '../../../sim/explore/sampling/walk-view.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import { Prng, splitSeed } from '../../../sim/prng.ts';
import { Walk } from '../../../sim/rows/walk.ts';
import { WorldStep } from '../../../sim/rows/world-step.ts';
import { Sequencer } from '../../../sim/sequencer.ts';
import type { Topology } from '../../../sim/store.ts';
import { SHIPPED, shipped } from '../play.ts';

const STEPS_MAX = 400;

const walkOf = (topology: Topology): Walk => new Walk(new WorldStep(new MemoEngine(topology)), () => false);

/** Of the scenario that is tested. */
let topology: Topology;
let walk: Walk;

describe.each(SHIPPED)('a walk of $name $variant', ({ name, variant }) => {
  beforeAll(() => {
    topology = topologyOf(shipped(name, variant));
    walk = walkOf(topology);
  });

  it('has the alternatives and the digest of the sequencer at every step', () => {
    const engine = new MemoEngine(topology);
    for (let seed = 1; seed <= 6; seed++) {
      const sequencer = new Sequencer(engine);
      const random = new RandomUniformChooser(seed);
      sequencer.start();
      walk.reset();
      for (let step = 0; step < STEPS_MAX && sequencer.count > 0; step++) {
        const labels = Array.from({ length: walk.count }, (_, index) => walk.label(index));
        const digest = { a: walk.laneA, b: walk.laneB };
        expect({ labels, digest }).toEqual({ labels: sequencer.alternatives().map(({ label }) => label), digest: sequencer.digest });
        const index = random.choose(sequencer);
        sequencer.take(index);
        walk.take(index);
      }
      expect(walk.count).toBe(sequencer.count);
    }
  });

  it('lets steps change places that it says do not depend on each other', () => {
    const view = new WalkView(walk);
    const prng = new Prng(7);
    let pairs = 0;
    for (let tried = 0; tried < 60; tried++) {
      const trail = randomTrail(walk, prng, prng.below(120));
      if (walk.count < 2) continue;
      const first = prng.below(walk.count);
      const racing = [...view.racing(first).subarray(0, walk.count)];
      const keys = racing.map((_, index) => view.key(index));
      for (const [second, races] of racing.entries()) {
        if (races === 1 || second === first) continue;
        pairs++;
        const oneWay = digestAfter(walk, view, trail, [keys[first]!, keys[second]!]);
        const otherWay = digestAfter(walk, view, trail, [keys[second]!, keys[first]!]);
        expect(oneWay).toEqual(otherWay);
      }
    }
    // On one CPU, or of one thread, each step is before or after any other.
    const { host, processes } = shipped(name, variant);
    if (host.cpus > 1 && processes.flatMap(({ threads }) => threads).length > 1) expect(pairs).toBeGreaterThan(0);
  });
});

function randomTrail(walk: Walk, prng: Prng, length: number): number[] {
  walk.reset();
  const trail: number[] = [];
  while (trail.length < length && walk.count > 0) {
    const index = prng.below(walk.count);
    trail.push(index);
    walk.take(index);
  }
  return trail;
}

/**
 * The digest after the trail and two further events, each by its key; the second must still be
 * there after the first.
 */
function digestAfter(walk: Walk, view: WalkView, trail: readonly number[], keys: readonly number[]): readonly number[] {
  walk.reset();
  for (const index of trail) walk.take(index);
  for (const key of keys) {
    const index = Array.from({ length: walk.count }, (_, at) => view.key(at)).indexOf(key);
    expect(index).toBeGreaterThanOrEqual(0);
    walk.take(index);
  }
  return [walk.laneA, walk.laneB];
}

describe('the dependencies of a walk', () => {
  it('has CPUs race for the lock of one entry, and not where they stand apart', () => {
    const walk = walkOf(topologyOf(shipped('rmp-lock', 'default')));
    const view = new WalkView(walk);
    const at = (label: string): number => Array.from({ length: walk.count }, (_, index) => walk.label(index)).indexOf(label);
    const [mine, same, other] = [at('acquire(vcpu:0, page:0)'), at('acquire(vcpu:1, page:0)'), at('acquire(vcpu:1, page:1)')];
    expect([mine, same, other].every((index) => index >= 0)).toBe(true);
    const racing = view.racing(mine);
    expect([racing[same], racing[other], racing[mine]]).toEqual([1, 0, 0]);
    expect(view.touches(mine, walk.world.store.slotOf.get('page:0')!)).toBe(true);
    expect(view.touches(other, walk.world.store.slotOf.get('page:0')!)).toBe(false);
  });
});

describe('the count of different states', () => {
  it('is that of a set, also for the digest 0, 0', () => {
    const digests = new Digests();
    const set = new Set<string>();
    const prng = new Prng(3);
    for (let i = 0; i < 30_000; i++) {
      const [a, b] = [prng.below(200) - 100, prng.below(200) - 100];
      digests.add(a, b);
      // The pair 0, 0 counts as 1, 0: one state in 2^64.
      set.add(a === 0 && b === 0 ? '1,0' : `${a},${b}`);
    }
    expect(digests.size).toBe(set.size);
  });
});

describe('seeds of single schedules', () => {
  it('are the same each time, safe integers, and differ', () => {
    const seeds = Array.from({ length: 20_000 }, (_, index) => splitSeed(42, index));
    expect(seeds).toEqual(Array.from({ length: 20_000 }, (_, index) => splitSeed(42, index)));
    expect(new Set(seeds).size).toBe(seeds.length);
    expect(seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0)).toBe(true);
    expect(new Set([...seeds, ...Array.from({ length: 20_000 }, (_, index) => splitSeed(43, index))]).size).toBe(40_000);
  });
});
