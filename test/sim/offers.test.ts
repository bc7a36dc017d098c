/**
 * Offers of a local state: those that are listed and those that are counted stand in one order, and
 * who makes them has a share in a draw by what they are.
 */
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, createMachine } from 'xstate';
import { countedOffers } from '../../actors/host/counted-offers.ts';
import { MemoEngine } from '../../sim/engine/memo.ts';
import { OfferTable } from '../../sim/offers.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { intel, splitLock, wrmsr } from '../claims/split-lock/intel.ts';
import { bigHost } from './big-host.ts';
import { crowded } from './crowded.ts';
import { engineOf, play } from './play.ts';

const CATALOGUE = { nudge: 'offer', preempt: 'offer', interrupt: 'offer' } as const;

/** The n-th offer of a type. */
interface Numbered {
  readonly type: string;
  readonly index?: number;
}

const numbered = (type: string, count: number) => countedOffers(() => ({ count, at: (index): Numbered => ({ type, index }) }));

/** One actor that lists two offers, and counts others in two regions. */
function offersOf(
  few: number,
  many: number,
  listed: readonly Numbered[] = [
    { type: 'nudge', index: 0 },
    { type: 'nudge', index: 1 },
  ],
) {
  const taken = { actions: assign({}) } as object;
  const machine = createMachine({
    context: {},
    type: 'parallel',
    states: {
      a: { tags: 'rest', meta: { offers: () => listed }, on: { nudge: taken } },
      b: { tags: 'rest', meta: { offers: numbered('preempt', few) }, on: { preempt: taken } },
      c: { tags: 'rest', meta: { offers: numbered('interrupt', many) }, on: { interrupt: taken } },
    },
  }) as unknown as AnyStateMachine;
  const engine = new MemoEngine({
    actors: [{ id: 'node:0', kind: 'node', input: null }],
    machines: { node: machine },
    catalogue: CATALOGUE,
  });
  const [local] = engine.start();
  const { store } = engine;
  const offers = new OfferTable(store).of(store.kindOfSlot[0]!, local!);
  const shown = (event: number) => {
    const { type, index } = store.events.values[event] as Numbered;
    return `${type} ${index}`;
  };
  return {
    offers,
    listed: offers.other.map(shown),
    found: Array.from({ length: offers.otherCount }, (_, at) => shown(offers.otherAt(at))),
  };
}

const texts = (type: string, count: number) => Array.from({ length: count }, (_, index) => `${type} ${index}`);

describe('offers that are listed and offers that are counted', () => {
  it.each([
    [3, 4],
    [0, 4],
    [300, 2],
    [2, 300],
  ])('are found one by one as in a list: two, %i and %i', (few, many) => {
    const { listed, found } = offersOf(few, many);
    expect(listed).toEqual([...texts('nudge', 2), ...texts('preempt', few), ...texts('interrupt', many)]);
    expect(found).toEqual(listed);
  });

  it('have the share of what weighs most', () => {
    const weighs = (...given: Parameters<typeof offersOf>) => offersOf(...given).offers.shares;
    expect([weighs(3, 4), weighs(300, 4), weighs(0, 0)]).toEqual([8, 8, 8]);
    expect([weighs(3, 4, []), weighs(300, 4, []), weighs(0, 0, [])]).toEqual([1, 1, 0]);
    const mixed = [{ type: 'interrupt' }, { type: 'nudge' }];
    expect([weighs(0, 0, mixed), weighs(0, 0, [...mixed].reverse()), weighs(0, 0, mixed.slice(0, 1))]).toEqual([8, 8, 1]);
  });
});

describe('the share of an actor', () => {
  /** Shares by kind of actor and type of offer, in all states that a run comes to. */
  function sharesIn(scenario: ResolvedScenario, steps = 400): Readonly<Record<string, number>> {
    const engine = engineOf(scenario, 'memo');
    const { store } = engine;
    const table = new OfferTable(store);
    const shares: Record<string, number> = {};
    play(scenario, { name: 'random', seed: 1 }, engine, ({ sequencer }) => {
      for (const [slot, local] of sequencer.locals.entries()) {
        const offers = table.of(store.kindOfSlot[slot]!, local);
        for (const event of offers.other) shares[`${store.events.values[event]!.type} of ${store.kindOfSlot[slot]!.name}`] = offers.shares;
      }
      return sequencer.step >= steps;
    });
    return shares;
  }

  it('is one for what the scheduler and disturbances do', () => {
    const shares = sharesIn(crowded({}));
    expect(shares).toMatchObject({ 'preempt of pcpu': 1, 'interrupt of pcpu': 1, 'migrate of hostScheduler': 1 });
    expect(Object.keys(shares).length).toBeGreaterThan(3);
    expect(new Set(Object.values(shares))).toEqual(new Set([1]));
  });

  it('is one for the migrations of a big host, which are not listed', () => {
    expect(sharesIn(bigHost({ cpus: 18, vcpus: 18 }), 20)).toMatchObject({ 'migrate of hostScheduler': 1 });
  });

  it('is eight for an option of a program', () => {
    expect(sharesIn(intel({ guest: [{ choose: { of: [[wrmsr(0)], [splitLock(3)]] } }] }))).toMatchObject({ 'choose of vcpu': 8 });
  });
});
