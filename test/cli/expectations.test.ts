/**
 * What `expect` may name beside properties: a run that gets stuck, found by kind, held by
 * `run --expect` and `verify`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { progress } from '../../sim/properties/liveness.ts';
import { judgeCycle } from '../../sim/property.ts';
import { moduleOf } from './own-modules.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const PROPERTY = JSON.stringify(pathToFileURL('sim/property.ts').href);

/** A door that opens, sticks or swings to and fro forever. */
const DOOR = `
import { endlessly } from ${PROPERTY};
${moduleOf(
  'door',
  `models: [{
  name: 'door',
  properties: [endlessly('door.stays', { source: 's', grade: 'decision', cycle: () => ({ kind: 'hang', message: 'the door swings' }) })],
  topology: ({ variant }) => ({
    actors: [{ id: 'door:0', kind: 'door', input: null }],
    catalogue: { exec: 'offer' },
    machines: {
      door: setup({}).createMachine({ id: 'door', initial: 'shut', states: {
        shut: { meta: { offers: () => [{ type: 'exec', owed: true }] }, on: { exec: variant === 'sticks' ? 'stuck' : 'open' } },
        stuck: {},
        open: variant === 'swings' ? { meta: { offers: () => [{ type: 'exec', owed: true }] }, on: { exec: 'shut' } } : { tags: 'rest' },
      } }),
    },
  }),
}]`,
)}`;

const doorWith = (expectations: string, eventually = 'eventually: [door.stays]'): string => `name: door
summary: A door that may stick
model: door
host: { arch: amd }
properties: { ${eventually} }
variants: { opens: {}, sticks: {}, swings: {} }
expect: { ${expectations} }
`;

function write(name: string, text: string): string {
  writeFileSync(bench.path(name), text);
  return name;
}
const models = ['--models', 'door.mjs'];
beforeAll(() => write('door.mjs', DOOR));

describe('an expectation', () => {
  it.each([
    ['opens: clean', 'opens', 0],
    ['sticks: { violates: [deadlock] }', 'sticks', 0],
    ['sticks: { violates: [endless] }', 'sticks', 1],
    ['swings: { violates: [hang] }', 'swings', 0],
    ['swings: { violates: [endless] }', 'swings', 0],
    ['swings: { violates: [door.stays] }', 'swings', 0],
    ['swings: { violates: [livelock, deadlock, unbounded-retry] }', 'swings', 1],
  ])('%s is held by run --expect', async (expectation, variant, exit) => {
    const file = write('door.yaml', doorWith(expectation));
    const { code } = await bench.run(['run', file, '--variant', variant, '--mode', 'memory', '--expect', ...models]);
    expect(code).toBe(exit);
  });

  it('is held by verify, against seeds and against committed schedules', async () => {
    mkdirSync(bench.path('regressions'));
    const schedule = (length: number) => Array.from({ length }, () => ({ index: 0, count: 1, label: 'exec(door:0)' }));
    const entries = [
      { variant: 'sticks', property: 'deadlock', schedule: schedule(1) },
      { variant: 'swings', property: 'hang', schedule: schedule(2) },
    ];
    write('regressions/door.json', JSON.stringify(entries));
    const all = 'opens: clean, sticks: { violates: [deadlock] }, swings: { violates: [hang] }';
    const kept = await bench.run(['verify', write('door.yaml', doorWith(all)), ...models]);
    expect([kept.code, kept.err]).toEqual([0, '']);
    const broken = await bench.run(['verify', write('door.yaml', doorWith(all.replace('[hang]', '[livelock]'))), ...models]);
    expect(broken.code).toBe(1);
    expect(broken.out).toContain('swings');
    // A schedule that stops before its violation, or goes past it, is none that was committed for
    // it.
    for (const length of [0, 2]) {
      write('regressions/door.json', JSON.stringify([{ ...entries[0]!, schedule: schedule(length) }, entries[1]]));
      const { code, out } = await bench.run(['verify', write('door.yaml', doorWith(all)), ...models]);
      const told = `the committed schedule reaches deadlock at step ${length}: deadlock at step 1`;
      expect([code, out]).toEqual([1, expect.stringContaining(told)]);
    }
  });

  it.each([
    ['a name with a slip', 'sticks: { violates: [deadlok] }', undefined, 'did you mean "deadlock"?'],
    [
      'a name that nothing finds',
      'swings: { violates: [hang] }',
      'always: []',
      'expected a property under properties.eventually that finds it',
    ],
    ['no name', 'swings: { violates: ["a b"] }', undefined, 'expected a property id such as'],
  ])('is refused: %s', async (_what, expectation, eventually, says) => {
    const { code, out } = await bench.run(['check', write('door.yaml', doorWith(expectation, eventually)), ...models]);
    expect([code, out]).toEqual([2, expect.stringContaining(says)]);
  });
});

describe('a violation that goes on forever', () => {
  it('says its kind, in a run, in a search and in the journal of the search', async () => {
    const file = write('door.yaml', doorWith('opens: clean'));
    const asked = [file, '--variant', 'swings', '--json', ...models];
    const wanted = { property: 'door.stays', kind: 'hang', lasso: { from: 0, length: 2 } };
    expect((await bench.run(['run', ...asked])).json()).toMatchObject({ violation: wanted });
    const { violations } = (await bench.run(['explore', ...asked])).json<{ violations: { journal: string }[] }>();
    expect(violations).toMatchObject([wanted]);
    expect((await bench.run(['replay', violations[0]!.journal, '--json', ...models])).json()).toMatchObject({ violation: wanted });
  });

  it('has the kind that cpu.progress tells: what the CPUs do in the cycle', () => {
    const cpu = (id: string, moves: boolean) => ({ id, moves, waits: true });
    const kindOf = (...cpus: readonly ReturnType<typeof cpu>[]) => judgeCycle(progress, cpus)?.kind;
    expect(kindOf(cpu('pcpu:0', false))).toBe('hang');
    expect(kindOf(cpu('pcpu:0', true))).toBe('unbounded-retry');
    expect(kindOf(cpu('pcpu:0', true), cpu('pcpu:1', true))).toBe('livelock');
    expect(judgeCycle(progress, [{ id: 'pcpu:0', moves: true, waits: false }])).toBeNull();
  });
});
