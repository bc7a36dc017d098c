/**
 * Members of one class that fare differently: a run ends in some of them, or a model breaks a rule
 * there, and goes on from the others.
 */
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../../../sim/engine/port.ts';
import { classified } from '../../../../sim/explore/classes/classified.ts';
import { labelsThrough } from '../../../../sim/explore/classes/ways.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { always, type Property, sometimes } from '../../../../sim/property.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import type { Topology } from '../../../../sim/store.ts';
import type { WorldView } from '../../../../sim/view.ts';
import { actorIn, machineOf, rule, type StateTable, toy } from '../toy.ts';
import { verdictsOf } from './against-plain.ts';
import { cpuBeside, equal, STATES, scheduling } from './toys.ts';

const REST: StateTable = { on: {}, tags: ['rest'] };
/** A program that the scheduler moves. */
const MOVED: Readonly<Record<string, StateTable>> = {
  a: { on: { step: { to: 'b' } }, tags: ['rest'] },
  b: { on: { step: { to: 'b' } }, tags: ['rest'] },
};
const MOVES = [{ to: 'node:0', type: 'step' }];

const cpuIn = (world: WorldView): unknown => world.actors<unknown>('pcpu')[0]!.value;
/** Breaks where the scheduler is in one of some states and the program in another. */
const meets = (program: string, ...states: readonly string[]): Property =>
  rule((world) =>
    states.includes(String(cpuIn(world))) && actorIn(world, 'node:0').value === program ? `${program} meets ${states.join()}` : null,
  );
const violatedIn = (topology: Topology, ...rules: readonly Property[]) => equal(toy(topology, rules)).violated;

/**
 * What both searches say is violated. A class may hold more than runs come to behind a deadlock.
 */
function toldOf(scenario: ResolvedScenario): string[] {
  const [plain, classes] = [false, true].map((over) => verdictsOf(finish(explore({ scenario, maxStates: STATES, scheduler: over }))));
  expect(classes).toEqual(plain);
  return classes!.violations.map(({ property }) => property);
}

describe('a run', () => {
  it('ends in each of several configurations that the scheduler alone leads to', () => {
    const scheduler = {
      start: { on: { nudge: { to: 'start', sends: MOVES }, pick: { to: 'left' }, preempt: { to: 'right' } } },
      left: REST,
      right: REST,
    };
    expect(violatedIn(cpuBeside(scheduler, MOVED), meets('b', 'left'), meets('b', 'right'))).toHaveLength(2);
  });

  it('ends in a deadlock, and not in what would follow it', () => {
    const scheduler = {
      start: { on: { nudge: { to: 'start', sends: MOVES }, pick: { to: 'lost' }, preempt: { to: 'over' } } },
      lost: { on: { exec: { to: 'broken' } } },
      broken: { on: {} },
      over: REST,
    };
    const never = sometimes('members.broken', {
      ...{ kinds: ['pcpu'], source: 'a test', grade: 'decision' },
      check: (world) => (cpuIn(world) === 'broken' ? 'behind the deadlock' : null),
    });
    expect(toldOf(toy(cpuBeside(scheduler, MOVED), [meets('b', 'broken'), never]))).toEqual(['deadlock']);
  });

  it('deadlocks on one side, and goes on without end on the other', () => {
    const goesOn = (side: string): StateTable => ({ on: { exec: { to: side, sends: MOVES } } });
    const turns = (side: string): StateTable => ({ on: { pick: { to: side } } });
    const sides = [
      { left: goesOn('left'), right: turns('right2'), right2: turns('right') },
      { left: turns('left2'), left2: turns('left'), right: goesOn('right') },
    ];
    const program = { a: { on: { step: { to: 'b' } }, tags: ['rest'] }, b: { on: { step: { to: 'a' } }, tags: ['rest'] } };
    const start = { on: { pick: { to: 'left' }, preempt: { to: 'right' } } };
    for (const both of sides) expect(toldOf(toy(cpuBeside({ start, ...both }, program)))).toEqual(['deadlock']);
  });

  it('ends in every class that one step leads to', () => {
    const program = {
      a: { on: { exec: { to: 'b', sends: [{ to: 'pcpu:0', type: 'ask' }] } } },
      b: { ...REST, on: { told: { to: 'noted' } } },
      noted: { on: { exec: { to: 'beyond' } } },
      beyond: REST,
    };
    const quiet = { ...REST, on: { step: { to: 'answers' }, ask: { to: 'quiet' } } };
    const answers = { ...REST, on: { step: { to: 'answers' }, ask: { to: 'answers', sends: [{ to: 'node:0', type: 'told' }] } } };
    const { actors, machines, catalogue } = cpuBeside({ quiet, answers }, program);
    // Neither of the two sides leads to the other, and the CPU answers in both of them.
    const sends = [{ to: 'pcpu:0', type: 'step' }];
    const sides = scheduling({ start: { on: { pick: { to: 'left', sends }, preempt: { to: 'right', sends } } }, left: REST, right: REST });
    const topology: Topology = {
      actors: [...actors, { id: 'node:9', kind: 'sides', input: null }],
      machines: { ...machines, sides },
      catalogue,
    };
    const noted = always('members.noted', {
      ...{ kinds: ['node'], source: 'a test', grade: 'decision' },
      check: (world) => (actorIn(world, 'node:0').value === 'noted' ? 'noted' : null),
    });
    expect(violatedIn(topology, noted)).toEqual([noted.id]);
  });
});

describe('a rule that the scheduler breaks by itself', () => {
  const deaf = machineOf({ a: { on: { exec: { to: 'b' } } }, b: REST });
  const scheduler = { start: { on: { pick: { to: 'late' } } }, late: { on: { pick: { to: 'wrong', sends: MOVES } } }, wrong: REST };
  const topology = { ...cpuBeside(scheduler, { a: REST }), machines: { pcpu: scheduling(scheduler), node: deaf } };

  it('is told as in a search over all states', () => {
    const search = (over: boolean) => () => finish(explore({ scenario: toy(topology), maxStates: STATES, scheduler: over }));
    expect(search(false)).toThrow('node:0');
    expect(search(true)).toThrow(ModelError);
  });

  it('is not told where a run has ended before', () => {
    const late = rule((world) => (cpuIn(world) === 'late' ? 'late' : null));
    expect(violatedIn(topology, late)).toEqual([late.id]);
  });
});

describe('the way to what was found', () => {
  it('goes through no state in which a run ends', () => {
    const scheduler = {
      start: { on: { pick: { to: 'broken' }, preempt: { to: 'one' } } },
      broken: { on: { pick: { to: 'found' } } },
      one: { on: { pick: { to: 'two' } } },
      two: { on: { pick: { to: 'found' } } },
      found: REST,
    };
    const near = rule((world) => (cpuIn(world) === 'broken' ? 'broken' : null));
    const far = meets('b', 'found');
    const scenario = toy(cpuBeside(scheduler, { a: { on: { exec: { to: 'b' } } }, b: REST }), [near, far]);
    equal(scenario);
    const { search } = finish(classified({ scenario, budget: { states: STATES }, renames: 'cpus' }));
    const { state } = search.verdicts.findings.find(({ property }) => property === far.id)!;
    const [cpus, nodes] = search.world.store.kindOfSlot.map(({ locals }) => locals.values);
    const isFound = ([cpu, node]: readonly number[]) => cpus![cpu!]!.value === 'found' && nodes![node!]!.value === 'b';
    expect(labelsThrough(search, state, isFound)).toEqual(['preempt(pcpu:0)', 'pick(pcpu:0)', 'pick(pcpu:0)', 'exec(node:0)']);
  });
});
