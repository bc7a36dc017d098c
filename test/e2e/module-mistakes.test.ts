/** Mistakes of a user's own module: in whose step, sent by whom, and the journal up to there. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { ROOT } from './packed.ts';

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-modules-'));
const path = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => rmSync(path('worldswitch-runs'), { recursive: true, force: true }));

/** The program as it was built: a module is imported by Node, and by nothing else. */
function run(argv: readonly string[]): { readonly code: number | null; readonly err: string; json<T>(): T } {
  const main = join(ROOT, 'dist', 'cli', 'main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...argv], { cwd: folder, encoding: 'utf8' });
  return { code: status, err: stderr, json: <T>() => JSON.parse(stdout) as T };
}

const SCENARIO = 'rmpadjust-vs-rmpupdate';
let files = 0;

/** A module with one more step in the path that makes a page shared. */
function withStep(step: string): string {
  const name = `./own-${++files}.mjs`;
  writeFileSync(
    path(name),
    `import { host, hostPatch, replaceStep } from 'worldswitch/extend';
export const mechanism = {
  name: 'own${files}',
  arches: ['amd'],
  patch: () => ({ paths: { kvm_rmp_make_shared: [hostPatch((path) => replaceStep(path, 'ioctl', (ioctl) => [ioctl, ${step}]))] } }),
};`,
  );
  return name;
}

function module(text: string): string {
  const name = `./own-${++files}.mjs`;
  writeFileSync(path(name), text);
  return name;
}

const failedIn = (): string[] => readdirSync(path('worldswitch-runs')).map((file) => `worldswitch-runs/${file}`);

describe('a step that throws', () => {
  it.each(['run', 'explore', 'compare'])(
    'is named by %s with its actor, state, event and sender, and leaves the steps before it',
    (command) => {
      const own = withStep("host.step('odd', { set: () => { throw new Error('kaputt'); } })");
      const { code, err } = run([command, SCENARIO, '--models', own]);
      expect(code).toBe(2);
      expect(err).toContain('thread:gmem/0 in code.main.kvm_rmp_make_shared.odd | notify.none with step from pcpu:0: kaputt');
      expect(err).toContain(`while ${own} took part`);
      const [failed, ...others] = failedIn();
      expect(others).toEqual([]);
      expect(err).toContain(`${failed} holds the steps before it`);
      const { steps } = run(['replay', failed!, '--fold', '--json']).json<{ steps: number }>();
      expect(steps).toBeGreaterThan(1);
      expect(err).toContain(`breaks its own rules in step ${steps + 1}: `);
    },
  );

  it('is named where it throws an error of the language too', () => {
    const own = withStep("host.step('odd', { set: (thread) => ({ pc: thread.nothing.at }) })");
    const { err } = run(['run', SCENARIO, '--models', own]);
    expect(err).toContain('kvm_rmp_make_shared.odd | notify.none with step from pcpu:0: Cannot read properties of undefined');
  });
});

describe('a key that nothing knows', () => {
  it.each([
    ['of a step', () => withStep("host.step('odd', { preemt: 1 })"), /"preemt"; .*did you mean "preempt"/s],
    [
      'of an operation',
      () =>
        module(`import { integer, operation } from 'worldswitch/extend';
export const mechanism = { name: 'o', arches: ['amd'], hostOperations: { nap: { ...operation('nap', 'Sleeps.', { ticks: integer(1, 5) }), arg: {} } } };`),
      /hostOperations\.nap\.arg: found the key "arg"; .*did you mean "args"/s,
    ],
    [
      "in a machine's meta",
      () =>
        module(`import { setup } from 'xstate';
const machine = setup({}).createMachine({ id: 'bell', initial: 'up', states: { up: { meta: { offrs: () => [] } } } });
export const mechanism = { name: 'm', arches: ['amd'], machines: () => ({ bell: machine }), actors: () => [{ id: 'bell:0', kind: 'bell', input: undefined }] };`),
      /meta of .*found the key "offrs"; did you mean "offers"/,
    ],
  ])('%s is refused with the nearest name', (_, own, message) => {
    const { code, err } = run(['explore', SCENARIO, '--models', own()]);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});

describe('a module that cannot be imported', () => {
  it('says what to try: the names that are exported, or the line that threw', () => {
    const misnamed = run(['run', SCENARIO, '--models', module("import { hostPth } from 'worldswitch/extend';")]);
    expect(misnamed.err).toMatch(/named 'hostPth'\n.*\n {2}try: "hostPatch", which worldswitch\/extend exports/);
    const thrown = run(['run', SCENARIO, '--models', module("import { host } from 'worldswitch/extend';\nhost.pth('x');")]);
    expect(thrown.err).toMatch(/TypeError: host\.pth is not a function\n.*\n {2}try: WORLDSWITCH_DEBUG=1, which shows where/);
  });
});

describe('a module anywhere', () => {
  it('finds xstate and zod, each the copy of the program', () => {
    const own = module(`import { createMachine } from 'xstate';
import { z } from 'zod';
import { operation } from 'worldswitch/extend';
if (typeof createMachine !== 'function') throw new Error('no xstate');
export const mechanism = { name: 'x', arches: ['amd'], hostOperations: { nap: operation('nap', 'Sleeps.', { ticks: z.int().min(1) }) } };`);
    expect(run(['run', SCENARIO, '--models', own, '--mode', 'memory']).err).toBe('');
  });

  it('may call a variant after a version', () => {
    const own = module(`export const mechanism = {
  name: 'v', arches: ['amd'], options: { 'v.fix': ['off', 'on'] },
  variants: { '${SCENARIO}': { 'linux-6.12': { 'v.fix': 'on' } } },
};`);
    const { code, err } = run(['run', SCENARIO, '--models', own, '--variant', 'linux-6.12', '--mode', 'memory']);
    expect([err, code]).toEqual(['', 0]);
  });
});

describe('a new option', () => {
  it('has its default in journals from before it', () => {
    const text = (options: string) => `export const mechanism = { name: 'w', arches: ['amd'], options: { ${options} } };`;
    const own = module(text("'w.fix': ['off', 'on']"));
    expect(run(['run', SCENARIO, '--models', own, '-o', 'before.wsj']).code).not.toBe(70);
    writeFileSync(path(own), text("'w.fix': ['off', 'on'], 'w.more': ['no', 'yes']"));
    const later = module(text("'w.fix': ['off', 'on'], 'w.more': ['no', 'yes']"));
    const { code, json } = run(['replay', 'before.wsj', '--models', later, '--json']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ identical: true });
  });
});
