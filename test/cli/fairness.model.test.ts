/**
 * What is owed is declared: a model's offers by their own word, a host's ticks by the processor;
 * and a correct poller is no hang.
 */
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { moduleOf } from './own-modules.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const from = (path: string): string => JSON.stringify(pathToFileURL(path).href);

/** Goes from a to b to c by offers whose name and whose debt are parameters. */
const TINY = `
import { eventually } from ${from('sim/property.ts')};
${moduleOf(
  'tiny',
  `models: [{
  name: 'tiny',
  properties: [eventually('tiny.reaches-c', { kinds: ['n'], source: 's', grade: 'decision', check: (w) => (w.actors('n')[0].value === 'c' ? 'in c' : null) })],
  topology: ({ params: { step, owed } }) => ({
    actors: [{ id: 'n:0', kind: 'n', input: null }],
    catalogue: { [step]: 'offer', back: 'offer' },
    machines: { n: setup({}).createMachine({ id: 'n', initial: 'a', states: {
      a: { tags: 'rest', meta: { offers: () => [{ type: step, owed: owed !== 'none' }] }, on: { [step]: 'b' } },
      b: { tags: 'rest', meta: { offers: () => [{ type: 'back', ...(owed === 'both' && { owed: true }), ...(owed === 'wrong' && { owed: 1 }) }] }, on: { back: 'c' } },
      c: { tags: 'rest' },
    } }) },
  }),
}]`,
)}`;

const TINY_YAML = `name: tiny
summary: One actor and its offers
model: tiny
params:
  step: { type: string, enum: [exec, go], default: exec }
  owed: { type: string, enum: [none, first, both, wrong], default: none }
host: { arch: amd }
properties: { eventually: [tiny.reaches-c] }
`;

/**
 * Threads that poll flags and set them. \`held\`: with preemption off. \`relax\`: with a step that
 * yields.
 */
const SPIN = `
import { assign } from ${from('node_modules/xstate/dist/xstate.esm.js')};
import { sender } from ${from('events/event.ts')};
import { operation } from ${from('sim/scenario/operation.ts')};
const S = { source: 'a test', grade: 'decision' };
const poll = (name, flag, ...more) => host.path(name, S, [host.loop(
  host.step('poll', { idles: true, send: () => outgoing(flag, { type: 'spin.get' }), answers: { 'spin.value': (e) => ({ spinSet: e.set }) } }),
  host.when([(_t, l) => l.spinSet, [host.leaveLoop]]), ...more)], { locals: ['spinSet'] });
const set = (name, flag) => host.path(name, S, [host.step('set', { send: () => outgoing(flag, { type: 'spin.set' }), answers: { 'spin.value': () => ({}) } })]);
const held = host.path('held', S, [host.step('syscall', { mode: 'kernel' }), host.step('preempt_disable', { preempt: 1 }),
  host.call(poll('poll_held', 'spinFlag:0')), host.step('preempt_enable', { preempt: -1 }), host.step('sysret', { mode: 'user' })]);
const operations = { 'poll-0': poll('poll_0', 'spinFlag:0'), 'poll-1': poll('poll_1', 'spinFlag:1'), 'set-0': set('set_0', 'spinFlag:0'), 'set-1': set('set_1', 'spinFlag:1'),
  'poll-held': held, 'poll-relax': poll('poll_relax', 'spinFlag:0', host.step('relax', { yields: true })) };
const flag = setup({
  actions: { set: assign({ set: true }), answer: emit(({ context, event }) => outgoing(sender(event), { type: 'spin.value', set: context.set })) },
}).createMachine({ id: 'spinFlag', context: { set: false }, initial: 'a', states: { a: { tags: 'rest', on: { 'spin.get': { actions: 'answer' }, 'spin.set': { actions: ['set', 'answer'] } } } } });
${moduleOf(
  'spin',
  `hostOperations: Object.fromEntries(Object.keys(operations).map((name) => [name, operation(name, 'Polls or sets.', {})])),
  host: () => ({ operations: () => Object.entries(operations).map(([name, path]) => [name, host.call(path)]) }),
  catalogue: { 'spin.get': 'bus', 'spin.set': 'bus', 'spin.value': 'bus' },
  actors: ({ name }) => (name === 'spin' ? ['spinFlag:0', 'spinFlag:1'].map((id) => ({ id, kind: 'spinFlag', input: null })) : []),
  machines: () => ({ spinFlag: flag })`,
)}`;

const spinYaml = (host: string, ...threads: readonly string[]): string => `name: spin
summary: Threads that poll
host: { arch: amd, ${host} }
processes:
  a: { threads: [${threads.map((one) => `[${one}]`).join(', ')}] }
properties: { eventually: [cpu.progress] }
`;

interface Found {
  readonly violations: readonly { readonly property: string; readonly message: string; readonly kind?: string }[];
  readonly guarantee: string;
}

async function searched(module: string, yaml: string, ...more: readonly string[]) {
  writeFileSync(bench.path('asked.yaml'), yaml);
  const { code, json, err } = await bench.run(['explore', 'asked.yaml', '--models', module, '--json', ...more]);
  expect(err).toBe('');
  return { code, ...json<Found>() };
}

beforeAll(() => {
  writeFileSync(bench.path('tiny.mjs'), TINY);
  writeFileSync(bench.path('spin.mjs'), SPIN);
});

describe('an offer of a model', () => {
  it.each(['exec', 'go'])('is owed where it says so, whatever its name: %s', async (step) => {
    const reaches = (owed: string) => searched('tiny.mjs', TINY_YAML, '--set', `step=${step}`, '--set', `owed=${owed}`);
    const message = 'nothing has to happen any more, and it never came true';
    expect(await reaches('none')).toMatchObject({ code: 1, violations: [{ property: 'tiny.reaches-c', message, steps: 0 }] });
    expect(await reaches('first')).toMatchObject({ code: 1, violations: [{ property: 'tiny.reaches-c', message, steps: 1 }] });
    const { code, guarantee } = await reaches('both');
    expect([code, guarantee]).toEqual([0, expect.stringContaining(`Owed: back and ${step} of n; deliveries.`)]);
  });

  it('ends a run where the search says that it may stay', async () => {
    writeFileSync(bench.path('asked.yaml'), TINY_YAML);
    const run = (owed: string) => bench.run(['run', 'asked.yaml', '--models', 'tiny.mjs', '--set', `owed=${owed}`]);
    expect((await run('first')).out).toContain('Broken: tiny.reaches-c after 1 step\n  nothing has to happen any more');
    expect((await run('both')).out).toContain('Clean: 2 steps');
  });

  it('ends a sample where the search says that it may stay', async () => {
    const sample = (owed: string) => searched('tiny.mjs', TINY_YAML, '--set', `owed=${owed}`, '--strategy', 'random');
    expect(await sample('first')).toMatchObject({ code: 1, violations: [{ property: 'tiny.reaches-c', steps: 1 }] });
    expect(await sample('both')).toMatchObject({ code: 0, violations: [] });
  });

  it('is refused where it says neither true nor false', async () => {
    writeFileSync(bench.path('asked.yaml'), TINY_YAML);
    const { code, err } = await bench.run(['run', 'asked.yaml', '--models', 'tiny.mjs', '--set', 'owed=wrong']);
    expect([code, err]).toEqual([2, expect.stringContaining('the offer back says owed: 1; expected true, "strong" or false')]);
  });
});

describe('a thread that polls', () => {
  const FULL = 'preemption: full, ticks: pending';

  it.each([
    ['two threads on two CPUs', 'cpus: 2', 'poll-0'],
    ['two threads on one CPU', 'cpus: 1', 'poll-0'],
    ['a loop that relaxes', 'cpus: 1', 'poll-relax'],
  ])('is no hang where a fair schedule makes true what it waits for: %s', async (_, cpus, poll) => {
    const { code, violations, guarantee } = await searched('spin.mjs', spinYaml(`${cpus}, ${FULL}`, `{ ${poll}: {} }`, '{ set-0: {} }'));
    expect([code, violations]).toEqual([0, []]);
    expect(guarantee).toMatch(/none breaks cpu.progress. Owed: exec.* and tick of pcpu; deliveries\./);
  });

  it('is no hang either where preemptions are offered directly', async () => {
    const yaml = spinYaml('cpus: 1, preemption: full', '{ poll-0: {} }', '{ set-0: {} }');
    expect(await searched('spin.mjs', yaml)).toMatchObject({ code: 0, violations: [] });
  });

  it('hangs with preemption off while the one that it waits for is queued on the same CPU', async () => {
    const yaml = spinYaml(`cpus: 2, ${FULL}`, '{ poll-held: {} }', '{ set-0: {} }');
    const { violations } = await searched('spin.mjs', yaml);
    expect(violations).toMatchObject([
      {
        property: 'cpu.progress',
        message: 'hang: pcpu:0 retires nothing any more; thread:a/1 is queued there, and gets in where that code yields or is preempted',
      },
    ]);
  });

  it.each(['cpus: 2', 'cpus: 1'])('is in a deadlock with another one that polls for it: %s', async (cpus) => {
    const yaml = spinYaml(`${cpus}, ${FULL}`, '{ poll-0: {} }, { set-1: {} }', '{ poll-1: {} }, { set-0: {} }');
    const { violations } = await searched('spin.mjs', yaml);
    expect(violations.map(({ property }) => property)).toContain('deadlock');
  });

  it('gets through in a run: the chooser decides when the tick comes', async () => {
    writeFileSync(bench.path('asked.yaml'), spinYaml(`cpus: 1, ${FULL}`, '{ poll-0: {} }', '{ set-0: {} }'));
    const { out, code } = await bench.run(['run', 'asked.yaml', '--models', 'spin.mjs', '--chooser', 'random', '--seed', '1']);
    expect([code, out]).toEqual([0, expect.stringContaining('nothing was left to do')]);
  });

  it('ends a run in order where it only repeats, and tells what decides', async () => {
    writeFileSync(bench.path('asked.yaml'), spinYaml(`cpus: 1, ${FULL}`, '{ poll-0: {} }', '{ set-0: {} }'));
    const { out, code } = await bench.run(['run', 'asked.yaml', '--models', 'spin.mjs', '--mode', 'memory']);
    expect([code, out]).toEqual([4, expect.stringContaining('Unfinished: 8193 steps; in this order it only repeats')]);
    expect(out).toContain('Back in the state of step 8192: the last 1 step can repeat forever.');
  });
});
