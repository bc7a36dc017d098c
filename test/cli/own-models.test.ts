/**
 * Models of a user's own at their edges: what they may be, with the right answer, and what is
 * refused, with what, where and why.
 */
import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { offering, oneActor, writeModel } from './own-models.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

describe('a run of no step', () => {
  it('is a sample of every strategy: a deadlock in 0 steps', async () => {
    const given = writeModel(bench, oneActor('{ s: {} }', '{}'));
    const { code, json } = await bench.run(['explore', ...given, '--strategy', 'portfolio', '--schedules', '20', '--json']);
    expect(code).toBe(1);
    expect(json()).toMatchObject({ schedules: 20, violations: [{ property: 'deadlock', steps: 0, broke: 20 }] });
    const waits = [{ actor: 'a:0', state: 's', asleep: false, for: null, heldBy: null }];
    expect((await bench.run(['run', ...given, '--json'])).json()).toMatchObject({ violation: { property: 'deadlock', waits } });
  });
});

describe('a run that fails', () => {
  const states = `{ s: { ${offering('exec')}, on: { exec: 't' } }, t: { ${offering('exec')}, on: { exec: { actions: 'self' } } } }`;

  it('keeps its steps under a name of their own, and the next try writes the same journal', async () => {
    const given = writeModel(bench, oneActor(states, "{ exec: 'offer', irq: 'bus' }"));
    for (const output of [['-o', 'mine.wsj'], ['-o', 'mine.wsj'], [], []]) {
      const { code, err } = await bench.run(['run', ...given, ...output]);
      expect([code, err]).toEqual([2, expect.stringContaining('a:0 in t does not handle irq')]);
      const [, kept] = /(\S+\.wsj\.failed) holds the steps before it/.exec(err)!;
      expect((await bench.run(['show', kept!, '--models', given[2]!])).code).toBe(0);
    }
    expect(readdirSync(bench.folder).filter((name) => name.includes('.wsj'))).toEqual(['mine.wsj.failed']);
    expect(readdirSync(bench.path('worldswitch-runs')).filter((name) => name.includes('.part'))).toEqual([]);
  });

  it('leaves nothing where its steps cannot be kept', async () => {
    const given = writeModel(bench, oneActor(states, "{ exec: 'offer', irq: 'bus' }"));
    bench.makeFolder('full.wsj.failed');
    const { code, err } = await bench.run(['run', ...given, '-o', 'full.wsj']);
    expect([code, err]).toEqual([2, expect.not.stringContaining('holds the steps')]);
    expect(readdirSync(bench.folder).filter((name) => name.startsWith('full'))).toEqual(['full.wsj.failed']);
  });
});

describe('a topology that does not fit', () => {
  const states = `{ s: { ${offering('exec')}, on: { exec: { actions: 'self' }, irq: {} } } }`;
  it.each([
    [
      'a delivery that there is not',
      oneActor(states, "{ exec: 'offer', irq: 'latchd' }"),
      /catalogue\.irq: found "latchd"; expected one of "bus", "queued", "latched", "offer"; did you mean "latched"/,
    ],
    ['no actor', '{ actors: [], catalogue: {}, machines: {} }', /actors: found an empty list; expected at least one actor/],
    [
      'one id twice',
      "{ actors: [{ id: 'a:0', kind: 'a' }, { id: 'a:0', kind: 'a' }], catalogue: {}, machines: { a: setup({}).createMachine({}) } }",
      /actors\[1\]\.id: found "a:0", the id of another actor; expected each id once/,
    ],
    ['a set of nothing', oneActor(states, "{ exec: 'offer', irq: 'bus' }", "sets: ['b.list']"), /sets\[0\]: found "?b/],
    ['no topology', 'undefined', /found nothing; expected a map of actors, machines and catalogue/],
    ['an error', "(() => { throw new Error('boom') })()", /topology\(\) of model own-\d+ throws: boom/],
  ])('is refused: %s', async (_what, topology, says) => {
    for (const command of ['run', 'explore']) {
      const { code, err } = await bench.run([command, ...writeModel(bench, topology)]);
      expect([command, code, err]).toEqual([command, 2, expect.stringMatching(says)]);
    }
  });
});

describe('offers that a state declares and could not make', () => {
  const CATALOGUE = "{ exec: 'offer', irq: 'bus' }";
  const state = (meta: string, on = "exec: { actions: 'self' }, irq: {}") => oneActor(`{ s: { meta: ${meta}, on: { ${on} } } }`, CATALOGUE);
  it.each([
    ['nothing', state('{ offers: () => undefined }'), /a \(.*\): offers of a\.s gives nothing; expected a list of offers/],
    ['no function', state('{ offers: null }'), /offers of a\.s: found nothing; expected a function/],
    ['texts', state("{ offers: () => ['exec'] }"), /offers of a\.s\[0\] is "exec"; expected an offer/],
    ['no type', state('{ offers: () => [{ owed: true }] }'), /offers of a\.s\[0\]\.type is nothing; expected the type of an event/],
    [
      'owed by a text',
      state("{ offers: () => [{ type: 'exec', owed: 'yes' }] }"),
      /the offer exec says owed: "yes"; expected true, "strong" or false/,
    ],
    ['under another key', state("{ offer: () => [{ type: 'exec' }] }"), /meta of a\.s: found the key "offer"; did you mean "offers"/],
    ['a bus message', state("{ offers: () => [{ type: 'irq' }] }"), /irq is "bus" in the event catalogue; expected "offer"/],
    ['what throws', state('{ offers: () => { throw new Error("boom"); } }'), /offers of a\.s throws Error: boom/],
    ['what the state does not handle', state(`{ ${'offers'}: () => [{ type: 'exec' }] }`, 'irq: {}'), /that state does not handle exec/],
    [
      'what is answered with nothing',
      state("{ offers: () => [{ type: 'exec' }] }", 'exec: { actions: [] }, irq: {}'),
      /exec is answered with nothing; expected a target or an action/,
    ],
  ])('%s: are refused', async (_what, topology, says) => {
    for (const command of ['run', 'explore']) {
      const { code, err } = await bench.run([command, ...writeModel(bench, topology)]);
      expect([command, code, err]).toEqual([command, 2, expect.stringMatching(says)]);
    }
  });

  it('of one content are one alternative, owed if one of them is', async () => {
    const twice = oneActor(
      "{ s: { meta: { offers: () => [{ type: 'exec' }, { type: 'exec', owed: true }] }, on: { exec: 't' } }, t: { tags: 'rest' } }",
      CATALOGUE,
    );
    const { code, json } = await bench.run(['explore', ...writeModel(bench, twice), '--json']);
    expect([code, json()]).toMatchObject([0, { states: 2, transitions: 1 }]);
  });
});
