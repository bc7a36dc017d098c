/**
 * What the tests of deadlocks leave out: who holds a lock now, asks that come later, a scheduler
 * that computes, blocks.
 */
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, createMachine, emit } from 'xstate';
import { outgoing, sender } from '../../../events/event.ts';
import type { Choice } from '../../../events/journal.ts';
import { openJournal } from '../../../replay/open.ts';
import { reexecute } from '../../../replay/reexecute.ts';
import { memorySource } from '../../../replay/source.ts';
import { Changers } from '../../../sim/deadlock.ts';
import { DEADLOCK } from '../../../sim/end.ts';
import { explore } from '../../../sim/explore/explore.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { sometimes } from '../../../sim/property.ts';
import type { Topology } from '../../../sim/store.ts';
import { engineOf, journalOf, play } from '../play.ts';
import { search } from './equal.ts';
import { actorIn, machineOf, rule, type StateTable, CATALOGUE as TOY_CATALOGUE, toy } from './toy.ts';

const CATALOGUE = { exec: 'offer', lock: 'bus', unlock: 'bus', granted: 'bus', refused: 'bus', go: 'bus' } as const;
const machine = (config: object): AnyStateMachine => createMachine(config as never) as unknown as AnyStateMachine;
const offers = (...types: string[]) => ({ offers: () => types.map((type) => ({ type })), idles: true });
const send = (to: string, type: string) => emit(outgoing(to as never, { type }) as never);
const say = (type: string) => emit(({ event }: { event: never }) => outgoing(sender(event), { type }) as never);
const stays = { actions: assign({}) };
const actor = (id: string) => ({ id, kind: id.slice(0, id.indexOf(':')), input: null }) as Topology['actors'][number];

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
  catalogue: CATALOGUE,
};
const MESSAGE = 'second:0 stands in stuck; third:0 waits for page:0, held by second:0';

const found = (topology: Topology) =>
  finish(explore({ scenario: toy(topology), maxStates: 10_000 })).violations.find(({ property }) => property === DEADLOCK);

describe('who holds what a dead actor waits for', () => {
  it('is the actor that changed it last', () => {
    const changers = new Changers();
    for (const from of [1, 2, 1, 3, 2]) changers.note(0, from);
    expect(changers.of(0)).toEqual([2, 3, 1]);
  });

  it('is told of a lock that went from one to the other, though the ask comes a step later, by a search', () => {
    expect(found(handedOn)).toMatchObject({ message: MESSAGE });
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
    catalogue: CATALOGUE,
  });

  it('is no way out of a deadlock: no program ran', () => {
    expect(found(beside(true))).toMatchObject({ steps: 0 });
    expect(found(beside(false))).toBeUndefined();
  });

  it('is none for a run either', () => {
    const { end } = play(toy(beside(true)), { name: 'random', seed: 1 });
    expect(end).toMatchObject({ ended: 'deadlock', violation: { step: 0 } });
  });
});

const scheduling = (states: Readonly<Record<string, StateTable>>): AnyStateMachine =>
  machine({ ...(machineOf(states, 9).config as object), meta: { schedules: true } });

describe('a deadlock in which the scheduler still goes on', () => {
  // The first search meets `moved` once more after the property came true, and no longer looks then.
  it('leaves what came true before it, where the search begins again', () => {
    const topology: Topology = {
      actors: ['node:0', 'other:0'].map(actor),
      machines: {
        node: machineOf({ starts: { on: { exec: { to: 'moved' } } }, moved: { on: { exec: { to: 'stuck' } } }, stuck: { on: {} } }),
        other: scheduling({ a: { on: { preempt: { to: 'b' } } }, b: { on: { preempt: { to: 'a' } } } }),
      },
      catalogue: TOY_CATALOGUE,
    };
    const moves = sometimes('toy.moves', {
      kinds: ['node'],
      source: 'a test',
      grade: 'decision',
      check: (world) => (actorIn(world, 'node:0', ['node']).value === 'moved' ? 'node:0 moved' : null),
    });
    const { report } = search(toy(topology, [moves]));
    expect(report.findings).toMatchObject([{ property: DEADLOCK, steps: 2 }]);
    expect(report.reached.get('toy.moves')).toMatchObject({ evidence: 'node:0 moved' });
  });

  // With the message in flight and another one still to be sent, the start would be none.
  it.each(['live', 'memo'] as const)('is where a run of the %s engine goes back to, without the message sent there', (name) => {
    const topology: Topology = {
      actors: ['node:0', 'sends:0', 'counts:0'].map(actor),
      machines: {
        node: machineOf({
          waits: { on: { ask: { to: 'awake' } } },
          awake: { on: { exec: { to: 'end' } } },
          end: { on: {}, tags: ['rest'] },
        }),
        sends: scheduling({ a: { on: { nudge: { to: 'b', sends: [{ to: 'counts:0', type: 'mail' }] } } }, b: { on: {} } }),
        counts: scheduling({
          none: { on: { mail: { to: 'one' } } },
          one: { on: { mail: { to: 'two' } } },
          two: { on: { nudge: { to: 'end', sends: [{ to: 'node:0', type: 'ask' }] } } },
          end: { on: {} },
        }),
      },
      catalogue: TOY_CATALOGUE,
    };
    const scenario = toy(topology);
    const { end, run } = play(scenario, { name: 'fifo' }, engineOf(scenario, name));
    expect(end).toMatchObject({ ended: 'deadlock', violation: { property: DEADLOCK, step: 0 } });
    expect(run.sequencer.channels).toMatchObject({ ordered: [], laneA: 0, laneB: 0 });
    expect(found(topology)).toMatchObject({ steps: 0 });
  });
});

describe('a run that goes back to a deadlock', () => {
  const refuses = { lock: { actions: say('refused') } };
  const polls = (to: string) => ({
    meta: { ...offers('exec'), waits: ['loop'], ns: 5 },
    on: { ...refuses, exec: { actions: send('page:0', 'lock') }, refused: to },
  });
  // What the page answers changes the node, in its wait: without the steps that are taken back, it
  // was the holder that changed it last.
  const topology: Topology = {
    actors: ['holder:0', 'node:0', 'page:0', 'second:0'].map(actor),
    machines: {
      holder: machine({
        id: 'holder',
        initial: 'takes',
        states: {
          takes: { meta: offers('exec'), on: { exec: { target: 'done', actions: send('node:0', 'go') } } },
          done: { tags: 'rest' },
        },
      }),
      node: machine({ id: 'node', initial: 'fresh', states: { fresh: { on: { ...refuses, go: 'a' } }, a: polls('b'), b: polls('a') } }),
      page: machine({ id: 'page', initial: 'held', states: { held: { tags: 'rest', on: refuses } } }),
      second: machine({
        id: 'second',
        initial: 'asks',
        states: { asks: { meta: offers('exec'), on: { exec: { actions: send('node:0', 'lock') }, refused: stays } } },
      }),
    },
    catalogue: CATALOGUE,
  };

  it.each([1, 2, 3, 4])('forgets all that it did since: with the seed %i', (seed) => {
    const scenario = toy(topology);
    const { end, records, run } = play(scenario, { name: 'random', seed }, engineOf(scenario, 'memo'));
    expect(end.violation).toMatchObject({
      property: DEADLOCK,
      message: 'node:0 waits for page:0; second:0 waits for node:0, held by holder:0',
    });
    const choices = records.filter(({ kind }) => kind === 'choice').map(({ payload }) => payload as unknown as Choice);
    const again = play(scenario, { name: 'replay', choices, match: 'strict' });
    expect(again).toMatchObject({ end, records });
    const { step, seq, vtime, digest, locals } = again.run.sequencer;
    expect(step).toBeGreaterThan(0);
    expect(run.sequencer).toMatchObject({ step, seq, vtime, digest, locals });
  });

  it('finds it where a property breaks behind it, though a state before it had a way out', () => {
    const other = scheduling({
      a: { on: { nudge: { to: 'dead' }, interrupt: { to: 'wakes' } } },
      wakes: { on: { exec: { to: 'dead', sends: [{ to: 'node:0', type: 'ask' }] } } },
      dead: { on: { preempt: { to: 'bad' } } },
      bad: { on: {} },
    });
    const scenario = toy(
      {
        actors: ['node:0', 'other:0'].map(actor),
        machines: {
          node: machineOf({
            waits: { on: { ask: { to: 'awake' } } },
            awake: { on: { exec: { to: 'end' } } },
            end: { on: {}, tags: ['rest'] },
          }),
          other,
        },
        catalogue: TOY_CATALOGUE,
      },
      [rule((world) => (actorIn(world, 'other:0', ['other']).value === 'bad' ? 'bad' : null))],
    );
    const { end } = play(scenario, { name: 'fifo' });
    expect(end).toMatchObject({ ended: 'deadlock', violation: { property: DEADLOCK, step: 1 } });
  });
});

describe('a deadlock beside a property that breaks', () => {
  // The look ahead from the state with `x` and `latch` in flight meets a queue that no search has
  // met. The search has dropped its memory of steps after that state, with the first message from
  // alpha to beta, and has learned the step of beta again, but not for that queue.
  it('is decided though a look ahead beyond the property meets a first message between two actors', () => {
    const bad: StateTable = {
      on: { nudge: { to: 'bad', sends: [{ to: 'alpha:0', type: 'latch' }] }, mail: { to: 'bad' }, latch: { to: 'bad' } },
    };
    const topology: Topology = {
      actors: ['alpha:0', 'beta:0', 'node:0'].map(actor),
      machines: {
        alpha: scheduling({
          a: { on: { nudge: { to: 'bad' }, mail: { to: 'b' }, latch: { to: 'a' } } },
          b: { on: { latch: { to: 'c' } } },
          c: { on: { nudge: { to: 'c', sends: [{ to: 'beta:0', type: 'ping' }] }, latch: { to: 'c' } } },
          bad,
        }),
        beta: scheduling({
          starts: { on: { exec: { to: 'asks', sends: [{ to: 'alpha:0', type: 'mail' }] }, ping: { to: 'starts' } } },
          asks: { on: { exec: { to: 'asks', sends: [{ to: 'alpha:0', type: 'latch' }] }, ping: { to: 'asks' } } },
        }),
        node: machineOf({ waits: { on: { exec: { to: 'waits' } } } }),
      },
      catalogue: { ...TOY_CATALOGUE, ping: 'latched' },
    };
    const isBad = rule((world) => (actorIn(world, 'alpha:0', ['alpha']).value === 'bad' ? 'bad' : null));
    const { violations } = finish(explore({ scenario: toy(topology, [{ ...isBad, kinds: ['alpha'] } as typeof isBad]), maxStates: 1000 }));
    expect(violations).toMatchObject([{ property: DEADLOCK, steps: 0 }]);
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
    const scenario = toy({ actors: [actor('node:0')], machines: { node: counter(steps) }, catalogue: CATALOGUE });
    const { end, records } = play(scenario, { name: 'fifo' });
    expect(end).toMatchObject({ ended: 'deadlock', violation: { property: DEADLOCK, step: steps } });
    expect(records.filter(({ kind }) => kind === 'choice').map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
    const { bytes } = journalOf(scenario, { name: 'fifo' }, engineOf(scenario, 'live'));
    const journal = openJournal(memorySource(bytes));
    expect(journal.steps).toBe(steps);
    expect(reexecute(journal)).toMatchObject({ identical: true, steps });
  });
});
