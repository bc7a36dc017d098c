/**
 * The tables of the search: a cache that may be dropped at any time, rows that widen, columns that
 * come late, lists, the heap.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { channelLaneA, channelLaneB } from '../../../../sim/canonical.ts';
import { Channels } from '../../../../sim/channels.ts';
import { Heap } from '../../../../sim/explore/in-order/heap.ts';
import { LOAD_MAX, StateSpace } from '../../../../sim/explore/space/state-space.ts';
import { topologyOf } from '../../../../sim/host/topology.ts';
import { Lists } from '../../../../sim/rows/lists.ts';
import { Store, type Topology } from '../../../../sim/store.ts';
import { shipped } from '../../play.ts';
import { MODELS, topologyOfModel } from '../arbitrary.ts';
import { digestsOf, drive } from '../drive.ts';
import { naiveSpace } from '../naive-space.ts';
import { CATALOGUE, chain, machineOf } from '../toy.ts';

const SEED = 7;

const counts = ({ space, transitions, unchanged, deliveries }: ReturnType<typeof drive>) => ({
  states: space.count,
  transitions,
  unchanged,
  deliveries,
});

/** A few of one kind that count on their own. */
const counters = (actors: number, length: number): Topology => ({
  actors: Array.from({ length: actors }, (_, i) => ({ id: `node:${i}`, kind: 'node', input: null })),
  machines: { node: machineOf(chain(length)) },
  catalogue: CATALOGUE,
});

describe('the memory of steps', () => {
  const race = topologyOf(shipped('rmpadjust-vs-rmpupdate', 'inuse'));

  it('may be dropped at any time: the same states, transitions and deliveries', () => {
    const whole = counts(drive(race));
    for (const every of [60, 700]) {
      const dropped = drive(race, { drops: (call) => call % every === every - 1 });
      expect(counts(dropped)).toEqual(whole);
      expect(dropped.trie.clears).toBeGreaterThan(2);
    }
  });

  // An alternative takes a few calls to learn: drops that come faster than that would keep it from
  // ever being taken.
  const gaps = fc.array(fc.integer({ min: 9, max: 60 }), { minLength: 1, maxLength: 6 });

  it('gives the answers of the oracle, whenever it is dropped and however small the tables start', () => {
    fc.assert(
      fc.property(MODELS, gaps, fc.integer({ min: 1, max: 5 }), (model, pattern, chunk) => {
        const topology = topologyOfModel(model);
        const naive = naiveSpace(topology);
        let drops = 0;
        let next = pattern[0]!;
        const isDue = (call: number) => {
          if (call < next) return false;
          next = call + pattern[++drops % pattern.length]!;
          return true;
        };
        const driven = drive(topology, { capacity: 1, chunk, drops: isDue });
        expect(counts(driven)).toMatchObject({ states: naive.nodes.size, transitions: naive.transitions, unchanged: naive.unchanged });
        expect(digestsOf(driven)).toEqual(new Set([...naive.nodes.values()].map(({ digest }) => digest)));
      }),
      { numRuns: 60, seed: SEED },
    );
  });

  it('outgrows its room when an actor has more local states than it was made for', () => {
    const driven = drive(counters(2, 40));
    expect(driven.space.count).toBe(41 * 41);
    expect(driven.trie.clears).toBeGreaterThan(1);
    expect(Math.min(...driven.trie.room)).toBeGreaterThanOrEqual(41);
  });
});

describe('the state space', () => {
  it('starts with a byte for each column and widens to two by itself', () => {
    const narrow = drive(counters(1, 255), { capacity: 2 });
    expect([narrow.space.rows.BYTES_PER_ELEMENT, narrow.space.count]).toEqual([1, 256]);
    const wide = drive(counters(2, 256), { capacity: 2 });
    expect([wide.space.rows.BYTES_PER_ELEMENT, wide.space.count]).toEqual([2, 257 * 257]);
  });

  it('goes on with what it has when rows widen in the middle of a search, to two bytes and to four', () => {
    const plain = drive(counters(3, 9));
    const widened = drive(counters(3, 9), { chunk: 1, fits: (call) => (call < 300 ? 0 : call < 600 ? 256 : 65_536) });
    expect(widened.space.rows.BYTES_PER_ELEMENT).toBe(4);
    expect(counts(widened)).toEqual(counts(plain));
    expect(digestsOf(widened)).toEqual(digestsOf(plain));
  });

  it.each([
    [255, 1],
    [256, 2],
    [65_535, 2],
    [65_536, 4],
  ])('keeps a row with the value %i in %i bytes a column', (value, bytes) => {
    const space = new StateSpace(3, { capacity: 4 });
    space.first([7, value, 0], -5, 0);
    expect(space.rows.BYTES_PER_ELEMENT).toBe(bytes);
    const row = new Int32Array(3);
    space.read(0, row);
    expect([...row]).toEqual([7, value, 0]);
  });

  it('grows in states, table and columns and keeps rows, parents and hashes', () => {
    const space = new StateSpace(2, { capacity: 2 });
    space.first([3, 4], 0x7fff_fff1, 0);
    space.via[0] = 9;
    space.ends[0] = 1;
    space.reserve(100);
    expect(space.capacity).toBeGreaterThanOrEqual(101);
    expect(101).toBeLessThanOrEqual((space.mask + 1) * LOAD_MAX);
    const place = 2 * (0x7fff_fff1 & space.mask);
    expect([space.table[place], space.table[place + 1]]).toEqual([1, 0x7fff_fff1]);
    space.fitColumns(4);
    const row = new Int32Array(4);
    space.read(0, row);
    expect([...row]).toEqual([3, 4, 0, 0]);
    expect([space.parent[0], space.via[0], space.ends[0]]).toEqual([-1, 9, 1]);
  });

  it('says how many bytes it takes', () => {
    const { space } = drive(counters(3, 9));
    expect(space.bytesPerState).toBeGreaterThan(3 + 9);
    expect(space.bytes).toBeGreaterThanOrEqual(space.count * (space.columns + 9));
  });
});

describe('columns of queues', () => {
  it('appear when a pair of actors first has a message in flight, late in the search', () => {
    const kick = topologyOf(shipped('vmsa-in-use-kick', 'kick-and-block'));
    const driven = drive(kick);
    expect(driven.grew).toEqual([kick.actors.length + 1, kick.actors.length + 2, kick.actors.length + 3]);
    expect(driven.space.columns).toBe(kick.actors.length + 3);
    const tiny = drive(kick, { capacity: 1, chunk: 7, drops: (call) => call % 400 === 399 });
    expect(counts(tiny)).toEqual(counts(driven));
    expect(digestsOf(tiny)).toEqual(digestsOf(driven));
  });
});

describe('lists', () => {
  const storeWith = (events: number) => {
    const store = new Store(counters(2, 1));
    const ids = Array.from({ length: events }, (_, i) => store.event({ type: 'mail', from: `node:${i}` }));
    return { store, ids };
  };

  it('keep each content once, the empty one as 0', () => {
    const { store, ids } = storeWith(12);
    const lists = new Lists(store);
    expect(lists.put([])).toBe(0);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ids)), fc.array(fc.constantFrom(...ids)), (a, b) => {
        expect(lists.put(a) === lists.put(b)).toBe(a.join() === b.join());
        expect(lists.values[lists.put(a)]).toEqual(a);
      }),
      { seed: SEED },
    );
    expect(lists.size).toBe(lists.values.length);
  });

  it('tell 1, 11 from 11, 1', () => {
    const { store } = storeWith(12);
    const lists = new Lists(store);
    expect(lists.put([1, 11])).not.toBe(lists.put([11, 1]));
    expect(lists.put([1, 1, 1])).not.toBe(lists.put([11, 1]));
  });

  it('have the digests of the queues that the sequencer keeps', () => {
    const { store, ids } = storeWith(5);
    const lists = new Lists(store);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ids), { minLength: 1 }), (events) => {
        const channels = new Channels(store);
        for (const [i, event] of events.entries()) channels.push(0, 1, event, i + 1);
        const list = lists.put(events);
        expect(channels.laneA).toBe(channelLaneA(lists.laneA[list]!, 0, 1));
        expect(channels.laneB).toBe(channelLaneB(lists.laneB[list]!, 0, 1));
      }),
      { seed: SEED, numRuns: 20 },
    );
  });
});

describe('the heap', () => {
  it('gives the least first and, among equals, the one that came first, whatever comes between', () => {
    const operation = fc.oneof(
      { weight: 2, arbitrary: fc.integer({ min: 0, max: 9 }) },
      { weight: 1, arbitrary: fc.constant('pop' as const) },
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const heap = new Heap<number>();
        const model: { key: number; order: number }[] = [];
        for (const [order, what] of operations.entries()) {
          if (what === 'pop') {
            model.sort((a, b) => a.key - b.key || a.order - b.order);
            expect(heap.pop()).toBe(model.shift()?.order);
          } else {
            heap.push(what, order);
            model.push({ key: what, order });
          }
          expect(heap.size).toBe(model.length);
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});
