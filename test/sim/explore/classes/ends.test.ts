/**
 * Where runs end, or a model breaks a rule, a search over classes ends and fails as one over all
 * states does.
 */
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, emit, setup } from 'xstate';
import { outgoing } from '../../../../events/event.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import type { Topology } from '../../../../sim/store.ts';
import { shipped } from '../../play.ts';
import { actorIn, CATALOGUE, machineOf, rule, toy } from '../toy.ts';
import { cpuBeside, equal, STATES, scheduling } from './toys.ts';

const turning = (): AnyStateMachine =>
  scheduling({ one: { on: { pick: { to: 'two' } }, tags: ['rest'] }, two: { on: { pick: { to: 'one' } }, tags: ['rest'] } });

const beside = (scheduler: AnyStateMachine, node: AnyStateMachine): Topology => ({
  actors: [
    { id: 'node:9', kind: 'scheduler', input: null },
    { id: 'node:0', kind: 'node', input: null },
  ],
  machines: { scheduler, node },
  catalogue: CATALOGUE,
});

describe('a search over classes', () => {
  it('ends at once where a property is broken in the first state', () => {
    const still = machineOf({ a: { on: {}, tags: ['rest'] } });
    expect(equal(toy(beside(turning(), still), [rule(() => 'broken at once')])).violated).toHaveLength(1);
  });

  it('ends in a configuration that the scheduler alone leads to', () => {
    const leads = { t0: { on: { exec: { to: 't1' } } }, t1: { on: {}, tags: ['rest'] } };
    const moves = { a: { on: { exec: { to: 'b' } } }, b: { on: {}, tags: ['rest'] } };
    const both = rule((world) =>
      actorIn(world, 'node:0').value === 'b' && world.actors<unknown>('pcpu')[0]!.value === 't1' ? 'both have moved' : null,
    );
    expect(equal(toy(cpuBeside(leads, moves), [both])).violated).toHaveLength(1);
  });

  it('tells a lost scheduler and one that is through apart', () => {
    const parts = scheduling({
      start: { on: { pick: { to: 'lost' }, nudge: { to: 'over' } } },
      lost: { on: {} },
      over: { on: {}, tags: ['rest'] },
    });
    const still = machineOf({ a: { on: {}, tags: ['rest'] } });
    expect(equal(toy(beside(parts, still))).violated).toEqual(['deadlock']);
  });

  it('refuses a step that must change something, and does not', () => {
    const sends = setup({}).createMachine({
      context: {},
      initial: 'a',
      states: {
        a: {
          tags: 'rest',
          meta: { offers: () => [{ type: 'exec', owed: true }] },
          on: { exec: { actions: emit(outgoing('node:9', { type: 'latch' }) as never) } },
        },
      },
    }) as unknown as AnyStateMachine;
    const hears = machineOf({ a: { on: { latch: { to: 'a' } }, tags: ['rest'] } });
    const topology: Topology = {
      actors: [
        { id: 'node:8', kind: 'scheduler', input: null },
        { id: 'node:0', kind: 'node', input: null },
        { id: 'node:9', kind: 'sink', input: null },
      ],
      machines: { scheduler: turning(), node: sends, sink: hears },
      catalogue: CATALOGUE,
    };
    for (const scheduler of [false, true])
      expect(() => finish(explore({ scenario: toy(topology), maxStates: STATES, scheduler }))).toThrow('changes nothing');
  });
});

describe('a search over classes that runs out of states', () => {
  it('says within how many deviations everything was searched', () => {
    const scenario = shipped('rmpadjust-vs-rmpupdate', 'inuse-retried');
    const told = finish(explore({ scenario, maxStates: 500, scheduler: true }));
    expect([told.exhausted, told.limit]).toEqual([false, 'states']);
    expect(told.within!.deviations).toBe(finish(explore({ scenario, maxStates: 500 })).within!.deviations);
  });
});
