/** What a run says of temporal properties, and of a world that comes back to where it was. */
import { describe, expect, it } from 'vitest';
import type { Run } from '../../../../sim/run.ts';
import { play } from '../../play.ts';
import { CATALOGUE, machineOf, type StateTable, toy } from '../toy.ts';
import { propertyOf } from './temporal-forms.ts';

const upTo =
  (steps: number) =>
  (run: Run): boolean =>
    run.sequencer.step >= steps;

describe('a run', () => {
  const states: Readonly<Record<string, StateTable>> = {
    a: { on: { preempt: { to: 'b' }, interrupt: { to: 'c' } }, owes: ['preempt', 'interrupt'] },
    b: { on: { preempt: { to: 'a' }, nudge: { to: 'd' } }, owes: ['preempt'], owesStrongly: ['nudge'] },
    c: { on: { preempt: { to: 'a' } }, owes: ['preempt'] },
    d: { on: {}, tags: ['rest'] },
  };
  const topology = { actors: [{ id: 'node:0', kind: 'node', input: null }], machines: { node: machineOf(states) }, catalogue: CATALOGUE };

  it('is back where it was in a fair way, though a longer way back is not: what is owed strongly was possible on it', () => {
    const property = propertyOf('alwaysEventually', 'each', 'd', 'd');
    const choices = ['preempt', 'preempt', 'interrupt', 'preempt'].map((type) => ({ index: 0, label: `${type}(node:0)` }));
    const { end } = play(toy(topology, [property]), { name: 'replay', choices, match: 'label' }, undefined, upTo(4));
    expect(end.violation).toEqual({
      property: property.id,
      step: 4,
      message: 'node:0: it does not come true any more',
      lasso: { from: 2, length: 2 },
    });
  });

  it('looks back to any of the times that it was there: the last one is too late, the first one too early', () => {
    const owes = ['preempt'];
    const more: Readonly<Record<string, StateTable>> = {
      a: { on: { preempt: { to: 'b' }, interrupt: { to: 'c' }, pick: { to: 'c' } }, owes, owesStrongly: ['interrupt', 'pick'] },
      b: { on: { preempt: { to: 'a' }, nudge: { to: 'd' } }, owes, owesStrongly: ['nudge'] },
      c: { on: { preempt: { to: 'a' } }, owes },
      d: { on: {}, tags: ['rest'] },
    };
    const property = propertyOf('alwaysEventually', 'each', 'd', 'd');
    const scenario = toy({ ...topology, machines: { node: machineOf(more) } }, [property]);
    const choices = ['preempt', 'preempt', 'interrupt', 'preempt', 'pick', 'preempt'].map((type) => ({
      index: 0,
      label: `${type}(node:0)`,
    }));
    const { end } = play(scenario, { name: 'replay', choices, match: 'label' }, undefined, upTo(6));
    expect(end.violation).toMatchObject({ property: property.id, step: 6, lasso: { from: 2, length: 4 } });
  });

  it('goes round without end, and is not fair, where that would be done at some time', () => {
    const property = propertyOf('alwaysEventually', 'each', 'd', 'd');
    const choices = Array.from({ length: 6 }, () => ({ index: 0, label: 'preempt(node:0)' }));
    const { end } = play(toy(topology, [property]), { name: 'replay', choices, match: 'label' }, undefined, upTo(6));
    expect(end.violation).toBeNull();
  });

  it('in order ends where it only repeats, and a drawn one at its bound', () => {
    const round: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b' } } },
      b: { on: { exec: { to: 'c' } } },
      c: { on: { exec: { to: 'a' } } },
    };
    const endless = toy({ ...topology, machines: { node: machineOf(round) } }, [], { bounds: { steps: 9000, states: 1 } });
    const { end } = play(endless, { name: 'fifo' });
    expect(end).toMatchObject({ verdict: 'clean', ended: 'repeats', comesBack: { from: 8192, length: 3 } });
    expect(play(endless, { name: 'random', seed: 1 }).end.ended).toBe('bound');
    const short = { ...endless, bounds: { steps: 8000, states: 1 } };
    expect(play(short, { name: 'fifo' }).end).toMatchObject({ ended: 'bound', comesBack: { length: 3 } });
  });

  it('is done where all are at rest and only the environment could go on, however it is chosen', () => {
    const idle: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b' } } },
      b: { on: { interrupt: { to: 'c' } }, owes: [], tags: ['rest'] },
      c: { on: { exec: { to: 'b' } } },
    };
    const bounds = { steps: 20_000, states: 1 };
    for (const chooser of [{ name: 'fifo' }, { name: 'random', seed: 1 }] as const) {
      const quiet = play(toy({ ...topology, machines: { node: machineOf(idle) } }, [], { bounds }), chooser);
      expect(quiet.end).toMatchObject({ verdict: 'clean', ended: 'done', comesBack: { length: 2 } });
      expect(quiet.run.sequencer.step < 10).toBe(chooser.name === 'fifo');
      // What is owed is told first.
      const owed = propertyOf('alwaysEventually', 'each', 'd', 'd');
      expect(play(toy({ ...topology, machines: { node: machineOf(idle) } }, [owed], { bounds }), chooser).end.violation?.property).toBe(
        owed.id,
      );
    }
  });
});
