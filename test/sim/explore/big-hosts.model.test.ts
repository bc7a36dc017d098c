/**
 * Searches of hosts with more CPUs than a space can be searched for: each gets on, says that it was
 * stopped soon after it was told to, or is refused with a reason.
 */
import { describe, expect, it } from 'vitest';
import { MemoEngine } from '../../../sim/engine/memo.ts';
import { ComponentGraph } from '../../../sim/explore/classes/component-graph.ts';
import { ClassSearch } from '../../../sim/explore/classes/search.ts';
import { explore } from '../../../sim/explore/explore.ts';
import type { Search } from '../../../sim/explore/request.ts';
import { Sampler } from '../../../sim/explore/sampling/sampler.ts';
import { Exchange } from '../../../sim/explore/space/exchange.ts';
import { SizeError } from '../../../sim/explore/space/state-space.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import { bigHost } from '../big-host.ts';

/** The first turn of a search, which is told to stop there. */
function stoppedAtOnce<R>(search: Search<R>): { readonly turns: number; readonly result: R } {
  let turn = search.next();
  const turns = turn.done ? 0 : 1;
  if (!turn.done) turn = search.next(true);
  if (!turn.done) throw new Error('the search goes on after it was stopped');
  return { turns, result: turn.value };
}

describe('a search of a big host', () => {
  it('gets on where a state has thousands of successors', () => {
    const { states, limit } = finish(explore({ scenario: bigHost({ cpus: 18 }), maxStates: 400 }));
    expect({ states, limit }).toEqual({ states: 400, limit: 'states' });
  });

  it('over classes stops while the first class still grows', () => {
    const scenario = bigHost({ cpus: 24 });
    const search = new ClassSearch({ scenario, budget: { states: 10 }, renames: 'cpus' }, new MemoEngine(topologyOf(scenario)));
    expect(stoppedAtOnce(search.run())).toEqual({ turns: 1, result: 'stopped' });
    expect(search.graph.size).toBeGreaterThan(100);
    expect(search.space.count).toBe(0);
  });

  it('over classes is refused where their graph outgrows its bound', () => {
    const scenario = bigHost({ cpus: 8 });
    const { parts, steps, world } = new ClassSearch(
      { scenario, budget: { states: 10 }, renames: 'none' },
      new MemoEngine(topologyOf(scenario)),
    );
    const graph = new ComponentGraph(parts, steps, 10_000);
    const { configuration, program } = parts.split(world.initial);
    steps.fit();
    expect(() => graph.componentOf(graph.put(configuration, program))).toThrow(
      /too many to stand in classes; expected fewer CPUs or threads/,
    );
  });

  it('draws schedules that can be stopped on the way', () => {
    const sampler = new Sampler({
      scenario: bigHost({ cpus: 32 }),
      strategy: 'random',
      seed: 0,
      schedules: 1,
      stepsMax: 100_000,
      depth: 3,
      verify: false,
    });
    const { turns, result } = stoppedAtOnce(sampler.run());
    expect({ turns, limit: result.limit, schedules: result.schedules }).toEqual({ turns: 1, limit: 'stopped', schedules: 0 });
    expect(result.steps).toBeGreaterThan(100);
  });

  it('is refused where a column has more alternatives than are told apart', () => {
    expect(() => finish(explore({ scenario: bigHost({ cpus: 65, vcpus: 65 }), maxStates: 10_000 }))).toThrow(SizeError);
  });

  it('is refused where workers cannot hand on the successors of a state', () => {
    const exchange = new Exchange(
      0,
      [0, 1].map(() => new Int32Array(64)),
    );
    expect(() => exchange.mustHold(2, 8)).not.toThrow();
    expect(() => exchange.mustHold(7, 8)).toThrow('a search without --workers');
  });
});
