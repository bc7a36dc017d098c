/**
 * What the tests of deadlocks leave out: who holds a lock now, asks that come later, a scheduler
 * that computes, blocks.
 */
import { describe, expect, it } from 'vitest';
import { assign } from 'xstate';
import { openJournal } from '../../../replay/open.ts';
import { reexecute } from '../../../replay/reexecute.ts';
import { memorySource } from '../../../replay/source.ts';
import { Changers } from '../../../sim/deadlock.ts';
import { DEADLOCK } from '../../../sim/end.ts';
import type { Topology } from '../../../sim/store.ts';
import { engineOf, journalOf, play } from '../play.ts';
import { actor, deadlockIn, LOCK_CATALOGUE, machine, offers, say, send, stays } from './lock-toy.ts';
import { toy } from './toy.ts';

const page = machine({
  id: 'page',
  initial: 'free',
  states: {
    free: { tags: 'rest', on: { lock: { target: 'held', actions: say('granted') } } },
    held: { tags: 'rest', on: { lock: { actions: say('refused') }, unlock: 'free' } },
  },
});
const first = machine({
  id: 'first',
  initial: 'asks',
  states: {
    asks: { meta: offers('exec'), on: { exec: { actions: send('page:0', 'lock') }, granted: 'holds', refused: stays } },
    holds: { meta: offers('exec'), on: { exec: { target: 'done', actions: [send('page:0', 'unlock'), send('second:0', 'go')] } } },
    done: { tags: 'rest' },
  },
});
/** Asks for the page in every second step of its loop. */
const third = machine({
  id: 'third',
  initial: 'idle',
  states: {
    idle: { tags: 'rest', on: { go: 'pauses' } },
    pauses: { meta: { ...offers('exec'), waits: ['loop'] }, on: { exec: 'asks', refused: stays } },
    asks: {
      meta: { ...offers('exec'), waits: ['loop'] },
      on: { exec: { target: 'pauses', actions: send('page:0', 'lock') }, granted: 'done', refused: 'pauses' },
    },
    done: { tags: 'rest' },
  },
});
/** Takes the page after the first one has left it, wakes the third, and never gives it back. */
const second = machine({
  id: 'second',
  initial: 'idle',
  states: {
    idle: { tags: 'rest', on: { go: 'asks' } },
    asks: { meta: offers('exec'), on: { exec: { actions: send('page:0', 'lock') }, granted: 'holds', refused: stays } },
    holds: { meta: offers('exec'), on: { exec: { target: 'stuck', actions: send('third:0', 'go') } } },
    stuck: {},
  },
});
const handedOn: Topology = {
  actors: ['first:0', 'second:0', 'third:0', 'page:0'].map(actor),
  machines: { first, second, third, page },
  catalogue: LOCK_CATALOGUE,
};
const MESSAGE = 'second:0 stands in stuck; third:0 waits for page:0, held by second:0';

describe('who holds what a dead actor waits for', () => {
  it('is the actor that changed it last', () => {
    const changers = new Changers();
    for (const from of [1, 2, 1, 3, 2]) changers.note(0, from);
    expect(changers.of(0)).toEqual([2, 3, 1]);
  });

  it('is told of a lock that went from one to the other, though the ask comes a step later, by a search', () => {
    expect(deadlockIn(handedOn)).toMatchObject({ message: MESSAGE });
  });

  it.each(['live', 'memo'] as const)('and by a run of the %s engine', (name) => {
    const scenario = toy(handedOn);
    const { end } = play(scenario, { name: 'fifo' }, engineOf(scenario, name));
    expect(end).toMatchObject({ ended: 'deadlock', violation: { property: DEADLOCK, message: MESSAGE } });
  });
});

describe('a scheduler that says that it computes', () => {
  const poller = machine({ id: 'node', initial: 'waits', states: { waits: { meta: offers('exec'), on: { exec: stays } } } });
  const scheduler = (schedules: boolean) =>
    machine({
      id: 'other',
      initial: 'a',
      meta: { schedules },
      states: {
        a: { tags: 'rest', meta: { ...offers('exec'), computes: true }, on: { exec: 'b' } },
        b: { tags: 'rest', meta: { ...offers('exec'), computes: true }, on: { exec: 'a' } },
      },
    });
  const beside = (schedules: boolean): Topology => ({
    actors: ['node:0', 'other:0'].map(actor),
    machines: { node: poller, other: scheduler(schedules) },
    catalogue: LOCK_CATALOGUE,
  });

  it('is no way out of a deadlock: no program ran', () => {
    expect(deadlockIn(beside(true))).toMatchObject({ steps: 0 });
    expect(deadlockIn(beside(false))).toBeUndefined();
  });

  it('is none for a run either', () => {
    const { end } = play(toy(beside(true)), { name: 'random-uniform', seed: 1 });
    expect(end).toMatchObject({ ended: 'deadlock', violation: { step: 0 } });
  });
});

describe('a deadlock at the end of a block of records', () => {
  const counter = (steps: number) =>
    machine({
      id: 'node',
      context: { count: 0 },
      initial: 'goes',
      states: {
        goes: {
          meta: offers('exec'),
          on: {
            exec: [
              {
                guard: ({ context }: never) => (context as { count: number }).count < steps - 1,
                actions: assign({ count: ({ context }: never) => (context as { count: number }).count + 1 } as never),
              },
              { target: 'stuck' },
            ],
          },
        },
        stuck: { meta: offers('exec'), on: { exec: stays } },
      },
    });

  // A step writes two records, a poll one: a block of 4096 is full between the deadlock and the
  // 64th poll.
  it.each([2000, 2020, 2040, 2047, 2048, 2060])('ends the run, and its journal, in the first dead state: after %i steps', (steps) => {
    const scenario = toy({ actors: [actor('node:0')], machines: { node: counter(steps) }, catalogue: LOCK_CATALOGUE });
    const { end, records } = play(scenario, { name: 'fifo' });
    expect(end).toMatchObject({ ended: 'deadlock', violation: { property: DEADLOCK, step: steps } });
    expect(records.filter(({ kind }) => kind === 'choice').map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
    const { bytes } = journalOf(scenario, { name: 'fifo' }, engineOf(scenario, 'live'));
    const journal = openJournal(memorySource(bytes));
    expect(journal.steps).toBe(steps);
    expect(reexecute(journal)).toMatchObject({ identical: true, steps });
  });
});
