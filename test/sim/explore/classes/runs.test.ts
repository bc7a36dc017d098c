/**
 * Random runs stay within what a search over classes has met: each state that a run comes to is one
 * that some class stands for.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Explorer } from '../../../../sim/explore/breadth/explorer.ts';
import { classified } from '../../../../sim/explore/classes/classified.ts';
import type { ClassSearch } from '../../../../sim/explore/classes/search.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import type { Sequencer } from '../../../../sim/sequencer.ts';
import { engineOf, play, seeds, shipped } from '../../play.ts';
import { Standing } from './against-plain.ts';
import { HOSTS, resolvedHost } from './hosts.ts';
import { registerLooks } from './sights-of-hosts.ts';

// What it answers is called in the end, and takes the properties away.
beforeAll(registerLooks);

const STATES_MAX = 15_000;
const RUNS = 6;
/** What runs for longer is interrupted without end. */
const STEPS_MAX = 400;
const DRAWN = 20;
const DRAWN_STATES_MAX = 1_500;
const SEED = 20_262;

/** The state of a run, as a row of a search. */
function rowOf({ store, locals, channels }: Sequencer, { world }: ClassSearch): number[] {
  const row = [...locals].map((local, slot) =>
    world.store.local(world.store.kindOfSlot[slot]!, store.kindOfSlot[slot]!.locals.values[local]!),
  );
  for (const { from, to, events } of channels.ordered)
    row[world.channel(from, to)] = world.lists.put(events.map((event) => world.store.event(store.events.values[event]!)));
  return Array.from(row, (value) => value ?? 0);
}

/** Plays random runs. @returns states that were looked up, and those that nothing stands for */
function played(scenario: ResolvedScenario, states: number): { readonly looked: number; readonly strange: number } | null {
  const { search, limit } = finish(classified({ scenario, budget: { states }, renames: 'cpus' }));
  if (limit !== null) return null;
  const standing = new Standing(search);
  const found = { looked: 0, strange: 0 };
  const engine = engineOf(scenario, 'memo');
  for (const seed of seeds(RUNS)) {
    const { run } = play(scenario, seed, engine, ({ sequencer }) => {
      const row = rowOf(sequencer, search);
      found.looked++;
      if (standing.of(row) < 0) found.strange++;
      return sequencer.step >= STEPS_MAX;
    });
    const { end } = run;
    if (end?.violation) expect(search.verdicts.findings.map(({ property }) => property)).toContain(end.violation.property);
    for (const id of run.met.keys()) expect([...search.verdicts.reached.keys()]).toContain(id);
  }
  return found;
}

const SCENARIOS = [
  ['sld-warn-preempted', 'gen1'],
  ['sld-traps-again', 'gen1'],
  ['rmpadjust-vs-rmpupdate', 'inuse'],
  ['vmsa-in-use-kick', 'kick'],
  ['sld-timer-livelock', 'progress'],
] as const;

describe('random runs', () => {
  it.each(SCENARIOS)('of %s %s come to states that classes stand for', (name, variant) => {
    const found = played(shipped(name, variant), STATES_MAX);
    expect(found).toMatchObject({ strange: 0 });
    expect(found?.looked).toBeGreaterThan(RUNS);
  });

  it(`of random hosts come to states that classes stand for, with seed ${SEED}`, () => {
    let looked = 0;
    fc.assert(
      fc.property(HOSTS, (host) => {
        const scenario = resolvedHost(host);
        // Classes of a large space take long, though there are few.
        const plain = new Explorer({ scenario, budget: { states: DRAWN_STATES_MAX } });
        if (!finish(plain.run()).exhausted) return;
        const found = played(scenario, DRAWN_STATES_MAX);
        if (found === null) return;
        expect(found.strange).toBe(0);
        looked += found.looked;
      }),
      { numRuns: DRAWN, seed: SEED },
    );
    expect(looked).toBeGreaterThan(DRAWN);
  });
});
