/**
 * `show --explain`: what it says removes a violation, and a test to paste that fails as long as the
 * property breaks.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Explanation } from '../../cli/explain.ts';
import { register } from '../../sim/host/registry.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

// What it answers is called in the end, and takes the mechanism away.
beforeAll(() =>
  register({
    name: 'variants-for-tests',
    arches: ['amd'],
    variants: { 'rmp-churn': { 'test-no-lock': { 'kvm.mapLock': 'none', 'kvm.rmpFault': 'panic-sigbus' } } },
  }),
);

const ROOT = resolve(import.meta.dirname, '../..');

interface Found {
  readonly violations: readonly { readonly property: string; readonly journal: string }[];
}

async function explained(property: string, ...argv: readonly string[]): Promise<Explanation> {
  const { violations } = (await bench.run(['explore', ...argv, '--json'])).json<Found>();
  const { journal } = violations.find((violation) => violation.property === property)!;
  return (await bench.run(['show', journal, '--explain', '--json'])).json<{ explanation: Explanation }>().explanation;
}

/** The test as it is pasted, but of this checkout, and for this test to call. */
async function pasted(name: string, test: string): Promise<() => void> {
  const file = join(bench.folder, `${name}.mjs`);
  writeFileSync(
    file,
    test
      .replace("import { expect, it } from 'vitest';", "import { expect } from 'vitest';")
      .replace("'worldswitch'", `'${ROOT}/api/index.ts'`)
      .replace(/^it\('[^']*', /m, 'export const pasted = ('),
  );
  return ((await import(pathToFileURL(file).href)) as { pasted: () => void }).pasted;
}

describe('the test to paste', () => {
  it('asks for what --liveness asked for besides the scenario', async () => {
    const { property, test } = await explained('cpu.progress', 'rmp-blind-pvalidate', '--variant', 'terminate', '--liveness');
    expect(property).toBe('cpu.progress');
    expect(await pasted('progress', test)).toThrow("expected 'cpu.progress' not to be 'cpu.progress'");
  });

  it('fails for a mutant, too', async () => {
    const { test } = await explained('oslock.no-exception-under-lock', 'oslock-oslar-reload', '--mutant', 'oslock-no-reload');
    expect(await pasted('mutant', test)).toThrow(/not to be 'oslock.no-exception-under-lock'/);
  });
});

describe('the test to paste of a module', () => {
  it('finds scenario and module beside itself, whatever folder it is run from', async () => {
    mkdirSync(bench.path('own'));
    const kit = JSON.stringify(pathToFileURL('api/kit.ts').href);
    writeFileSync(
      bench.path('own/cup.mjs'),
      `import { cell, holds, race, syscall } from ${kit};
const cup = cell('cup', { isFull: false });
export const mechanism = race({ name: 'cup', arches: ['amd'], uses: [cup],
  operations: { fill: { summary: 's', source: 's', does: () => syscall('ioctl', 's', [cup.store('isFull', true)]) } },
  properties: [holds(cup, 'cup.is-empty', 's', ({ isFull }) => isFull && 'full')],
});\n`,
    );
    const fill = {
      host: { arch: 'amd', cpus: 1 },
      processes: { p: { threads: [[{ fill: {} }]] } },
      properties: { always: ['cup.is-empty'] },
    };
    const scenario = Object.entries({ name: 'cup', summary: 's', ...fill }).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
    // A copy keeps the name, and another scenario lies beside it.
    writeFileSync(bench.path('own/copied #1.yaml'), scenario.join(''));
    writeFileSync(bench.path('own/another.yaml'), scenario.join('').replace('"cup"', '"other"'));
    const models = ['--models', 'own/cup.mjs'];
    const { violations } = (await bench.run(['explore', 'own/copied #1.yaml', ...models, '--json'])).json<Found>();
    const shown = await bench.run(['show', violations[0]!.journal, '--explain', '--json', ...models]);
    const { test } = shown.json<{ explanation: Explanation }>().explanation;
    const taken = test
      .replace("'worldswitch/extend'", `'${ROOT}/api/extend.ts'`)
      .replace('register(mechanism)', 'undo = register(mechanism)');
    const run = await pasted('cup', `export let undo;\n${taken}`);
    expect(process.cwd()).not.toBe(bench.folder);
    const { undo } = (await import(pathToFileURL(bench.path('cup.mjs')).href)) as { undo: () => void };
    expect(run).toThrow("expected 'cup.is-empty' not to be 'cup.is-empty'");
    undo();
  });
});

describe('what removes a violation', () => {
  it('of a mutant is the variant without it, for nothing is expected of other variants under it', async () => {
    const { mutant, removedBy, untold, commands } = await explained(
      'oslock.no-exception-under-lock',
      'oslock-oslar-reload',
      '--mutant',
      'oslock-no-reload',
    );
    expect(mutant).toBe('oslock-no-reload');
    expect([removedBy.map(({ variant }) => variant), untold]).toEqual([['atomic'], []]);
    expect(commands.slice(-2)).toEqual([
      'worldswitch compare oslock-oslar-reload --mutant oslock-no-reload',
      'worldswitch explore oslock-oslar-reload --variant atomic',
    ]);
  });

  it('is looked for with the parameters of the run', async () => {
    const { removedBy, commands } = await explained(
      'rmp.host-panic',
      ...['rmp-churn', '--variant', 'test-no-lock', '--set', 'rounds=1', '--deviations', '2'],
    );
    expect(removedBy.map(({ variant }) => variant)).toEqual(['default']);
    expect(commands.slice(-2)).toEqual([
      'worldswitch compare rmp-churn --set rounds=1',
      'worldswitch explore rmp-churn --variant default --set rounds=1',
    ]);
  });

  it('of a scenario in a file of the user’s own is what that file expects, wherever the file is by now', async () => {
    const shipped = readFileSync(join(ROOT, 'scenarios/sev-snp/rmpadjust-vs-rmpupdate.yaml'), 'utf8');
    writeFileSync(bench.path('mine.yaml'), shipped.replace(/^name: .*$/m, 'name: mine'));
    const { violations } = (await bench.run(['explore', 'mine.yaml', '--json'])).json<Found>();
    rmSync(bench.path('mine.yaml'));
    const { out } = await bench.run(['show', violations[0]!.journal, '--explain']);
    expect(out).toContain('Removed by variant overlap-2m');
    expect(out).not.toContain('No variant of the scenario');
  });
});
