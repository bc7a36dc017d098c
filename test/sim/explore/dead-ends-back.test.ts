/** Deadlocks beside a scheduler that goes on, and the way back of a run or a search to them. */
import { describe, expect, it } from 'vitest';
import type { AnyStateMachine } from 'xstate';
import type { Choice } from '../../../events/journal.ts';
import { DEADLOCK } from '../../../sim/end.ts';
import { explore } from '../../../sim/explore/explore.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { sometimes } from '../../../sim/property.ts';
import type { Topology } from '../../../sim/store.ts';
import { engineOf, play } from '../play.ts';
import { search } from './equal.ts';
import { actor, deadlockIn, LOCK_CATALOGUE, machine, offers, say, send, stays } from './lock-toy.ts';
import { actorIn, CATALOGUE, machineOf, rule, type StateTable, toy } from './toy.ts';

const scheduling = (states: Readonly<Record<string, StateTable>>): AnyStateMachine =>
  machine({ ...(machineOf(states, 9).config as object), meta: { schedules: true } });

describe('a deadlock in which the scheduler still goes on', () => {
  // The first search meets `moved` once more after the property came true, and no longer looks
  // then.
  it('leaves what came true before it, where the search begins again', () => {
    const topology: Topology = {
      actors: ['node:0', 'other:0'].map(actor),
      machines: {
        node: machineOf({ starts: { on: { exec: { to: 'moved' } } }, moved: { on: { exec: { to: 'stuck' } } }, stuck: { on: {} } }),
        other: scheduling({ a: { on: { preempt: { to: 'b' } } }, b: { on: { preempt: { to: 'a' } } } }),
      },
      catalogue: CATALOGUE,
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
      catalogue: CATALOGUE,
    };
    const scenario = toy(topology);
    const { end, run } = play(scenario, { name: 'fifo' }, engineOf(scenario, name));
    expect(end).toMatchObject({ ended: 'deadlock', violation: { property: DEADLOCK, step: 0 } });
    expect(run.sequencer.channels).toMatchObject({ ordered: [], laneA: 0, laneB: 0 });
    expect(deadlockIn(topology)).toMatchObject({ steps: 0 });
  });
});

describe('what is told of a deadlock', () => {
  it.each(['live', 'memo'] as const)('leaves out who only answered, under the %s engine: what was asked holds nothing', (name) => {
    const topology: Topology = {
      actors: ['node:0', 'page:0', 'second:0'].map(actor),
      machines: {
        node: machine({
          id: 'node',
          initial: 'takes',
          states: {
            takes: {
              meta: offers('exec'),
              on: { exec: { actions: send('page:0', 'lock') }, granted: 'done', lock: { actions: say('refused') } },
            },
            done: { tags: 'rest', on: { lock: { actions: say('refused') } } },
          },
        }),
        page: machine({ id: 'page', initial: 'free', states: { free: { tags: 'rest', on: { lock: { actions: say('granted') } } } } }),
        second: machine({
          id: 'second',
          initial: 'asks',
          states: { asks: { meta: offers('exec'), on: { exec: { actions: send('node:0', 'lock') }, refused: stays } } },
        }),
      },
      catalogue: LOCK_CATALOGUE,
    };
    const message = 'second:0 waits for node:0';
    expect(deadlockIn(topology)).toMatchObject({ steps: 1, message, waits: [{ heldBy: null }] });
    const scenario = toy(topology);
    expect(play(scenario, { name: 'fifo' }, engineOf(scenario, name)).end.violation).toMatchObject({ property: DEADLOCK, message });
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
    catalogue: LOCK_CATALOGUE,
  };

  it.each([1, 2, 3, 4])('forgets all that it did since: with the seed %i', (seed) => {
    const scenario = toy(topology);
    const { end, records, run } = play(scenario, { name: 'random-uniform', seed }, engineOf(scenario, 'memo'));
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
        catalogue: CATALOGUE,
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
      catalogue: { ...CATALOGUE, ping: 'latched' },
    };
    const isBad = rule((world) => (actorIn(world, 'alpha:0', ['alpha']).value === 'bad' ? 'bad' : null));
    const { violations } = finish(explore({ scenario: toy(topology, [{ ...isBad, kinds: ['alpha'] } as typeof isBad]), maxStates: 1000 }));
    expect(violations).toMatchObject([{ property: DEADLOCK, steps: 0 }]);
  });
});
