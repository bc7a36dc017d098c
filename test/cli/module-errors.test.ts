/**
 * Mistakes of a user's own module that a run meets on its way: who, in which state, and the steps
 * before them as a journal, whatever kind of search comes upon them.
 */
import { readdirSync, rmSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { offering, oneActor, writeModel } from './own-models.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());
afterEach(() => rmSync(bench.path('worldswitch-runs'), { recursive: true, force: true }));

const CATALOGUE = "{ exec: 'offer', irq: 'bus' }";
/** Two steps, and then a state in which something may be wrong. */
const model = (last: string, second = "exec: 'third'") =>
  oneActor(
    `{ s: { ${offering('exec')}, on: { exec: 'second' } }, second: { ${offering('exec')}, on: { ${second} } }, third: ${last} }`,
    CATALOGUE,
  );
const REST = "{ tags: 'rest' }";
const property = (form: string, code: string) =>
  `[{ id: 'own.one', form: '${form}', kinds: ['a'], source: 's', grade: 'decision', ${code} }]`;
const IN_THIRD = "w.actors('a')[0].value === 'third'";
const ASKED = 'properties: { always: [own.one] }';

const MISTAKES: readonly (readonly [what: string, given: () => string[], says: RegExp])[] = [
  [
    'a property that throws',
    () => writeModel(bench, model(REST), ASKED, property('always', `check: (w) => { if (${IN_THIRD}) w.nothing.there; return null; }`)),
    /in step 2: check\(\) of the property own\.one throws: TypeError: Cannot read/,
  ],
  [
    'a property that gives no evidence',
    () => writeModel(bench, model(REST), ASKED, property('always', `check: (w) => ${IN_THIRD} || null`)),
    /in step 2: check\(\) of the property own\.one gives true; expected evidence, which is a sentence, or null/,
  ],
  [
    'offers that throw',
    () => writeModel(bench, model("{ meta: { offers: () => { throw new Error('boom'); } } }")),
    /in step 2: a \(mechanism .*\): offers of a\.third throws Error: boom/,
  ],
  [
    'a message to no actor',
    () => writeModel(bench, model(REST, "exec: { actions: emit(() => outgoing('b:0', { type: 'irq' })) }")),
    /in step 2: a:0 in second with exec: a:0 sends to b:0, which does not exist in this scenario/,
  ],
  [
    'data that is not plain',
    () => writeModel(bench, model(REST, "exec: { actions: emit(() => outgoing('a:0', { type: 'irq', n: new Map() })) }")),
    /in step 2: a:0 in second with exec: NotPlainDataError: an instance of Map is not plain data/,
  ],
];

it('a property of cycles that gives no evidence is told, and is no violation', async () => {
  const turns = `{ s: { ${offering('exec')}, on: { exec: 't' } }, t: { ${offering('exec')}, on: { exec: 's' } } }`;
  const asked = property('eventually', 'check: () => null, cycle: () => 7');
  const given = writeModel(bench, oneActor(turns, CATALOGUE), 'properties: { eventually: [own.one] }', asked);
  const { code, err } = await bench.run(['explore', ...given]);
  const says = expect.stringContaining('cycle() of the property own.one gives 7; expected evidence, which is a sentence, or null');
  expect([code, err]).toEqual([2, says]);
});

describe('a mistake in a step of a module', () => {
  it.each(MISTAKES)('is told with its place, and leaves the steps before it: %s', async (_, written, says) => {
    const given = written();
    for (const flags of [['run'], ['explore'], ['explore', '--deviations', '1'], ['explore', '--strategy', 'random']]) {
      const { code, err } = await bench.run([flags[0]!, ...given, ...flags.slice(1)]);
      expect([flags, code, err]).toEqual([flags, 2, expect.stringMatching(says)]);
      const [, file] = /(\S+\.wsj\.failed) holds the steps before it/.exec(err)!;
      expect((await bench.run(['replay', file!, '--fold', '--json'])).json()).toMatchObject({ identical: true, sealed: false });
    }
    expect(readdirSync(bench.path('worldswitch-runs')).every((name) => name.endsWith('.failed'))).toBe(true);
  });
});
