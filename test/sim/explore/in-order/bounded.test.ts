/** The search in the order of deviations: what counts as one, and what a limit cuts. */
import { describe, expect, it } from 'vitest';
import { MemoEngine } from '../../../../sim/engine/memo.ts';
import { type BoundedReport, BoundedSearch } from '../../../../sim/explore/in-order/bounded.ts';
import { deviationOf, NO_DEVIATIONS } from '../../../../sim/explore/in-order/deviations.ts';
import { Pricing } from '../../../../sim/explore/in-order/pricing.ts';
import type { Limits } from '../../../../sim/explore/request.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { topologyOf } from '../../../../sim/host/topology.ts';
import type { PlainWorld } from '../../../../sim/restore.ts';
import { WorldStep } from '../../../../sim/rows/world-step.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import type { Topology } from '../../../../sim/store.ts';
import type { WorldView } from '../../../../sim/view.ts';
import { play, SHIPPED, shipped } from '../../play.ts';
import { search } from '../equal.ts';
import { firmware } from '../firmware.ts';
import { actorIn, CATALOGUE, chain, machineOf, rule, toy } from '../toy.ts';
import { metInOrder, metWithin } from './in-order-states.ts';
import { pricesOf } from './naive-prices.ts';

const within = (scenario: ResolvedScenario, limits: Limits, states = 100_000): BoundedReport =>
  finish(new BoundedSearch({ scenario, limits, states }).run());
const properties = ({ findings }: { readonly findings: readonly { readonly property: string }[] }) =>
  findings.map(({ property }) => property);

describe('a deviation', () => {
  it.each([
    ['deliver', '', 'next', { switches: 0 }],
    ['deliver', '', 'another', { switches: 1 }],
    ['exec', 'exec', 'next', { switches: 0 }],
    ['exec', 'exec', 'another', { switches: 1 }],
    ['exec', 'pick', 'next', { switches: 0, preemptions: 0 }],
    ['exec', 'pick', 'next, but not its first', { preemptions: 1 }],
    ['exec', 'pick', 'another, and not its first', { switches: 1, preemptions: 1 }],
    // Of a model of its own: what a CPU does with its turn is the program's choice.
    ['exec', 'exec', 'next, but not its first', { switches: 0 }],
    ['offer', 'preempt', 'another', { preemptions: 1 }],
    ['offer', 'migrate', 'another', { preemptions: 1 }],
    ['offer', 'tick', 'another', { preemptions: 1 }],
    ['offer', 'interrupt', 'another', { disturbances: 1 }],
    ['offer', 'psp-error', 'another', { disturbances: 1 }],
    ['offer', 'acquire', 'another', { switches: 0 }],
  ] as const)('%s %s of %s', (kind, type, standing, deviation) => {
    const next = standing.startsWith('next');
    expect(deviationOf(kind, type, { next, first: !standing.endsWith('not its first') })).toEqual({ ...NO_DEVIATIONS, ...deviation });
  });

  // All of them are counted against this run.
  it.each(SHIPPED)('is nowhere in the in-order run of $name under $variant', ({ name, variant }) => {
    const scenario = shipped(name, variant);
    const engine = new MemoEngine(topologyOf(scenario));
    const { records } = play(scenario, { name: 'fifo' }, engine);
    const labels = records.filter(({ kind }) => kind === 'choice').map(({ payload }) => String(payload.label));
    const pricing = new Pricing(new WorldStep(engine));
    expect(labels.length).toBeGreaterThan(2);
    expect(pricing.priceOf(labels)).toEqual(NO_DEVIATIONS);
  });

  it('is what the scheduler does if it passes the first task over, and what the sequencer does if it steps another CPU', () => {
    const node = (other: string) => ({
      start: { on: { exec: { to: 'done' }, pick: { to: 'picked' } } },
      done: { on: {}, tags: ['rest'] },
      picked: { on: { exec: { to: other } } },
    });
    const scenario = toy({
      actors: ['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null })),
      machines: { node: machineOf(node('done')) },
      catalogue: CATALOGUE,
    });
    const priceOf = (...labels: string[]) => new Pricing(new WorldStep(new MemoEngine(topologyOf(scenario)))).priceOf(labels);
    expect(priceOf('exec(node:0)', 'exec(node:1)')).toEqual(NO_DEVIATIONS);
    expect(priceOf('pick(node:0)')).toEqual({ ...NO_DEVIATIONS, preemptions: 1 });
    expect(priceOf('pick(node:1)')).toEqual({ ...NO_DEVIATIONS, switches: 1, preemptions: 1 });
    // The node that runs goes on: only the first step of the other one is a switch.
    expect(priceOf('pick(node:0)', 'exec(node:1)', 'exec(node:0)')).toEqual({ ...NO_DEVIATIONS, switches: 1, preemptions: 1 });
    expect(priceOf('exec(node:1)', 'exec(node:0)')).toEqual({ ...NO_DEVIATIONS, switches: 1 });
  });

  it('is to deliver a message before one that has arrived earlier, and to leave both for a CPU', () => {
    const sender = {
      a: { on: { exec: { to: 'b', sends: [{ to: 'node:1', type: 'mail' }] } } },
      b: { on: { exec: { to: 'c', sends: [{ to: 'node:0', type: 'mail' }] } } },
      c: { on: { mail: { to: 'c' } }, tags: ['rest'] },
    };
    const receiver = {
      a: { on: { mail: { to: 'b' }, exec: { to: 'c' } } },
      b: { on: {}, tags: ['rest'] },
      c: { on: { mail: { to: 'b' } } },
    };
    const scenario = toy({
      actors: [
        { id: 'node:0', kind: 'node', input: null },
        { id: 'node:1', kind: 'other', input: null },
      ],
      machines: { node: machineOf(sender), other: machineOf(receiver) },
      catalogue: CATALOGUE,
    });
    const sent = ['exec(node:0)', 'exec(node:0)'];
    const priceOf = (...labels: string[]) =>
      new Pricing(new WorldStep(new MemoEngine(topologyOf(scenario)))).priceOf([...sent, ...labels]).switches;
    const [first, second] = ['deliver(mail, node:0, node:1)', 'deliver(mail, node:0, node:0)'];
    expect(priceOf(first, second)).toBe(0);
    expect(priceOf(second, first)).toBe(1);
    expect(priceOf('exec(node:1)', first, second)).toBe(1);
    expect(priceOf('exec(node:1)', second, first)).toBe(2);
  });

  it('is to deliver the second message of a queue before one of another queue that has come in between', () => {
    const mail = (to: string) => [{ to, type: 'mail' }];
    const sender = {
      a: { on: { exec: { to: 'b', sends: mail('node:1') } } },
      b: { on: { exec: { to: 'c', sends: mail('node:0') } } },
      c: { on: { exec: { to: 'd', sends: mail('node:1') } } },
      d: { on: { mail: { to: 'd' } }, tags: ['rest'] },
    };
    const scenario = toy({
      actors: [
        { id: 'node:0', kind: 'node', input: null },
        { id: 'node:1', kind: 'other', input: null },
      ],
      machines: { node: machineOf(sender, 3), other: machineOf({ a: { on: { mail: { to: 'b' } } }, b: { on: { mail: { to: 'b' } } } }) },
      catalogue: CATALOGUE,
    });
    const [one, zero] = ['deliver(mail, node:0, node:1)', 'deliver(mail, node:0, node:0)'];
    const priceOf = (...labels: string[]) =>
      new Pricing(new WorldStep(new MemoEngine(topologyOf(scenario)))).priceOf([...Array(3).fill('exec(node:0)'), ...labels]).switches;
    expect(priceOf(one!, zero!, one!)).toBe(0);
    expect(priceOf(one!, one!, zero!)).toBe(1);
  });

  it('is none where a CPU that only polls is passed over, nor where it is not', () => {
    const scenario = toy({
      actors: [
        { id: 'node:0', kind: 'node', input: null },
        { id: 'node:1', kind: 'other', input: null },
      ],
      machines: {
        node: machineOf({
          polls: { on: { exec: { to: 'polls' }, ask: { to: 'done' } }, yields: true },
          done: { on: { ask: { to: 'done' } }, tags: ['rest'] },
        }),
        other: machineOf(chain(2, { on: { exec: { to: 's2', sends: [{ to: 'node:0', type: 'ask' }] } } })),
      },
      catalogue: CATALOGUE,
    });
    const priceOf = (...labels: string[]) => new Pricing(new WorldStep(new MemoEngine(topologyOf(scenario)))).priceOf(labels);
    const [poll, step] = ['exec(node:0)', 'exec(node:1)'];
    expect(priceOf(poll, step, step, step)).toEqual(NO_DEVIATIONS);
    expect(priceOf(step, poll, step, poll, step)).toEqual(NO_DEVIATIONS);
    expect(within(scenario, { deviations: 0 })).toMatchObject({ states: 4, closed: true });
  });

  it('cannot be counted of a schedule that does not fit', () => {
    const pricing = new Pricing(new WorldStep(new MemoEngine(topologyOf(shipped('rmp-lock')))));
    expect(() => pricing.priceOf(['acquire(vcpu:0, page:0)', 'write(vcpu:0)'])).toThrow('step 2 has no alternative write(vcpu:0)');
  });
});

describe('no deviations', () => {
  const ordered = SHIPPED.filter(({ name }) => name !== 'rmp-lock');

  it.each(ordered)('of $name under $variant are the in-order run for each input, and nothing else', ({ name, variant }) => {
    const scenario = shipped(name, variant);
    const { digests, report } = metWithin(scenario, { deviations: 0 });
    const inOrder = metInOrder(scenario);
    expect(report).toMatchObject({ exhausted: true, limit: null });
    expect(inOrder.size).toBeGreaterThan(2);
    expect([...digests].sort()).toEqual([...inOrder].sort());
  });

  it('leave a model of its own whole: its offers are choices of its own', () => {
    const scenario = shipped('rmp-lock', undefined, { vcpus: '2' });
    expect(within(scenario, { deviations: 0 })).toMatchObject({ states: search(scenario).report.states, closed: true });
  });

  it('from the middle of a run are the rest of it, whatever is in flight in which order', () => {
    const mailbox = { on: { mail: { to: 'got' }, exec: { to: 'left' } } };
    const scenario = toy({
      actors: ['node:0', 'node:1', 'node:2'].map((id) => ({ id, kind: 'node', input: null })),
      machines: {
        node: machineOf({
          start: mailbox,
          got: { on: { mail: { to: 'twice' } } },
          twice: { on: {} },
          left: { on: { mail: { to: 'left' } } },
        }),
      },
      catalogue: CATALOGUE,
    });
    const at = (value: string) => ({ value, context: { energy: 2 } });
    const message = (seq: number, from: string) => ({ seq, from, to: 'node:0', type: 'mail', payload: {} });
    const from: PlainWorld = {
      actors: new Map([
        ['node:0', at('start')],
        ['node:1', at('twice')],
        ['node:2', at('twice')],
      ]),
      inFlight: [message(9, 'node:1'), message(7, 'node:2')],
      step: 4,
      seq: 9,
      vtime: 0,
    };
    const pricing = new Pricing(new WorldStep(new MemoEngine(topologyOf(scenario)), from));
    const deliver = (sender: string) => `deliver(mail, ${sender}, node:0)`;
    expect(pricing.priceOf([deliver('node:2'), deliver('node:1')])).toEqual(NO_DEVIATIONS);
    expect(pricing.priceOf([deliver('node:1'), deliver('node:2')])).toEqual({ ...NO_DEVIATIONS, switches: 1 });
  });
});

describe('a bound', () => {
  const race = shipped('rmpadjust-vs-rmpupdate', 'inuse');

  it('cuts, and says so; without one everything is searched, with the verdicts of the whole search', () => {
    const two = within(race, { deviations: 2 });
    expect(two).toMatchObject({ exhausted: true, closed: false, limit: null });
    const all = within(race, {});
    expect(all).toMatchObject({ exhausted: true, closed: true });
    expect(properties(all)).toEqual(['rmp.vm-bugged']);
  });

  it('that is large enough cuts nothing', () => {
    const large = within(firmware, { deviations: 40 });
    expect(large).toMatchObject({ exhausted: true, closed: true });
    expect(within(firmware, { deviations: 3 })).toMatchObject({ exhausted: true, closed: false });
    expect(within(firmware, { preemptions: 20, switches: 20 })).toMatchObject({ closed: true, findings: [] });
  });

  it('finds more as it grows', () => {
    const panics = shipped('rmp-host-write-race', 'panic-sigbus');
    expect(properties(within(panics, { deviations: 0 }))).toEqual([]);
    expect(properties(within(panics, { deviations: 1 }))).toEqual(['rmp.innocent-process-killed']);
    expect(properties(within(panics, { deviations: 2 })).sort()).toEqual(['rmp.host-panic', 'rmp.innocent-process-killed']);
  });

  it('of preemptions does not lose a state that was first reached by more of them', () => {
    // A preemption brings node:0 to `far` at once; without one four switches do so too, and from
    // there only a preemption breaks it.
    const topology: Topology = {
      actors: [
        { id: 'node:0', kind: 'node', input: null },
        { id: 'node:1', kind: 'other', input: null },
      ],
      machines: {
        node: machineOf({
          start: { on: { exec: { to: 'near' }, ask: { to: 'start' } } },
          near: { on: { exec: { to: 'lost' }, preempt: { to: 'hop' }, ask: { to: 'asked' } } },
          asked: { on: { exec: { to: 'again' }, ask: { to: 'asked' } } },
          again: { on: { exec: { to: 'lost' }, ask: { to: 'hop' } } },
          hop: { on: { exec: { to: 'far' }, ask: { to: 'hop' } } },
          far: { on: { preempt: { to: 'bad' }, ask: { to: 'far' } } },
          lost: { on: { ask: { to: 'lost' } }, tags: ['rest'] },
          bad: { on: { ask: { to: 'bad' } }, tags: ['rest'] },
        }),
        other: machineOf({ a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'a', sends: [{ to: 'node:0', type: 'ask' }] } } } }),
      },
      catalogue: CATALOGUE,
    };
    const bad = (world: WorldView) => (actorIn(world, 'node:0').value === 'bad' ? 'bad' : null);
    const scenario = toy(topology, [rule(bad)]);
    const { prices } = pricesOf(topology, (world) => bad(world) !== null, 5);
    expect(prices.some(({ preemptions }) => preemptions === 1)).toBe(true);
    expect(within(scenario, { preemptions: 1 }).findings).toMatchObject([{ preemptions: 1 }]);
    expect(within(scenario, { preemptions: 0 })).toMatchObject({ findings: [], exhausted: true, closed: false });
    // Told apart by what is limited, a state is still one state.
    expect(within(scenario, { preemptions: 9 }).states).toBe(within(scenario, {}).states);
    expect(within(scenario, { preemptions: 9 }).transitions).toBe(within(scenario, {}).transitions);
  });

  it('goes on behind a machine that has halted, as the whole search does', () => {
    const halting: Topology = {
      actors: [{ id: 'node:0', kind: 'node', input: null }],
      machines: { node: machineOf({ a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'c' } }, tags: ['halt'] }, c: { on: {} } }) },
      catalogue: CATALOGUE,
    };
    const scenario = toy(halting, [rule((world) => (actorIn(world, 'node:0').value === 'c' ? 'behind it' : null))]);
    const broken = scenario.properties.always[0];
    expect(within(scenario, {})).toMatchObject({ states: 3, findings: [{ property: broken }] });
    expect(search(scenario).report).toMatchObject({ states: 3, findings: [{ property: broken }] });
  });

  it('says which of the races a scenario is about did not happen within it', () => {
    expect(within(race, { deviations: 0 }).missed).toEqual(['rmp.entry-lock-is-contended']);
    expect(within(race, { deviations: 2 }).missed).toEqual([]);
  });

  it('does not take a value that needs more than one code unit for another one', () => {
    const scenario = toy({
      actors: ['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null })),
      machines: { node: machineOf(chain(3)) },
      catalogue: CATALOGUE,
    });
    const bounded = new BoundedSearch({ scenario, limits: {}, states: 1000 });
    const { locals } = bounded.world.store.kinds[0]!;
    // So many local states that the next ones pass 65,536, where a code unit begins again at 0.
    for (let i = locals.size; i < 0x1_0000; i++) locals.put(`filler ${i}`, locals.values[0]!);
    expect(finish(bounded.run()).states).toBe(within(scenario, {}).states);
  });
});
