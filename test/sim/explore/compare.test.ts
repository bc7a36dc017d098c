/**
 * Outcomes over all schedules, against every schedule played to its end by the sequencer, one after
 * the other.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoEngine } from '../../../sim/engine/memo.ts';
import { type ComparedVariant, compareVariant } from '../../../sim/explore/compare.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { outcomesOf } from '../../../sim/host/outcomes.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import { Sequencer } from '../../../sim/sequencer.ts';
import type { Topology } from '../../../sim/store.ts';
import { WorldView } from '../../../sim/view.ts';
import { play, shipped } from '../play.ts';
import { CATALOGUE, machineOf, rule, type StateTable, toy } from './toy.ts';

const compared = (scenario: ResolvedScenario, maxStates = 100_000): ComparedVariant => finish(compareVariant(scenario, { maxStates }));

/** The outcomes at the end of every schedule: each is played from the start. */
function* ends(topology: Topology, prefix: readonly number[] = []): Generator<Readonly<Record<string, number>>> {
  const sequencer = new Sequencer(new MemoEngine(topology));
  sequencer.start();
  for (const index of prefix) sequencer.take(index);
  if (sequencer.count === 0) yield outcomesOf(new WorldView(sequencer.store, sequencer.locals), 'amd');
  for (let index = 0; index < sequencer.count; index++) yield* ends(topology, [...prefix, index]);
}

/** VMs and CPUs as outcomes count them: the context says what befell them. */
const PARTS = {
  fine: { dead: null, panicReason: null },
  dead: { dead: 'dead', panicReason: null },
  bugged: { dead: 'bugged', panicReason: null },
  panicked: { dead: null, panicReason: 'a test' },
};
const fated = (states: Readonly<Record<string, StateTable>>) => machineOf(states, 0, PARTS.fine);

describe('outcomes over all schedules', () => {
  const fates = fc.constantFrom('fine' as const, 'dead' as const, 'bugged' as const, 'panicked' as const);
  const lives = fc.record({ b: fates, c: fates, d: fates, ask: fc.boolean() });

  it('are those of every single schedule: in all, in some, in none', () => {
    fc.assert(
      fc.property(lives, lives, (first, second) => {
        const life = ({ b, c, d, ask }: typeof first, other: string) =>
          fated({
            a: { on: { exec: { to: 'b', ...(ask && { sends: [{ to: other, type: 'ask' }] }) }, nudge: { to: 'c' }, ask: { to: 'c' } } },
            b: { sets: PARTS[b], on: { exec: { to: 'd' }, ask: { to: 'd' } } },
            c: { sets: PARTS[c], on: { ask: { to: 'c' } }, tags: ['rest'] },
            d: { sets: PARTS[d], on: { ask: { to: 'd' } }, tags: ['rest'] },
          });
        const topology: Topology = {
          actors: [
            { id: 'vm:0', kind: 'vm', input: null },
            { id: 'pcpu:0', kind: 'pcpu', input: null },
          ],
          machines: { vm: life(first, 'pcpu:0'), pcpu: life(second, 'vm:0') },
          catalogue: CATALOGUE,
        };
        const scenario = toy(topology);
        const all = [...ends(topology)];
        const { outcomes, exhausted } = compared(scenario);
        expect(exhausted).toBe(true);
        expect(all.length).toBeGreaterThan(2);
        for (const name of Object.keys(all[0]!)) {
          const with_ = all.filter((one) => one[name]! > 0);
          expect({ name, ...outcomes[name], witness: null }).toEqual({
            name,
            reachable: with_.length > 0,
            inAll: with_.length === all.length,
            witness: null,
          });
          const { witness } = outcomes[name]!;
          expect(witness === null).toBe(with_.length === 0);
          if (witness) expect(endOf(scenario, witness)[name]).toBeGreaterThan(0);
        }
      }),
      { numRuns: 60, seed: 11 },
    );
  });

  it('go on where a property has broken, and behind a machine that has halted', () => {
    const one = (states: Readonly<Record<string, StateTable>>, kind: string): Topology => ({
      actors: [{ id: `${kind}:0`, kind, input: null }],
      machines: { [kind]: fated(states) },
      catalogue: CATALOGUE,
    });
    const always = rule((world) => (world.actors('vm')[0]!.value === 'b' ? 'at b' : null));
    const dies: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b' } } },
      b: { on: { exec: { to: 'c' } } },
      c: { sets: PARTS.dead, on: {}, tags: ['rest'] },
    };
    expect(compared(toy(one(dies, 'vm'), [always]))).toMatchObject({
      verdict: 'violation',
      outcomes: {
        guestsKilled: { reachable: true, inAll: true, witness: ['exec(vm:0)', 'exec(vm:0)'] },
        hostPanics: { reachable: false, inAll: false, witness: null },
      },
    });
    const halts: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b' } } },
      b: { on: { exec: { to: 'c' } }, tags: ['halt'] },
      c: { sets: PARTS.panicked, on: {}, tags: ['rest', 'halt'] },
    };
    const witness = ['exec(pcpu:0)', 'exec(pcpu:0)'];
    expect(compared(toy(one(halts, 'pcpu'))).outcomes.hostPanics).toEqual({ reachable: true, inAll: true, witness });
  });

  it('of a shipped scenario are those of its runs: the designs differ where the thread says', () => {
    const [inuse, overlap] = ['inuse', 'overlap-2m'].map((variant) => compared(shipped('rmpadjust-vs-rmpupdate', variant)));
    expect(inuse).toMatchObject({ verdict: 'violation', exhausted: true, outcomes: { guestsBugged: { reachable: true, inAll: false } } });
    expect(overlap).toMatchObject({
      verdict: 'clean',
      exhausted: true,
      outcomes: { guestsBugged: { reachable: false, inAll: false, witness: null } },
    });
    expect(endOf(shipped('rmpadjust-vs-rmpupdate', 'inuse'), inuse!.outcomes.guestsBugged!.witness!).guestsBugged).toBe(1);
  });

  it('are not found where the search ended early, and then nothing is in all', () => {
    const early = compared(shipped('rmpadjust-vs-rmpupdate', 'inuse'), 10);
    expect(early).toMatchObject({ verdict: 'unknown', exhausted: false });
    expect(Object.keys(early.outcomes)).toHaveLength(8);
    for (const range of Object.values(early.outcomes)) expect(range).toMatchObject({ reachable: false, inAll: false, witness: null });
    const late = compared(shipped('rmpadjust-vs-rmpupdate', 'inuse'), 11_400);
    expect(late.exhausted).toBe(false);
    for (const range of Object.values(late.outcomes)) expect(range.inAll).toBe(false);
  });
});

/** Outcomes where these choices lead. */
function endOf(scenario: ResolvedScenario, labels: readonly string[]): Readonly<Record<string, number>> {
  const choices = labels.map((label) => ({ index: 0, label }));
  const unchecked = { ...scenario, properties: { always: [], sometimes: [], eventually: [] } };
  const { run } = play(unchecked, { name: 'replay', choices, match: 'label', after: { name: 'fifo' } });
  expect(run.sequencer.step).toBe(labels.length);
  return outcomesOf(new WorldView(run.sequencer.store, run.sequencer.locals), scenario.host.arch);
}
