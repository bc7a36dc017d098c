/**
 * Forms of properties and of messages that the library exports: a module uses each of them on the
 * command line.
 */
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { moduleOf } from './own-modules.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const PROPERTY = JSON.stringify(pathToFileURL('sim/property.ts').href);

/**
 * A ringer rings a bell twice; the bell falls silent by itself, a broken one stays as it is, and
 * another one swings forever.
 */
const BELL = `
import { endlessly, eventually, leavesEach } from ${PROPERTY};
${moduleOf(
  'bell',
  `models: [{
  name: 'bell',
  properties: [
    leavesEach('bell.leaves', { kind: 'bell', source: 's', grade: 'decision', each: ({ value }) => (value === 'rung' ? 'the bell is rung' : null) }),
    endlessly('bell.turns', { source: 's', grade: 'decision', cycle: (cpus) => (cpus.length > 0 ? cpus.map(({ id }) => id).join() + ' turns' : null) }),
    eventually('bell.twice', { kinds: ['bell'], source: 's', grade: 'decision', check: (w) => (w.actors('bell')[0].value === 'twice' ? 'twice' : null) }),
  ],
  topology: ({ variant }) => ({
    actors: [{ id: 'ringer:0', kind: 'ringer', input: null }, { id: 'bell:0', kind: 'bell', input: null }],
    catalogue: { exec: 'offer', ring: 'latched' },
    machines: {
      ringer: setup({ actions: { ring: emit(outgoing('bell:0', { type: 'ring' })) } }).createMachine({ id: 'ringer', initial: 'first', states: {
        first: { meta: { offers: () => [{ type: 'exec', owed: true }] }, on: { exec: { target: 'second', actions: 'ring' } } },
        second: { meta: { offers: () => [{ type: 'exec', owed: true }] }, on: { exec: { target: 'done', actions: 'ring' } } },
        done: { tags: 'rest' },
      } }),
      bell: setup({}).createMachine({ id: 'bell', initial: 'silent', states: {
        silent: { tags: 'rest', on: { ring: 'rung' } },
        rung: variant === 'broken' ? { tags: 'rest', on: { ring: 'twice' } }
          : { tags: 'rest', meta: { offers: () => [{ type: 'exec', owed: true }] }, on: { exec: 'silent', ring: 'twice' } },
        twice: variant === 'swings' ? { tags: 'rest', meta: { offers: () => [{ type: 'exec', owed: true }] }, on: { exec: 'back' } } : { tags: 'rest' },
        back: { tags: 'rest', meta: { offers: () => [{ type: 'exec', owed: true }] }, on: { exec: 'twice' } },
      } }),
    },
  }),
}]`,
)}`;

const scenario = (eventually: string): string => `name: bell
summary: A bell that is rung twice
model: bell
host: { arch: amd }
properties: { eventually: [${eventually}] }
variants: { whole: {}, broken: {}, swings: {} }
`;

interface Found {
  readonly states: number;
  readonly undecided: readonly string[];
  readonly violations: readonly { readonly property: string; readonly message: string }[];
}
async function explored(eventually: string, variant: string) {
  writeFileSync(bench.path('bell.yaml'), scenario(eventually));
  const { code, json, err } = await bench.run(['explore', 'bell.yaml', '--variant', variant, '--models', 'bell.mjs', '--json']);
  expect(err).toBe('');
  return { code, ...json<Found>() };
}

beforeAll(() => writeFileSync(bench.path('bell.mjs'), BELL));

describe('a module', () => {
  it('says with leavesEach that an actor leaves a state, and a search finds the run in which it does not', async () => {
    expect(await explored('bell.leaves', 'whole')).toMatchObject({ code: 0, violations: [], undecided: [] });
    const { code, violations } = await explored('bell.leaves', 'broken');
    expect(code).toBe(1);
    expect(violations).toMatchObject([{ property: 'bell.leaves', message: 'the run ended, and the bell is rung' }]);
  });

  it('says with endlessly which cycle gets nowhere, and every cycle of a search is judged by it', async () => {
    expect(await explored('bell.turns', 'whole')).toMatchObject({ code: 0, violations: [], undecided: [] });
    const swings = await explored('bell.turns', 'swings');
    expect(swings).toMatchObject({ code: 1, violations: [{ property: 'bell.turns', message: 'bell:0 turns' }] });
  });

  it('sends latched messages: of two equal ones in flight one is delivered', async () => {
    const once = await explored('bell.twice', 'broken');
    expect(once).toMatchObject({ code: 1, violations: [{ property: 'bell.twice', message: 'the run ended and it never came true' }] });
    writeFileSync(bench.path('queued.mjs'), BELL.replace("ring: 'latched'", "ring: 'queued'"));
    expect((await bench.run(['explore', 'bell.yaml', '--variant', 'broken', '--models', 'queued.mjs'])).code).toBe(0);
  });
});

describe('a property of a module', () => {
  const property = (more: string): string =>
    moduleOf('x', `properties: [{ id: 'a.b', source: 's', grade: 'read', check: () => null, ${more} }]`);

  it.each([
    [
      'of no kinds and no cycle',
      "form: 'eventually', kinds: []",
      'properties[0].kinds: found an empty list; expected at least one kind of actors',
    ],
    [
      'that owes always',
      "form: 'always', kinds: ['pcpu'], owes: () => null",
      'properties[0].owes: found a function; expected it where form is "eventually" alone',
    ],
    ['with a cycle that is text', "form: 'eventually', kinds: [], cycle: 'x'", 'properties[0].cycle: found "x"; expected a function'],
  ])('is refused: one %s', async (what, more, says) => {
    const file = `${what.replaceAll(' ', '-')}.mjs`;
    writeFileSync(bench.path(file), property(more));
    const { code, err } = await bench.run(['run', 'rmp-churn', '--mode', 'memory', '--models', file]);
    expect([code, err]).toEqual([2, expect.stringContaining(says)]);
  });
});
