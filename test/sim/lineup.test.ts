/** Sums by slot, and who can act: the same as from a list of all alternatives. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CountedOffers } from '../../actors/host/counted-offers.ts';
import { countedOffers } from '../../actors/host/counted-offers.ts';
import { hostSchedulerMachine, type SchedulerContext } from '../../actors/host/host-scheduler.ts';
import { FifoChooser } from '../../sim/choosers/fifo.ts';
import { InLine, nextInOrder, nextOf } from '../../sim/choosers/in-order.ts';
import { Sequencer } from '../../sim/sequencer.ts';
import { Tally } from '../../sim/tally.ts';
import { bigHost } from './big-host.ts';
import { inCanonicalOrder, lineupOf } from './lined-up.ts';
import { engineOf } from './play.ts';

describe('a tally', () => {
  const changes = fc.array(fc.tuple(fc.nat(12), fc.nat(4)), { maxLength: 40 });

  it('sums up what stands before each slot, and finds the slot of each unit', () => {
    fc.assert(
      fc.property(changes, (all) => {
        const tally = new Tally(13);
        const plain = Array.from({ length: 13 }, () => 0);
        for (const [slot, value] of all) {
          tally.set(slot, value);
          plain[slot] = value;
        }
        const units = plain.flatMap((value, slot) => Array.from({ length: value }, () => slot));
        expect(tally.total).toBe(units.length);
        expect(units.map((_, index) => tally.slotOf(index))).toEqual(units);
        for (let slot = 0; slot < 13; slot++) {
          expect(tally.before(slot)).toBe(units.filter((other) => other < slot).length);
          expect(tally.from(slot)).toBe(units.find((other) => other >= slot) ?? -1);
        }
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('of no slots has nothing', () => {
    expect([new Tally(0).total, new Tally(0).from(0)]).toEqual([0, -1]);
  });
});

describe('offers that are counted', () => {
  const CPUS = ['pcpu:0', 'pcpu:1', 'pcpu:2', 'pcpu:3'];
  const THREADS = ['thread:a/0', 'thread:b/0', 'thread:c/0', 'thread:d/0', 'thread:e/0'];
  const { offers } = (hostSchedulerMachine.root.states.up as { readonly meta: unknown }).meta as {
    readonly offers: ReturnType<typeof countedOffers<SchedulerContext>>;
  };
  const context = fc
    .record({
      on: fc.array(fc.integer({ min: -1, max: 3 }), { minLength: 5, maxLength: 5 }),
      stopped: fc.subarray(CPUS),
      bound: fc.subarray(THREADS),
    })
    .map(({ on, stopped, bound }): SchedulerContext => {
      const rq = Object.fromEntries(CPUS.map((cpu, index) => [cpu, THREADS.filter((_, thread) => on[thread] === index)]));
      return { cpus: CPUS, rq, asleep: {}, stopped, wokenEarly: [], bound: Object.fromEntries(bound.map((thread) => [thread, CPUS[0]!])) };
    });

  it('of the scheduler are each free thread with each other CPU that runs', () => {
    fc.assert(
      fc.property(context, (c) => {
        const pairs = CPUS.flatMap((from) =>
          c.rq[from]!.filter((thread) => c.bound![thread] === undefined).flatMap((thread) =>
            CPUS.filter((to) => to !== from && !c.stopped.includes(to)).map((to) => ({ type: 'migrate', thread, to })),
          ),
        );
        const counted = offers.counted(c);
        expect(counted.count).toBe(pairs.length);
        expect(pairs.map((_, index) => counted.at(index))).toEqual(pairs);
        expect(offers(c)).toEqual(pairs);
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  it('are listed from how they are counted', () => {
    const three: CountedOffers = { count: 3, at: (index) => ({ type: `offer-${index}` }) };
    expect(countedOffers(() => three)(null).map(({ type }) => type)).toEqual(['offer-0', 'offer-1', 'offer-2']);
  });
});

describe('the sequencer', () => {
  const scenario = bigHost({ cpus: 5, vcpus: 9 });

  it('finds by its index each alternative that it lists, and counts them all', () => {
    const sequencer = new Sequencer(engineOf(scenario, 'memo'));
    sequencer.start();
    for (let step = 0; step < 300; step++) {
      const all = sequencer.alternatives();
      expect(inCanonicalOrder(all)).toEqual(all);
      expect(new Set(all.map(({ label }) => label)).size).toBe(sequencer.count);
      const { lineup } = sequencer;
      const listed = lineupOf(all);
      expect([lineup.heads, lineup.movers, lineup.count]).toEqual([listed.heads, listed.movers, listed.count]);
      for (const { kind, slot } of all) {
        if (kind === 'exec') expect([lineup.movesOf(slot), lineup.firstMove(slot)]).toEqual([listed.movesOf(slot), listed.firstMove(slot)]);
        if (kind === 'offer')
          expect([lineup.offersOf(slot), lineup.firstOffer(slot)]).toEqual([listed.offersOf(slot), listed.firstOffer(slot)]);
      }
      sequencer.take((step * 7) % sequencer.count);
    }
  });

  it('has what it had before, when it goes back', () => {
    const sequencer = new Sequencer(engineOf(scenario, 'memo'));
    sequencer.start();
    const take = (step: number) => sequencer.take((step * 7) % sequencer.count);
    for (let step = 0; step < 30; step++) take(step);
    const before = sequencer.alternatives();
    take(30);
    const mark = sequencer.markBefore();
    for (let step = 31; step < 60; step++) take(step);
    expect(sequencer.alternatives()).not.toEqual(before);
    sequencer.rewind(mark);
    expect(sequencer.alternatives()).toEqual(before);
  });
});

describe('fifo', () => {
  const candidate = fc.record({ kind: fc.constantFrom('deliver', 'exec', 'offer'), slot: fc.nat(9), arrival: fc.nat(99) });
  const views = fc.array(fc.array(candidate, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 12 });

  it('chooses by counts what the rule chooses from a list', () => {
    fc.assert(
      fc.property(views, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), (stories, yields) => {
        const fifo = new FifoChooser();
        for (const [at, story] of stories.entries()) {
          const all = inCanonicalOrder(story.map((each) => ({ ...each, label: '' }) as Parameters<typeof inCanonicalOrder>[0][number]));
          const view = { count: all.length, lineup: lineupOf(all), alternative: (i: number) => all[i]!, alternatives: () => all };
          const { index } = nextInOrder(fifo.memory, all);
          expect(fifo.choose(view)).toBe(index);
          fifo.observe({ ...STEP, kind: all[index]!.kind, slot: all[index]!.slot, yields: yields[at]! });
        }
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});

describe('the rule of the in-order run', () => {
  const candidate = fc.record({ kind: fc.constantFrom('deliver', 'exec', 'exec', 'offer'), slot: fc.nat(9), arrival: fc.nat(99) });
  const memory = fc.record({
    running: fc.integer({ min: -1, max: 9 }),
    waiting: fc.uniqueArray(fc.nat(9)).map((slots) => slots.sort((one, other) => one - other)),
  });

  it('says the same by counts and from a list, whatever it remembers', () => {
    fc.assert(
      fc.property(fc.array(candidate, { minLength: 1, maxLength: 8 }), memory, (some, remembered) => {
        const all = inCanonicalOrder(some.map((each) => ({ ...each, label: '' }) as Parameters<typeof inCanonicalOrder>[0][number]));
        expect(nextOf(remembered, new InLine(lineupOf(all)))).toEqual(nextInOrder(remembered, all));
      }),
      { seed: 4, numRuns: 1_000 },
    );
  });
});

const STEP = { event: 0, local: 0, changed: true, waits: false, isProgress: true, ran: true, touched: [] };
