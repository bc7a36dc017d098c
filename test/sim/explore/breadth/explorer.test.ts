/** The explorer where it starts, where it stops, and what it says then. */
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, createMachine } from 'xstate';
import { stateAt } from '../../../../replay/fold.ts';
import { openJournal } from '../../../../replay/open.ts';
import { memorySource } from '../../../../replay/source.ts';
import { DEADLOCK } from '../../../../sim/end.ts';
import { ModelError, UnhandledEventError } from '../../../../sim/engine/port.ts';
import { Explorer } from '../../../../sim/explore/breadth/explorer.ts';
import type { ExploreReport } from '../../../../sim/explore/breadth/options.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { sometimes } from '../../../../sim/property.ts';
import { RestoreError } from '../../../../sim/restore.ts';
import type { Topology } from '../../../../sim/store.ts';
import type { WorldView } from '../../../../sim/view.ts';
import { engineOf, journalOf, play, shipped } from '../../play.ts';
import { digestsOf } from '../drive.ts';
import { oracle, search } from '../equal.ts';
import { firmware } from '../firmware.ts';
import { closureOf } from '../naive-space.ts';
import { actorIn, CATALOGUE, chain, machineOf, rule, type StateTable, toy } from '../toy.ts';

const race = shipped('rmpadjust-vs-rmpupdate', 'inuse');

const nodes = (states: Readonly<Record<string, StateTable>>, count = 1, energy = 2): Topology => ({
  actors: Array.from({ length: count }, (_, i) => ({ id: `node:${i}`, kind: 'node', input: null })),
  machines: { node: machineOf(states, energy) },
  catalogue: CATALOGUE,
});

describe('a search from the middle of a run', () => {
  const scenario = shipped('vmsa-in-use-kick', 'no-kick');
  const { bytes } = journalOf(scenario, { name: 'random-uniform', seed: 5 }, engineOf(scenario, 'memo'));
  const journal = openJournal(memorySource(bytes));
  const space = oracle(scenario);

  it.each([0, 1, 0.5, 0.8])('finds exactly what can follow, %f of the way', (share) => {
    const step = share === 1 ? journal.steps : Math.floor(share * journal.steps);
    const from = stateAt(journal, step);
    const explorer = new Explorer({ scenario, budget: { states: 100_000 }, from });
    const report = finish(explorer.run());
    expect(report.exhausted).toBe(true);
    expect(digestsOf(explorer)).toEqual(closureOf(space, [...journal.digests()][step]!.digest));
  });

  it('starts with the messages that were in flight', () => {
    const { bytes: sent } = journalOf(firmware, { name: 'fifo' }, engineOf(firmware, 'memo'));
    const whole = openJournal(memorySource(sent));
    const step = Array.from({ length: whole.steps }, (_, i) => i).find((at) => stateAt(whole, at).inFlight.length > 0)!;
    const explorer = new Explorer({ scenario: firmware, budget: { states: 100_000 }, from: stateAt(whole, step) });
    expect(explorer.world.channels).toHaveLength(1);
    finish(explorer.run());
    expect(digestsOf(explorer)).toEqual(closureOf(oracle(firmware), [...whole.digests()][step]!.digest));
  });

  it('refuses a state of another scenario, naming the actor', () => {
    const from = stateAt(journal, 3);
    expect(() => new Explorer({ scenario: race, budget: { states: 10 }, from })).toThrow(RestoreError);
    expect(() => new Explorer({ scenario: race, budget: { states: 10 }, from })).toThrow('the state has no thread:gmem/0');
  });
});

describe('a budget', () => {
  const partial = (report: ExploreReport, limit: string) => {
    expect(report).toMatchObject({ exhausted: false, limit });
    expect(report.states).toBeLessThan(26_580);
    expect(report.reactions).toBeGreaterThan(0);
  };

  it('of states ends the search, and the report says so', () => {
    const report = finish(new Explorer({ scenario: race, budget: { states: 500 } }).run());
    partial(report, 'states');
    expect(report.states).toBeGreaterThanOrEqual(500);
  });

  it('of memory ends it before tables grow that do not fit', () => {
    const explorer = new Explorer({ scenario: race, budget: { states: 1e6, fits: (bytes) => bytes < 500_000 } });
    partial(finish(explorer.run()), 'bytes');
    const { space } = explorer;
    // With the next states all of it would have grown: old tables and new ones together do not fit.
    expect(space.growth(explorer.successors + 1)).toBeGreaterThanOrEqual(500_000);
    expect(space.bytes - space.onward.byteLength).toBeLessThan(1_000_000);
  });

  it('that is just enough does not', () => {
    const report = finish(new Explorer({ scenario: race, budget: { states: 26_581, fits: () => true } }).run());
    expect(report).toMatchObject({ exhausted: true, limit: null, states: 26_580 });
  });

  it('of memory that the driver sees used up is told as that, even if memory is free again by then', () => {
    const searching = new Explorer({ scenario: race, budget: { states: 1e6, fits: () => true } }).run();
    searching.next();
    let turn = searching.next('bytes');
    while (!turn.done) turn = searching.next();
    partial(turn.value, 'bytes');
  });

  it('ends with its driver: what was found is kept', () => {
    const searching = new Explorer({ scenario: race, budget: { states: 1e6 } }).run();
    const turn = searching.next();
    expect(turn).toMatchObject({
      done: false,
      value: { states: expect.any(Number), frontier: expect.any(Number), bytes: expect.any(Number) },
    });
    const last = searching.next(true);
    expect(last.done).toBe(true);
    partial(last.value as ExploreReport, 'stopped');
  });

  it('ends it with the first violation of the property asked for', () => {
    const report = finish(new Explorer({ scenario: race, budget: { states: 1e6 }, until: 'rmp.vm-bugged' }).run());
    partial(report, 'stopped');
    expect(report.findings).toMatchObject([{ property: 'rmp.vm-bugged', steps: 30 }]);
  });
});

describe('the ends of runs', () => {
  it('finds the wake-up that is lost, in the fewest steps, and says who sleeps', () => {
    const topology: Topology = {
      ...nodes({
        runs: { on: { exec: { to: 'sleeps' }, mail: { to: 'runs' } } },
        sleeps: { on: { mail: { to: 'woken' } } },
        woken: { on: {}, tags: ['rest'] },
      }),
      actors: [
        { id: 'node:0', kind: 'node', input: null },
        { id: 'other:0', kind: 'other', input: null },
      ],
    };
    const waker = machineOf({
      before: { on: { exec: { to: 'after', sends: [{ to: 'node:0', type: 'mail' }] } } },
      after: { on: {}, tags: ['rest'] },
    });
    const scenario = toy({ ...topology, machines: { ...topology.machines, other: waker } });
    const { explorer, report } = search(scenario);
    expect(report.findings).toEqual([
      { property: DEADLOCK, message: 'nothing can happen any more, and node:0 stands in sleeps', state: expect.any(Number), steps: 3 },
    ]);
    expect(explorer.labelsTo(report.findings[0]!.state)).toEqual(['exec(other:0)', 'deliver(mail, other:0, node:0)', 'exec(node:0)']);
    // Everybody else is served: the runs that end well are ends too.
    expect(explorer.ended).toHaveLength(2);
  });

  it('takes a state where all actors rest for an end', () => {
    const explorer = new Explorer({ scenario: toy(nodes(chain(2), 2)), budget: { states: 100 } });
    expect(finish(explorer.run())).toMatchObject({ exhausted: true, states: 9, transitions: 12, findings: [] });
    expect(explorer.ended).toEqual([8]);
  });

  it('goes on behind a machine that has halted, and takes what is left then for no deadlock', () => {
    const halts: Record<string, StateTable> = {
      a: { on: { exec: { to: 'b' }, nudge: { to: 'c' } } },
      b: { on: {}, tags: ['halt'] },
      c: { on: {} },
    };
    const scenario = toy(nodes(halts, 2));
    const { explorer, report } = search(scenario);
    expect(report).toMatchObject({ states: 9, transitions: 12, findings: [{ property: DEADLOCK }] });
    expect(explorer.labelsTo(report.findings[0]!.state)).toEqual(['nudge(node:0)', 'nudge(node:1)']);
    expect(explorer.ended).toHaveLength(4);
    expect(play(scenario, { name: 'fifo' }).end).toMatchObject({ ended: 'halted', verdict: 'clean', violation: null });
  });

  it('ends a run where a property breaks, and goes on everywhere else', () => {
    const broken = (world: WorldView) => (actorIn(world, 'node:0').value === 's1' ? 'node:0 in s1' : null);
    const properties = [rule(broken)];
    const scenario = toy(nodes(chain(3), 2), properties);
    expect(search(scenario).report).toMatchObject({ states: 8, findings: [{ steps: 1, message: 'node:0 in s1' }] });
    const going = new Explorer({ scenario, budget: { states: 100 }, properties: false });
    expect(finish(going.run())).toMatchObject({ states: 16, findings: [] });
  });

  it('says when a sometimes property first came true, and when it never did', () => {
    const at = (state: string, id: string) =>
      sometimes(id, {
        kinds: ['node'],
        source: 'a test',
        grade: 'decision',
        check: (world) => (actorIn(world, 'node:1').value === state ? `node:1 in ${state}` : null),
      });
    const { explorer, report } = search(toy(nodes(chain(3), 2), [at('s2', 'toy.met'), at('s9', 'toy.never')]));
    expect(report.reached.get('toy.never')).toBeNull();
    const { evidence, state } = report.reached.get('toy.met')!;
    expect(evidence).toBe('node:1 in s2');
    expect(explorer.labelsTo(state)).toEqual(['exec(node:1)', 'exec(node:1)']);
  });

  it('counts a step that gives a message back to its own queue as one that changes nothing', () => {
    const echo: Record<string, StateTable> = {
      a: { on: { exec: { to: 'b', sends: [{ to: 'node:0', type: 'latch' }] } } },
      b: { on: { latch: { to: 'b', sends: [{ to: 'node:0', type: 'latch' }] } }, tags: ['rest'] },
    };
    expect(search(toy(nodes(echo))).report).toMatchObject({ states: 2, transitions: 1, unchanged: 1, findings: [] });
  });
});

describe('a model that breaks a rule', () => {
  const failing = (states: Record<string, StateTable>) => () => search(toy(nodes(states)));

  it('fails the search with the actor, the state and the event that it does not handle', () => {
    const deaf = failing({ a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'a', sends: [{ to: 'node:0', type: 'ask' }] } } } });
    expect(deaf).toThrow(UnhandledEventError);
    expect(deaf).toThrow('node:0 in a does not handle ask');
  });

  it('fails it when actors answer each other forever', () => {
    const echo = failing({
      a: { on: { exec: { to: 'a', sends: [{ to: 'node:0', type: 'ask' }] }, ask: { to: 'a', sends: [{ to: 'node:0', type: 'ask' }] } } },
    });
    expect(echo).toThrow(ModelError);
    expect(echo).toThrow('the actors still answer each other after 10000 bus messages in one step');
  });

  it('fails it when a message goes to an actor that does not exist', () => {
    expect(failing({ a: { on: { exec: { to: 'a', sends: [{ to: 'node:7', type: 'mail' }] } } } })).toThrow('node:0 sends to node:7');
  });

  it('fails it at the end when a machine is not pure: every reaction is executed again', () => {
    let calls = 0;
    const topology = nodes(chain(1));
    const counting = createMachine({
      id: 'counting',
      context: { n: 0 },
      initial: 'a',
      states: {
        a: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: { target: 'b', actions: assign({ n: () => ++calls }) } } },
        b: { tags: ['rest'] },
      },
    } as never) as unknown as AnyStateMachine;
    expect(() => search(toy({ ...topology, machines: { node: counting } }))).toThrow(/its machine is not pure/);
  });
});
