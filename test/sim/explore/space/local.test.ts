/**
 * Local steps run on: what is not kept has one way to go, and everything else is found as it is
 * without.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { emit, setup } from 'xstate';
import { type Outgoing, outgoing } from '../../../../events/event.ts';
import { openJournal } from '../../../../replay/open.ts';
import { reexecute } from '../../../../replay/reexecute.ts';
import { memorySource } from '../../../../replay/source.ts';
import { hexOf } from '../../../../sim/canonical.ts';
import { DEADLOCK } from '../../../../sim/end.ts';
import { MemoEngine } from '../../../../sim/engine/memo.ts';
import { Explorer } from '../../../../sim/explore/breadth/explorer.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import type { Exploration } from '../../../../sim/explore/request.ts';
import { labelsAlong, soleStepOf } from '../../../../sim/explore/space/local.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { topologyOf } from '../../../../sim/host/topology.ts';
import { WorldStep } from '../../../../sim/rows/world-step.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { Bench } from '../../../cli/run-cli.ts';
import { engineOf, journalOf, SHIPPED, shipped } from '../../play.ts';
import { MODELS, topologyOfModel } from '../arbitrary.ts';
import { firmware } from '../firmware.ts';
import { actorIn, CATALOGUE, chain, machineOf, rule, toy } from '../toy.ts';

const STATES = 1_000_000;

function searched(scenario: ResolvedScenario, local: boolean) {
  const explorer = new Explorer({ scenario, budget: { states: STATES }, local });
  const report = finish(explorer.run());
  const { space, world } = explorer;
  const row = new Int32Array(space.columns);
  const rowOf = (state: number) => {
    space.read(state, row);
    return row;
  };
  const digestOf = (state: number) => {
    let [a, b] = [0, 0];
    for (const [column, value] of rowOf(state).entries()) {
      a = (a + world.laneA(column, value)) | 0;
      b = (b + world.laneB(column, value)) | 0;
    }
    return hexOf(a, b);
  };
  const states = new Map(Array.from({ length: space.count }, (_, state) => [digestOf(state), state]));
  const isSole = (state: number) => soleStepOf(world, rowOf(state)) !== null;
  const ended = new Set(explorer.ended.map(digestOf));
  return { explorer, report, states, isSole, ended };
}

/** A trail in local steps is a schedule like any other. */
function expectTrails(scenario: ResolvedScenario, { explorer, report }: ReturnType<typeof searched>): void {
  for (const { property, message, state } of report.findings) {
    const labels = explorer.labelsTo(state);
    const choices = labels.map((label) => ({ index: 0, label }));
    const { bytes, run } = journalOf(scenario, { name: 'replay', choices, match: 'label' }, engineOf(scenario, 'memo'));
    const step = labels.length;
    expect(run.end).toMatchObject({ violation: property === DEADLOCK ? { property } : { property, message, step } });
    expect(reexecute(openJournal(memorySource(bytes)))).toMatchObject({ identical: true, steps: step });
  }
}

/** @returns how many states were not kept */
function expectAgreement(scenario: ResolvedScenario): number {
  const all = searched(scenario, false);
  const some = searched(scenario, true);
  const left = [...all.states].filter(([digest]) => !some.states.has(digest));
  expect([...some.states.keys()].every((digest) => all.states.has(digest))).toBe(true);
  expect(left.every(([, state]) => all.isSole(state))).toBe(true);
  expect(some.ended).toEqual(all.ended);
  const properties = ({ report }: typeof all) => new Set(report.findings.map(({ property }) => property));
  expect(properties(some)).toEqual(properties(all));
  const met = ({ report }: typeof all) => [...report.reached].flatMap(([id, first]) => (first ? [id] : []));
  expect(met(some)).toEqual(met(all));
  // Each of them is one step less: it has one way in for each way that was counted, and one way
  // out.
  expect(some.report.exhausted).toBe(true);
  expect(some.report.unchanged).toBe(all.report.unchanged);
  expect(some.report.passed >= left.length).toBe(true);
  expectTrails(scenario, some);
  return left.length;
}

/** Small ones of each mechanism. */
const CASES = SHIPPED.filter(({ name }) =>
  /^rmpadjust|^vmsa|^sld-(sysctl|flagless|wrmsr|smt)|^oslock-(brk|oslar|physical|pkvm)/.test(name),
);

describe('local steps that run on', () => {
  it.each(CASES.map(({ name, variant }) => [name, variant] as const))('leave out what has one way to go: %s %s', (name, variant) => {
    const left = expectAgreement(shipped(name, variant));
    // A CPU that waits for something always has its poll to do: then there is a choice everywhere.
    expect(left > 0).toBe(!/^sld-(flagless|smt|wrmsr)/.test(name));
  });

  it('leave out nothing that a message in flight could change', () => {
    expectAgreement(firmware);
  });

  it('agree on any model', () => {
    fc.assert(
      fc.property(MODELS, (model) => {
        expectAgreement(toy(topologyOfModel(model)));
      }),
      { numRuns: 60, seed: 20_262 },
    );
  });

  it('go through a chain at once, and stop where a property looks', () => {
    const actors = [{ id: 'node:0', kind: 'node', input: null }];
    const topology = { actors, machines: { node: machineOf(chain(9)) }, catalogue: CATALOGUE };
    const seen = rule((world) => (actorIn(world, 'node:0').value === 's4' ? 'in s4' : null));
    expect(searched(toy(topology), true).report).toMatchObject({ states: 2, transitions: 1, passed: 8 });
    const { explorer, report } = searched(toy(topology, [seen]), true);
    expect(report.findings).toMatchObject([{ message: 'in s4' }]);
    expect(explorer.labelsTo(report.findings[0]!.state)).toHaveLength(4);
  });

  it('keep a state of a cycle that nothing ever leaves', () => {
    const actors = [{ id: 'node:0', kind: 'node', input: null }];
    const machine = machineOf({ a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'c' } } }, c: { on: { exec: { to: 'b' } } } });
    const { report } = searched(toy({ actors, machines: { node: machine }, catalogue: CATALOGUE }), true);
    expect(report).toMatchObject({ exhausted: true });
    expect(report.states).toBeLessThanOrEqual(3);
  });
});

const verdictOf = ({ violations, missed, undecided, exhausted }: Exploration) => ({
  violations: violations.map(({ property, least, steps, labels }) => ({ property, least, steps, labels })),
  missed,
  undecided,
  exhausted,
});

describe('explore with --reduce local', () => {
  const bench = new Bench();
  afterAll(() => bench.clear());

  it.each([
    ['rmpadjust-vs-rmpupdate', 'inuse'],
    ['vmsa-in-use-kick', 'kick'],
    ['sld-sysctl-flip', 'twice'],
  ])('gives the same verdict by the same schedules: %s %s', (name, variant) => {
    const request = { scenario: shipped(name, variant), maxStates: STATES };
    const reduced = finish(explore({ ...request, local: true }));
    expect(verdictOf(reduced)).toEqual(verdictOf(finish(explore(request))));
    expect(reduced.guarantee.join('\n')).toContain('Local steps ran on');
  });

  it('takes both reductions by one word, and counts fewer states than either', async () => {
    const ask = async (reduce: string) => {
      const { json } = await bench.run(['explore', 'rmp-lock', '--set', 'vcpus=2', '--reduce', reduce, '--json']);
      return json<{ readonly states: number; readonly exhausted: boolean }>();
    };
    const [local, symmetry, both] = [await ask('local'), await ask('symmetry'), await ask('local,symmetry')];
    expect(both.exhausted).toBe(true);
    expect(both.states).toBeLessThan(Math.min(local.states, symmetry.states));
  });

  it.each([
    ['none,local', 'none goes with nothing else'],
    ['sleep', 'Expected none, or a list of scheduler, symmetry, local'],
    ['', 'Expected none, or a list of scheduler, symmetry, local'],
  ])('refuses --reduce "%s"', async (list, says) => {
    const { code, err } = await bench.run(['explore', 'rmp-lock', '--reduce', list]);
    expect([code, err.includes(says)]).toEqual([2, true]);
  });

  it('refuses a reduction after none was asked for', async () => {
    const { code, err } = await bench.run(['explore', 'rmp-lock', '--no-reduce', '--reduce', 'local']);
    expect([code, err.includes('--no-reduce says that there is none')]).toEqual([2, true]);
  });

  it('refuses a second list, of which the first would go unheeded', async () => {
    const { code, err } = await bench.run(['explore', 'rmp-lock', '--reduce', 'local', '--reduce', 'symmetry']);
    expect([code, err.includes('Expected --reduce once; scheduler,symmetry does both')]).toEqual([2, true]);
  });
});

describe('a violation whose least schedule is not looked for to the end', () => {
  it('has as many steps as its schedule, those included that ran on', () => {
    const ids = Array.from({ length: 4 }, (_, i) => `node:${i}`);
    const starts = ids.map((to) => ({ to, type: 'ask' }));
    const scenario = toy(
      {
        actors: [{ id: 'hub:0', kind: 'hub', input: null }, ...ids.map((id) => ({ id, kind: 'node', input: null }))],
        machines: {
          hub: machineOf({
            a: { on: { exec: { to: 'b' } } },
            b: { on: { exec: { to: 'c' } } },
            c: { on: { exec: { to: 'd', sends: starts } } },
            d: { on: {}, tags: ['rest'] },
          }),
          node: machineOf({ off: { on: { ask: { to: 's0' } } }, ...chain(6) }),
        },
        catalogue: CATALOGUE,
      },
      [rule((world) => (ids.every((id) => actorIn(world, id).value === 's3') ? 'all are in s3' : null), 'middle')],
    );
    const search = explore({ scenario, maxStates: STATES, local: true });
    // The whole search goes to its end, and the one for the least schedule does not.
    let turn = search.next();
    while (!turn.done) turn = search.next(turn.value.closing === true);
    const [violation] = turn.value.violations;
    expect(violation).toMatchObject({ least: false, steps: 3 + 4 * 3 });
    expect(violation!.labels).toHaveLength(violation!.steps);
  });
});

describe('the local steps between two states', () => {
  it('are found where nothing but a queue that had not been used tells the two apart', () => {
    const sends = setup({ types: { emitted: {} as Outgoing } }).createMachine({
      initial: 'a',
      states: { a: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: { actions: emit(outgoing('hub:0', { type: 'mail' })) } } } },
    });
    const scenario = toy({
      actors: [
        { id: 'node:0', kind: 'node', input: null },
        { id: 'hub:0', kind: 'hub', input: null },
      ],
      machines: { node: sends, hub: machineOf({ a: { on: { mail: { to: 'a' } }, tags: ['rest'] } }) },
      catalogue: CATALOGUE,
    });
    const world = new WorldStep(new MemoEngine(topologyOf(scenario)));
    const { column, event } = soleStepOf(world, world.initial)!;
    const sent = world.after(world.initial, world.run(world.initial, column, event));
    expect(sent.slice(0, world.actors)).toEqual(world.initial);
    expect(labelsAlong(world, world.initial, sent)).toEqual(['exec(node:0)']);
  });
});
