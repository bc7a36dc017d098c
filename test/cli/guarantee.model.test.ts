/**
 * Models of users for which a search once guaranteed what a run breaks, or passed by what was
 * written: each with its right answer.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const XSTATE = pathToFileURL('node_modules/xstate/dist/xstate.esm.js').href;
const ownImports = (text: string): string =>
  text
    .replaceAll("'worldswitch/extend'", JSON.stringify(pathToFileURL('api/extend.ts').href))
    .replaceAll("'xstate'", JSON.stringify(XSTATE));

let files = 0;
/**
 * The scenario and the module that go by these names; every module is a file of its own, as Node
 * imports a file once.
 */
function given(scenario: string, model = scenario): string[] {
  const folder = 'test/cli/guarantee';
  const names = { scenario: `./${scenario}.yaml`, model: `${model}-${files++}.mjs` };
  writeFileSync(bench.path(names.scenario), readFileSync(`${folder}/${scenario}.yaml`));
  writeFileSync(bench.path(names.model), ownImports(readFileSync(`${folder}/${model}.js`, 'utf8')));
  return [names.scenario, '--models', names.model];
}

interface Exploration {
  readonly exhausted: boolean;
  readonly guarantee: string;
  readonly violations: readonly {
    readonly property: string;
    readonly message: string;
    readonly steps: number;
    readonly journal: string;
    readonly waits?: readonly { readonly actor: string; readonly for: string | null; readonly heldBy: string | null }[];
  }[];
  readonly coverage: { readonly impossible: readonly string[]; readonly neverTaken: readonly unknown[] };
}

describe('two actors that wait for each other', { timeout: 60_000 }, () => {
  it.each([
    ['nested', 2, 'vcpu:0 waits for page:1, held by vcpu:1; vcpu:1 waits for page:0, held by vcpu:0'],
    ['abba-host', 14, 'thread:a/0 waits for lk:b, held by thread:b/0; thread:b/0 waits for lk:a, held by thread:a/0'],
  ])('%s: are a deadlock, found without --liveness, with who waits for whom', async (name, steps, message) => {
    const { code, json } = await bench.run(['explore', ...given(name), '--json']);
    const { violations } = json<Exploration>();
    expect(code).toBe(1);
    expect(violations).toMatchObject([{ property: 'deadlock', steps, message }]);
    const replay = await bench.run(['replay', violations[0]!.journal, ...given(name).slice(1), '--json']);
    expect(replay.json()).toMatchObject({ identical: true, sealed: true, steps });
  });

  it('are told by explore, replay and show alike, each wait by itself', async () => {
    const { violations } = (await bench.run(['explore', ...given('nested'), '--json'])).json<Exploration>();
    const { journal, waits } = violations[0]!;
    expect(waits).toEqual([
      { actor: 'vcpu:0', state: 'one', asleep: false, for: 'page:1', heldBy: 'vcpu:1' },
      { actor: 'vcpu:1', state: 'one', asleep: false, for: 'page:0', heldBy: 'vcpu:0' },
    ]);
    const models = given('nested').slice(1);
    expect((await bench.run(['replay', journal, ...models, '--json'])).json()).toMatchObject({ violation: { waits } });
    expect((await bench.run(['show', journal, ...models, '--json'])).json()).toMatchObject({ journal: { violation: { waits } } });
    const explained = await bench.run(['show', journal, '--explain', ...models, '--json']);
    expect(explained.json()).toMatchObject({ explanation: { waits } });
  });

  it('are a violation in compare, with a wait that lasts forever, and break an expectation of clean', async () => {
    const { code, json } = await bench.run(['compare', ...given('abba-host'), '--json']);
    expect(code).toBe(1);
    expect(json()).toMatchObject({ rows: [{ verdict: 'violation', outcomes: { longestWait: { forEver: true } } }] });
    expect((await bench.run(['verify', ...given('nested'), '--json'])).code).toBe(1);
  });
});

describe('what is owed', { timeout: 60_000 }, () => {
  it('hangs on what the offer says, and not on its name', async () => {
    const found: object[][] = [];
    for (const step of ['exec', 'go']) {
      const { json } = await bench.run(['explore', ...given('tiny'), '--set', `step=${step}`, '--json']);
      found.push(json<Exploration>().violations.map(({ property, message, steps }) => ({ property, message, steps })));
    }
    expect(found[0]).toMatchObject([{ property: 'tiny.reaches-c', steps: 0 }]);
    expect(found[1]).toEqual(found[0]);
  });

  it('lets a poller through whose condition another thread makes true', async () => {
    const { code, json } = await bench.run(['explore', ...given('spin'), '--json']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ exhausted: true, violations: [] });
  });
});

describe('what could not happen', { timeout: 60_000 }, () => {
  it('is told: no preemption where nothing else was ever runnable, and the steps that never ran', async () => {
    const { code, json } = await bench.run(['explore', ...given('avic-no-noise', 'avic'), '--json']);
    const { coverage } = json<Exploration>();
    expect(code).toBe(0);
    expect(coverage.impossible).toContain('no preemption was possible on pcpu:0: nothing else was ever runnable there');
    expect(coverage.neverTaken.length).toBeGreaterThan(0);
  });
});

describe('what is written in a path', { timeout: 60_000 }, () => {
  it('is refused with the place where a turn of a loop meets no step', async () => {
    const { code, err } = await bench.run(['run', ...given('zero')]);
    expect(code).toBe(2);
    expect(err).toContain('main.count, item 3 (loop): a turn comes round without a step by item 1 (when), case 1');
  });

  it('is refused where a step has a key that there is not', async () => {
    const { code, err } = await bench.run(['run', 'rmp-double-prepare', ...given('zero', 'typo').slice(1)]);
    expect(code).toBe(2);
    expect(err).toContain('nonsense');
  });
});
