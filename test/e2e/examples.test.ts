/**
 * The examples as their readers have them: each in a project of its own, with the package as it is
 * packed and nothing of the checkout.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { COMPILER, install, pack, ROOT, run } from './packed.ts';

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-examples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const VITEST = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
/**
 * What the examples need to be checked and tested: the checkout's own, for npm would take a minute
 * to fetch it.
 */
const DEV = ['vitest', '@types'];

/** One project with nothing but the package in it; the examples lie below it, and find it there. */
const { archive } = await pack(folder);
const project = join(folder, 'project');
const missing = await install(archive, project);
if (missing !== '') console.warn(`SKIPPED: the examples are not tried: ${missing}`);
else for (const one of DEV) symlinkSync(join(ROOT, 'node_modules', one), join(project, 'node_modules', one));

function exampleOf(name: string) {
  const cwd = join(project, name);
  cpSync(join(ROOT, 'examples', name), cwd, { recursive: true, filter: (path) => !/node_modules|out$/.test(path) });
  const program = join(project, 'node_modules', 'worldswitch', 'dist', 'cli', 'main.js');
  return {
    cwd,
    worldswitch: (...argv: readonly string[]) => run(cwd, process.execPath, program, ...argv),
    compiled: () => run(cwd, process.execPath, COMPILER),
  };
}

interface Row {
  readonly variant: string;
  readonly verdict: string;
  readonly exhausted: boolean;
  readonly violations: readonly { readonly property: string }[];
}
const rowsOf = (stdout: string) =>
  (JSON.parse(stdout) as { rows: Row[] }).rows.map(({ variant, verdict, exhausted, violations }) => [
    variant,
    verdict,
    exhausted,
    violations.map(({ property }) => property),
  ]);

const patch = exampleOf('my-patch');
const model = exampleOf('lock-model');
const op = exampleOf('my-operation');

describe('examples/my-patch', () => {
  it('is sound for a strict compiler', ({ skip }) => {
    skip(missing !== '', missing);
    expect(patch.compiled()).toMatchObject({ stdout: '', status: 0 });
  });

  it('adds two rows, of which one closes the race, as its manual and docs/extend.md have them', ({ skip }) => {
    skip(missing !== '', missing);
    const { status, stdout } = patch.worldswitch('compare', 'rmpadjust-vs-rmpupdate', '--models', 'my-patch.js');
    expect(status).toBe(1);
    // What was never taken stands below the table.
    const table = stdout.split('\n\n')[0]!;
    const rows = table.split('\n').map((line) => line.split(/ {2,}/).slice(0, 3));
    expect(rows.slice(-2)).toEqual([
      ['retry-once', 'violation', 'rmp.vm-bugged, 55 steps, 0 preemptions'],
      ['retry', 'clean', 'never'],
    ]);
    expect(readFileSync(join(patch.cwd, 'README.md'), 'utf8')).toContain(table);
    expect(readFileSync(join(ROOT, 'docs', 'extend.md'), 'utf8')).toContain(table);
  });

  it('gives a counterexample that replays with it, folds without, and is refused to a reader without it', ({ skip }) => {
    skip(missing !== '', missing);
    const asked = ['rmpadjust-vs-rmpupdate', '--variant', 'retry-once', '--models', 'my-patch.js', '--json'];
    const { violations } = JSON.parse(patch.worldswitch('explore', ...asked).stdout) as { violations: { journal: string }[] };
    const journal = violations[0]!.journal;
    expect(patch.worldswitch('replay', journal, '--models', 'my-patch.js').status).toBe(0);
    expect(patch.worldswitch('replay', journal, '--fold').status).toBe(0);
    expect(patch.worldswitch('replay', journal)).toMatchObject({ status: 2, stderr: expect.stringContaining('my-patch (SHA-256 ') });
  });

  it('is explained with a test to paste, which fails as long as the property breaks', ({ skip }) => {
    skip(missing !== '', missing);
    const models = ['--models', 'my-patch.js'];
    const asked = ['explore', 'rmpadjust-vs-rmpupdate', '--variant', 'retry-once', ...models, '-o', 'pasted', '--json'];
    const { violations } = JSON.parse(patch.worldswitch(...asked).stdout) as { violations: { journal: string }[] };
    const shown = patch.worldswitch('show', violations[0]!.journal, '--explain', ...models, '--json');
    const { explanation } = JSON.parse(shown.stdout) as {
      explanation: { test: string; untold: string[]; removedBy: { variant: string }[] };
    };
    expect(explanation.untold).toEqual(['retry']);
    expect(explanation.removedBy.map(({ variant }) => variant)).toEqual(['inuse-retried', 'overlap-2m']);
    const pasted = (text: string) => {
      writeFileSync(join(patch.cwd, 'pasted.test.js'), text);
      return run(patch.cwd, process.execPath, VITEST, 'run', '--root', patch.cwd, 'pasted');
    };
    const failing = pasted(explanation.test);
    const passing = pasted(explanation.test.replace('.not.toBe(', '.toBe('));
    rmSync(join(patch.cwd, 'pasted.test.js'));
    expect(failing.status).toBe(1);
    expect(failing.stderr + failing.stdout).toContain("expected 'rmp.vm-bugged' not to be 'rmp.vm-bugged'");
    expect([passing.status, passing.stdout.includes('1 passed')]).toEqual([0, true]);
  });

  it('needs no package beside it: the program that loads it is the one it imports', ({ skip }) => {
    skip(missing !== '', missing);
    const alone = join(folder, 'alone');
    mkdirSync(alone);
    cpSync(join(ROOT, 'examples', 'my-patch', 'my-patch.js'), join(alone, 'my-patch.mjs'));
    const program = join(project, 'node_modules', 'worldswitch', 'dist', 'cli', 'main.js');
    const { status, stdout } = run(
      alone,
      process.execPath,
      program,
      'compare',
      'rmpadjust-vs-rmpupdate',
      '--models',
      'my-patch.mjs',
      '--json',
    );
    expect(status).toBe(1);
    expect(rowsOf(stdout).slice(-2)).toEqual([
      ['retry-once', 'violation', true, ['rmp.vm-bugged']],
      ['retry', 'clean', true, []],
    ]);
  });

  it('passes its own tests', ({ skip }) => {
    skip(missing !== '', missing);
    const { status, stdout } = run(patch.cwd, process.execPath, VITEST, 'run', '--root', patch.cwd);
    expect(stdout).toContain('3 passed');
    expect(status).toBe(0);
  });

  it('has the test that docs/api.md shows', () => {
    const shown = readFileSync(join(ROOT, 'docs', 'api.md'), 'utf8');
    const [, body] = readFileSync(join(ROOT, 'examples', 'my-patch', 'my-patch.test.js'), 'utf8').split(/^\/\*\*.*\n/);
    expect(shown).toContain(body!.trimEnd());
  });

  it('is the one that docs/extend.md walks through', () => {
    const walk = readFileSync(join(ROOT, 'docs', 'extend.md'), 'utf8');
    expect(walk).toContain(readFileSync(join(ROOT, 'examples', 'my-patch', 'my-patch.js'), 'utf8').trimEnd());
  });
});

describe('examples/lock-model', () => {
  it('has the counts that other model checkers have', ({ skip }) => {
    skip(missing !== '', missing);
    expect(model.compiled()).toMatchObject({ stdout: '', status: 0 });
    const asked = ['explore', './lock-model.yaml', '--models', 'lock-model.js', '--json'];
    const all = model.worldswitch(...asked, '--no-reduce');
    expect(JSON.parse(all.stdout)).toMatchObject({ exhausted: true, states: 232_105, transitions: 643_436, violations: [] });
    const together = model.worldswitch(...asked, '--workers', '2');
    expect(JSON.parse(together.stdout)).toMatchObject({ exhausted: true, states: 232_105, transitions: 643_436, violations: [] });
    const folded = model.worldswitch(...asked, '--reduce', 'symmetry');
    expect(JSON.parse(folded.stdout)).toMatchObject({ exhausted: true, states: 6_687, violations: [] });
  });
});

describe('examples/my-operation', () => {
  it('is TypeScript that adds events, options, operations and locals to the types of the package, and compiles', ({ skip }) => {
    skip(missing !== '', missing);
    expect(op.compiled()).toMatchObject({ stdout: '', status: 0 });
    const { status, stdout } = op.worldswitch('compare', './eventfd-write.yaml', '--models', 'out/eventfd.js', '--json');
    expect(status).toBe(1);
    expect(rowsOf(stdout)).toEqual([
      ['locked', 'clean', true, []],
      ['unlocked', 'violation', true, ['eventfd.counts-every-write']],
    ]);
    expect(op.worldswitch('verify', './eventfd-write.yaml', '--models', 'out/eventfd.js').status).toBe(0);
  });
});
