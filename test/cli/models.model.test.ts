/** `--models`: what a module of the user's own adds, and what a journal says of it. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mechanisms } from '../../sim/host/registry.ts';
import { FIX, GUEST_PATCH } from './own-modules.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const RACE = 'rmpadjust-vs-rmpupdate';
const ONCE = [RACE, '--variant', 'once', '--models', 'fix.mjs'];
let files = 0;
/** Every text is a file of its own: Node imports a file once. */
function module(text: string): string {
  const name = `module-${files++}.mjs`;
  writeFileSync(bench.path(name), text);
  return name;
}

interface Exploration {
  readonly exhausted: boolean;
  readonly violations: readonly { readonly property: string; readonly journal: string }[];
}
let journal = '';

beforeAll(async () => {
  writeFileSync(bench.path('fix.mjs'), FIX);
  writeFileSync(bench.path('fix-again.mjs'), `${FIX}// another file\n`);
  const { json } = await bench.run(['explore', ...ONCE, '--json']);
  journal = json<Exploration>().violations[0]!.journal;
}, 60_000);

describe('compare --models', () => {
  it('has the variants of the module as rows, after those of the scenario: the race is closed by one of them', async () => {
    const { code, json } = await bench.run(['compare', RACE, '--models', 'fix.mjs', '--json']);
    const { rows } = json<{ rows: { variant: string; verdict: string; exhausted: boolean }[] }>();
    expect(rows.map(({ variant, verdict, exhausted }) => [variant, verdict, exhausted])).toEqual([
      ['inuse', 'violation', true],
      ['overlap-2m', 'clean', true],
      ['inuse-retried', 'clean', true],
      ['once', 'violation', true],
      ['always', 'clean', true],
    ]);
    expect(code).toBe(1);
  });
});

describe('a module', () => {
  it('is there for one command, and for no other', async () => {
    const before = mechanisms().length;
    expect((await bench.run(['explore', RACE, '--variant', 'always', '--models', 'fix.mjs'])).code).toBe(0);
    expect(mechanisms()).toHaveLength(before);
    const { code, err } = await bench.run(['explore', RACE, '--variant', 'always']);
    expect(code).toBe(2);
    expect(err).toContain('found "always"; expected a variant of the scenario');
  });

  it('is seen by every command that looks at a scenario', async () => {
    const models = ['--models', 'fix.mjs'];
    const listed = await bench.run(['scenarios', RACE, '--json', ...models]);
    expect(listed.json<{ variants: string[] }[]>()[0]!.variants).toEqual(['inuse', 'overlap-2m', 'inuse-retried', 'once', 'always']);
    expect(JSON.stringify((await bench.run(['schema', ...models])).json())).toContain('fix.retry');
    const machines = await bench.run(['machines', 'hostThread', '--scenario', ...ONCE, '--format', 'mermaid']);
    expect(machines.out).toContain('again');
    expect((await bench.run(['verify', RACE, ...models])).code).toBe(0);
  });

  it('adds to no scenario of another name, and its options are known in a file', async () => {
    const text = `name: mine\nsummary: A daemon alone\nhost: { arch: amd, features: [sev-snp], options: { fix.retry: once } }
vms: { vm0: { type: snp, options: { pages: [{ gfn: 5, pfn: 5, state: shared }] }, vcpus: [[{ hlt: {} }]] } }
processes: { qemu0: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] }, gmem: { threads: [[{ make-shared: { vm: vm0, gfn: 5 } }]] } }\n`;
    writeFileSync(bench.path('mine.yaml'), text);
    expect((await bench.run(['check', 'mine.yaml', '--models', 'fix.mjs'])).code).toBe(0);
    expect((await bench.run(['check', 'mine.yaml'])).out).toContain('found the key "fix.retry"');
    const { json } = await bench.run(['scenarios', './mine.yaml', '--models', 'fix.mjs', '--json']);
    expect(json<{ variants: string[] }[]>()[0]!.variants).toEqual(['default']);
  });

  it('may change what guests walk', async () => {
    const file = module(GUEST_PATCH);
    expect((await bench.run(['run', RACE, '--mode', 'memory', '--models', file])).code).toBe(0);
    const { out } = await bench.run(['machines', 'vcpu', '--format', 'mermaid', '--models', file]);
    expect(out).toContain('ignored');
    expect(out).not.toContain('exc_vmm_communication__sev_es_terminate');
  });
});

describe('a journal that was made with a module', () => {
  it('names it, and the commands that are printed repeat it', async () => {
    const { out } = await bench.run(['show', journal, '--models', 'fix.mjs']);
    expect(out).toMatch(/module +fix, SHA-256 [0-9a-f]{64}/);
    const shown = await bench.run(['show', journal, '--json']);
    expect(shown.json<{ journal: { modules: unknown[] } }>().journal.modules).toEqual([{ name: 'fix', sha256: expect.any(String) }]);
    expect((await bench.run(['explore', ...ONCE])).out).toContain(`replay ${journal} --models fix.mjs`);
  });

  it('has another name than the run of the same choices with another file', async () => {
    const ids = ['fix.mjs', 'fix-again.mjs'].map(async (file) => {
      const { json } = await bench.run(['run', RACE, '--variant', 'once', '--mode', 'memory', '--json', '--models', file]);
      return json<{ runId: string }>().runId;
    });
    expect(new Set(await Promise.all([ids[0], await ids[0]!.then(() => ids[1])])).size).toBe(2);
  });

  it('is replayed, injected into, shrunk and explained with it', async () => {
    const models = ['--models', 'fix.mjs'];
    expect((await bench.run(['replay', journal, '--json', ...models])).json()).toMatchObject({ identical: true, model: null });
    expect((await bench.run(['shrink', journal, ...models])).code).toBe(0);
    const { out } = await bench.run(['show', journal, '--explain', ...models]);
    expect(out).toContain(`worldswitch shrink ${journal} --models fix.mjs`);
    expect(out).toContain("import * as module0 from './fix.mjs';");
    expect((await bench.run(['inject', journal, '--at', '3', '--choose', 'exec(pcpu:1)', ...models])).code).not.toBe(2);
    expect((await bench.run(['explore', journal, '--from', '20', ...models])).code).toBe(1);
    expect((await bench.run(['verify', journal, ...models])).code).toBe(0);
  });

  it.each([
    ['replay'],
    ['shrink'],
    ['show', '--points', '--from', '5'],
    ['show', '--explain'],
    ['inject', '--at', '3', '--choose', 'exec(pcpu:1)'],
    ['explore'],
  ])('never loads one: %s without it says which', async (command, ...rest) => {
    const { code, err, out } = await bench.run([command!, journal, ...rest, '--json']);
    expect(code).toBe(2);
    expect(err).toMatch(/the journal needs a mechanism of a user's own, fix \(SHA-256 [0-9a-f]{12}…\); a journal never loads code/);
    expect(err).toContain('--models');
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'journal_modules', exit: 2 } });
  });

  it('is read from its records without the module', async () => {
    expect((await bench.run(['replay', journal, '--fold'])).code).toBe(0);
    expect((await bench.run(['verify', journal])).code).toBe(0);
    expect((await bench.run(['diff', journal, journal])).code).toBe(0);
    const { code, json } = await bench.run(['show', journal, '--step', '4', '--json']);
    expect(code).toBe(0);
    expect(json<{ note: string }>().note).toContain('the journal needs a mechanism');
    expect((await bench.run(['export', journal, '--format', 'chrome', '-o', 'out.json'])).code).toBe(0);
  });

  it('is tried with another file of that name, and says so', async () => {
    const { code, json } = await bench.run(['replay', journal, '--json', '--models', 'fix-again.mjs']);
    expect(code).toBe(0);
    expect(json<{ model: string }>().model).toContain('the journal was made with another file of fix');
    const other = module(FIX.replace('once: [hostPatch', 'once: [], more: [hostPatch'));
    const differs = await bench.run(['replay', journal, '--json', '--models', other]);
    expect(differs.code).toBe(1);
    expect(differs.json<{ divergence: { cause: string } }>().divergence.cause).toContain('made with another file of fix');
  });

  it('is not one that was made without', async () => {
    await bench.run(['run', RACE, '-o', 'bare.wsj']);
    const { code, err } = await bench.run(['replay', 'bare.wsj', '--models', 'fix.mjs']);
    expect(code).toBe(2);
    expect(err).toContain('bare.wsj: the journal was made without fix; it cannot be added afterwards');
  });
});

describe('a search in a file', () => {
  it('goes on with the same module alone', async () => {
    await bench.run(['explore', ...ONCE, '--checkpoint', 'search.wss', '--max-states', '500']);
    const without = await bench.run(['explore', '--resume', 'search.wss']);
    expect(without.code).toBe(3);
    expect(without.err).toMatch(/own in its search were: fix .*; here they are: none/);
    expect((await bench.run(['explore', '--resume', 'search.wss', '--models', 'fix-again.mjs'])).code).toBe(3);
    const { code, json } = await bench.run(['explore', '--resume', 'search.wss', '--models', 'fix.mjs', '--json']);
    expect([code, json<Exploration>().exhausted]).toEqual([1, true]);
  });
});
