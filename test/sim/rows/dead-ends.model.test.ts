/** Deadlock: what is one and what is none, found alike by searches, runs and samples. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, createMachine, emit } from 'xstate';
import { outgoing, sender } from '../../../events/event.ts';
import type { Choice } from '../../../events/journal.ts';
import { DEADLOCK } from '../../../sim/end.ts';
import { explore } from '../../../sim/explore/explore.ts';
import type { ExploreRequest } from '../../../sim/explore/request.ts';
import { Sampler } from '../../../sim/explore/sampling/sampler.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { DeadEnds } from '../../../sim/rows/dead-ends.ts';
import type { Run } from '../../../sim/run.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import type { Topology } from '../../../sim/store.ts';
import { randomTopology } from '../../contracts/random-topology.ts';
import { MODELS, topologyOfModel } from '../explore/arbitrary.ts';
import { digestsAt, digestsOf } from '../explore/drive.ts';
import { search } from '../explore/equal.ts';
import { Naive } from '../explore/naive.ts';
import { type Ended, NaiveDead, type NaiveEnd, naiveEnds } from '../explore/naive-dead.ts';
import { CATALOGUE, machineOf, toy } from '../explore/toy.ts';
import { engineOf, play } from '../play.ts';

const SEED = 20_262;

/** Says that what the machine does is the scheduler's own. */
const scheduling = (machine: AnyStateMachine): AnyStateMachine =>
  createMachine({ ...(machine.config as object), meta: { schedules: true } } as never) as unknown as AnyStateMachine;

interface Held {
  readonly held: readonly string[];
}
const PAGES = ['page:0', 'page:1'];

/** Takes both pages, in any order, and asks again for what is refused. */
const taker = createMachine({
  id: 'taker',
  context: { held: [] },
  initial: 'asks',
  states: {
    asks: {
      meta: { offers: ({ held }: Held) => PAGES.filter((page) => !held.includes(page)).map((page) => ({ type: 'take', page })) },
      on: {
        take: { actions: emit(({ event }) => outgoing((event as unknown as { readonly page: string }).page, { type: 'lock' }) as never) },
        granted: [
          {
            guard: ({ context }: { context: Held }) => context.held.length === 1,
            target: 'done',
            actions: PAGES.map((page) => emit(outgoing(page, { type: 'unlock' }) as never)),
          },
          { actions: assign({ held: ({ context, event }: never) => [...(context as Held).held, sender(event)] } as never) },
        ],
        refused: { actions: assign({}) },
      },
    },
    done: { tags: 'rest' },
  },
} as never) as unknown as AnyStateMachine;

const say = (type: string) => emit(({ event }: { event: never }) => outgoing(sender(event), { type }) as never);
const page = createMachine({
  id: 'page',
  initial: 'free',
  states: {
    free: { tags: 'rest', on: { lock: { target: 'held', actions: say('granted') } } },
    held: { tags: 'rest', on: { lock: { actions: say('refused') }, unlock: 'free' } },
  },
} as never) as unknown as AnyStateMachine;

const PAGE_LOCKS: Topology = {
  actors: [
    ...['node:0', 'node:1'].map((id) => ({ id, kind: 'taker', input: null })),
    ...PAGES.map((id) => ({ id, kind: 'page', input: null })),
  ],
  machines: { taker, page },
  catalogue: { take: 'offer', lock: 'bus', unlock: 'bus', granted: 'bus', refused: 'bus' },
};

/** An actor that polls forever, beside another actor. */
const beside = (other: AnyStateMachine, waiting: AnyStateMachine = machineOf({ waits: { on: { exec: { to: 'waits' } } } })): Topology => ({
  actors: [
    { id: 'node:0', kind: 'node', input: null },
    { id: 'other:0', kind: 'other', input: null },
  ],
  machines: { node: waiting, other },
  catalogue: CATALOGUE,
});

const found = (scenario: ResolvedScenario, parts: Partial<ExploreRequest> = {}) =>
  finish(explore({ scenario, maxStates: 10_000, ...parts })).violations.find(({ property }) => property === DEADLOCK);
const isDeadlocked = (topology: Topology): boolean => found(toy(topology)) !== undefined;

describe('a deadlock', () => {
  it('is a state in which both ask again for what the other one holds', () => {
    const violation = found(toy(PAGE_LOCKS))!;
    expect(violation).toMatchObject({ steps: 2, waits: [{ heldBy: 'node:1' }, { heldBy: 'node:0' }] });
    expect(violation.message).toMatch(/^node:0 waits for page:(\d), held by node:1; node:1 waits for page:(?!\1)\d, held by node:0$/);
  });

  it('is found within a bound, by local steps, and by samples', () => {
    const scenario = toy(PAGE_LOCKS);
    expect(found(scenario, { limits: { deviations: 2 } })).toMatchObject({ steps: 2 });
    expect(found(scenario, { local: true })).toMatchObject({ steps: 2 });
    const request = { scenario, strategy: 'random', seed: 1, schedules: 20, stepsMax: 1000, depth: 2 } as const;
    const drawn = finish(new Sampler(request).run()).findings.find(({ property }) => property === DEADLOCK)!;
    const choices = drawn.labels.map((label) => ({ index: 0, label }));
    expect(play(scenario, { name: 'replay', choices, match: 'label' }).end.violation).toMatchObject({
      step: choices.length,
      message: drawn.message,
    });
    expect(drawn.message).toContain('held by node:1');
  });

  it('is found by fingerprints of states', () => {
    expect(found(toy(PAGE_LOCKS), { compact: true })).toMatchObject({ steps: 2 });
    expect(found(toy(beside(machineOf({ waits: { on: {} } })), [], {}), { compact: true })).toMatchObject({ steps: 0 });
  });

  it('ends a run of either engine in the state where a search finds it', () => {
    const scenario = toy(PAGE_LOCKS);
    const { labels, message } = found(scenario)!;
    const choices = labels.map((label) => ({ index: 0, label }));
    for (const name of ['live', 'memo'] as const) {
      const { end } = play(scenario, { name: 'replay', choices, match: 'label' }, engineOf(scenario, name));
      expect(end).toMatchObject({ ended: 'deadlock', violation: { property: DEADLOCK, step: 2, message } });
    }
  });

  it('is two actors that poll for each other', () => {
    expect(isDeadlocked(beside(machineOf({ waits: { on: { exec: { to: 'waits' } } } })))).toBe(true);
  });

  it('is none where another actor still gets on, at rest or not', () => {
    expect(isDeadlocked(beside(machineOf({ a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'a' } } } })))).toBe(false);
  });

  it('is no correct poller: what it waits for comes in the end', () => {
    const poller = machineOf({ waits: { on: { exec: { to: 'waits' }, ask: { to: 'done' } } }, done: { on: {}, tags: ['rest'] } });
    const sets = machineOf({ a: { on: { exec: { to: 'b', sends: [{ to: 'node:0', type: 'ask' }] } } }, b: { on: {}, tags: ['rest'] } });
    expect(isDeadlocked(beside(sets, poller))).toBe(false);
  });

  it('has no way out by steps of the scheduler that lead back', () => {
    const circles = machineOf({ a: { on: { preempt: { to: 'b' } } }, b: { on: { preempt: { to: 'a' } } } });
    expect(isDeadlocked(beside(scheduling(circles)))).toBe(true);
    expect(isDeadlocked(beside(circles))).toBe(false);
  });

  it('is none where an interrupt leads to a step that is progress', () => {
    const woken = machineOf({
      waits: { on: { exec: { to: 'waits' }, ask: { to: 'awake' } } },
      awake: { on: { exec: { to: 'end' }, ask: { to: 'awake' } } },
      end: { on: { ask: { to: 'end' } }, tags: ['rest'] },
    });
    const wakes = machineOf({
      idle: { on: { interrupt: { to: 'handler' } }, tags: ['rest'] },
      handler: { on: { exec: { to: 'idle', sends: [{ to: 'node:0', type: 'ask' }] } } },
    });
    const leadsBack = machineOf({
      idle: { on: { interrupt: { to: 'handler' } }, tags: ['rest'] },
      handler: { on: { exec: { to: 'idle' } } },
    });
    expect(isDeadlocked(beside(scheduling(leadsBack), woken))).toBe(true);
    expect(isDeadlocked(beside(scheduling(wakes), woken))).toBe(false);
  });

  it('is none on a machine that has halted, though an actor still polls there', () => {
    const scenario = toy(beside(machineOf({ halted: { on: { preempt: { to: 'halted' } }, tags: ['rest', 'halt'] } })));
    expect(found(scenario)).toBeUndefined();
    expect(play(scenario, { name: 'fifo' }).end).toMatchObject({ verdict: 'clean', ended: 'halted' });
  });

  it('is none where all are at rest', () => {
    expect(
      isDeadlocked(beside(machineOf({ a: { on: { exec: { to: 'a' } }, tags: ['rest'] } }), machineOf({ a: { on: {}, tags: ['rest'] } }))),
    ).toBe(false);
  });
});

/**
 * Loops that wait, schedulers and halted machines, from the seeds of the contract; what breaks a
 * rule of models is no deadlock's business.
 */
const waitingModels = Array.from({ length: 900 }, (_, seed) => randomTopology(seed + 1)).flatMap((topology, i) => {
  const naive = new Naive(topology);
  const dead = new NaiveDead(naive);
  const ends = naiveEnds(naive, 150, (state) => dead.endIn(state));
  return ends && ![...ends.values()].some(({ breaks }) => breaks) ? [{ seed: i + 1, topology, dead, ends }] : [];
});

/** Whether a search and a run say of a model what the definition says. */
function expectDeadAsDefined(topology: Topology, dead: NaiveDead, ends: ReadonlyMap<string, Ended>, name: string): void {
  const scenario = toy(topology);
  const { explorer, report } = search(scenario);
  const deadEnds = new DeadEnds(explorer.world);
  const { space } = explorer;
  for (const [state, digest] of [...digestsOf(explorer)].entries()) {
    const naive = ends.get(digest);
    if (!naive) continue;
    const row = Array.from(space.rows.subarray(space.at(state), space.at(state) + space.columns));
    expect(deadEnds.isDead(row), `${name}, state ${state}`).toBe(dead.deadSetOf(naive.state) !== null);
  }
  const deadlocks = [...ends.values()].filter(({ end }) => end === 'deadlock').map(({ depth }) => depth);
  const finding = report.findings.find(({ property }) => property === DEADLOCK);
  expect(finding?.steps, name).toBe(deadlocks.length > 0 ? Math.min(...deadlocks) : undefined);
  expect(digestsAt(explorer, explorer.ended), name).toEqual(
    [...ends].flatMap(([digest, { end }]) => (end === null ? [] : [digest])).sort(),
  );
  if (!finding) return;
  const choices = explorer.labelsTo(finding.state).map((label) => ({ index: 0, label }));
  const { end } = play(scenario, { name: 'replay', choices, match: 'label' });
  expect(end.violation, name).toMatchObject({ property: DEADLOCK, step: finding.steps });
}

describe('random models', () => {
  it('are dead in the states that follow from the definition, first of all where a search and a run say', () => {
    let found = 0;
    fc.assert(
      fc.property(MODELS, fc.boolean(), (model, schedules) => {
        const plain = topologyOfModel(model);
        const [kind] = Object.keys(plain.machines).slice(-1);
        const machines = schedules ? { ...plain.machines, [kind!]: scheduling(plain.machines[kind!]!) } : plain.machines;
        const topology = { ...plain, machines };
        const naive = new Naive(topology);
        const dead = new NaiveDead(naive);
        const ends = naiveEnds(naive, 100_000, (state) => dead.endIn(state))!;
        expectDeadAsDefined(topology, dead, ends, 'the model');
        if ([...ends.values()].some(({ end }) => end === 'deadlock')) found++;
      }),
      { numRuns: 60, seed: SEED },
    );
    expect(found).toBeGreaterThan(10);
  });

  it('are dead so too in loops that wait, beside schedulers and where a machine has halted', { timeout: 60_000 }, () => {
    for (const { seed, topology, dead, ends } of waitingModels) expectDeadAsDefined(topology, dead, ends, `seed ${seed}`);
  });

  it('have dead sets of one state and of many, alone and beside a halted machine', () => {
    const sets = waitingModels.map(({ dead, ends }) =>
      [...ends.values()].flatMap(({ state, end }) => {
        const set = dead.deadSetOf(state);
        return set ? [{ end, size: set.length, isBusy: set.some((each) => dead.naive.steps(each).length > 0) }] : [];
      }),
    );
    const share = (is: (set: { end: NaiveEnd; size: number; isBusy: boolean }) => boolean) =>
      sets.filter((one) => one.some(is)).length / waitingModels.length;
    expect(waitingModels.length).toBeGreaterThan(300);
    expect(share(({ end, size }) => end === 'deadlock' && size > 1)).toBeGreaterThan(0.15);
    expect(share(({ end, size }) => end === 'deadlock' && size > 3)).toBeGreaterThan(0.07);
    expect(share(({ end, isBusy }) => end === 'halted' && isBusy)).toBeGreaterThan(0.05);
    expect(share(({ end, size }) => end === 'halted' && size > 1)).toBeGreaterThan(0.015);
  });

  it('end a run of either engine in the first dead state, and its choices lead there again', () => {
    let dead = 0;
    fc.assert(
      fc.property(MODELS, fc.nat(), (model, seed) => {
        const scenario = toy(topologyOfModel(model));
        const stop = (run: Run) => run.sequencer.step >= 200;
        const { end, records, run } = play(scenario, { name: 'random-uniform', seed }, engineOf(scenario, 'memo'), stop);
        expect(play(scenario, { name: 'random-uniform', seed }, engineOf(scenario, 'live'), stop)).toMatchObject({ end, records });
        expect(records.at(-1)!.step).toBeLessThanOrEqual(run.sequencer.step);
        if (end.violation?.property !== DEADLOCK) return;
        dead++;
        const choices = records.filter(({ kind }) => kind === 'choice').map(({ payload }) => payload as unknown as Choice);
        expect(choices).toHaveLength(end.violation.step);
        const again = play(scenario, { name: 'replay', choices, match: 'strict' });
        expect(again).toMatchObject({ end, records });
        // Without its last choice the schedule is too short for a run to end.
        if (choices.length > 0)
          expect(() => play(scenario, { name: 'replay', choices: choices.slice(0, -1), match: 'strict' })).toThrow(/schedule ends before/);
      }),
      { numRuns: 60, seed: SEED },
    );
    expect(dead).toBeGreaterThan(10);
  });
});
