/**
 * Modules that do not fit, of every kind: one clear message with the file's name and what to try,
 * exit code 2, and nothing left behind.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mechanisms } from '../../sim/host/registry.ts';
import { CHANCE, FIX, moduleOf, OPEN_MACHINE } from './own-modules.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const RACE = 'rmpadjust-vs-rmpupdate';
let files = 0;
/** Every text is a file of its own: Node imports a file once. */
function module(text: string): string {
  const name = `module-${files++}.mjs`;
  writeFileSync(bench.path(name), text);
  return name;
}

beforeAll(() => {
  writeFileSync(bench.path('fix.mjs'), FIX);
  writeFileSync(bench.path('fix-again.mjs'), `${FIX}// another file\n`);
});

const PATHS = (paths: string) => moduleOf('x', `patch: () => ({ paths: ${paths} })`);

/** What stands in the file, and what is said about it. */
const MISTAKES: readonly (readonly [what: string, text: string, says: string | RegExp])[] = [
  ['no JavaScript', 'export const mechanism = {', /cannot be imported: /],
  [
    'a throw',
    'throw new Error("boom")',
    /throws while it is imported: Error: boom\n {2}at .*module-\d+\.mjs:1:7\n {2}try: WORLDSWITCH_DEBUG=1/,
  ],
  ['an import of nothing', 'import "no-such-package-here"', /cannot be imported: .*\n {2}expected: an ES module\n {2}try: npm install/],
  [
    'no export',
    'export const foo = 1',
    /exports "foo"\n {2}expected: the named export mechanism, or mechanisms: a list of them\n {2}try: /,
  ],
  [
    'both exports',
    'export const mechanism = {}; export const mechanisms = []',
    /exports mechanism and mechanisms\n {2}expected: one of the two/,
  ],
  ['an empty list', 'export const mechanisms = []', 'which is no list with anything in it'],
  ['no map', 'export const mechanism = 7', /mechanism: found 7; expected a map with the keys of a mechanism/],
  ['no name', 'export const mechanism = { arches: ["amd"] }', 'name: required and missing; expected a kebab-case name'],
  [
    'an unknown architecture',
    'export const mechanism = { name: "x", arches: ["amd64"] }',
    'found "amd64"; expected one of "amd", "intel", "arm64"',
  ],
  [
    'an unknown key',
    moduleOf('x', 'optoins: {}'),
    /found the key "optoins"; did you mean "options"\? Expected one of options, .* and \d+ others/,
  ],
  ['an unknown key, near a known one', moduleOf('x', 'optoins: {}'), 'did you mean "options"?'],
  ['a map for a function', moduleOf('x', 'patch: {}'), 'patch: found an empty map; expected a function'],
  ['an option without values', moduleOf('x', 'options: { a: [] }'), 'options.a: found an empty list; expected at least one value'],
  ['an option that is there', moduleOf('x', "options: { 'kvm.rmpFault': ['a'] }"), 'options["kvm.rmpFault"]: this name is taken'],
  [
    'an operation that is there',
    moduleOf('x', 'hostOperations: { write: { summary: "s", args: {}, fields: {}, compiled: { _zod: 1 } } }'),
    'hostOperations.write: this name is taken',
  ],
  [
    'an operation without its schemas',
    moduleOf('x', 'hostOperations: { poke: { summary: "s", args: { a: 1 }, fields: {}, compiled: 1 } }'),
    'hostOperations.poke.args.a: found 1; expected a schema of zod 4',
  ],
  [
    'a property that is there',
    moduleOf('x', "properties: [{ id: 'rmp.host-panic', form: 'always', kinds: ['pcpu'], source: 's', grade: 'read', check: () => null }]"),
    'found "rmp.host-panic", a name that is taken',
  ],
  [
    'a property that checks nothing',
    moduleOf('x', "properties: [{ id: 'a.b', form: 'always', kinds: ['pcpu'], source: 's', grade: 'read' }]"),
    'properties[0].check: required and missing; expected a function',
  ],
  [
    'an event that travels otherwise',
    moduleOf('x', "catalogue: { 'rmp.lock': 'queued', exec: 'offer' }"),
    'catalogue["rmp.lock"]: this name is taken by mechanism sev-snp; expected another one',
  ],
  [
    'a model that is there',
    moduleOf('x', "models: [{ name: 'rmp-lock', topology: () => {}, properties: [] }]"),
    'found "rmp-lock", a name that is taken',
  ],
  [
    'a column that is there',
    moduleOf('x', "outcomes: [{ name: 'hostPanics', title: 't', count: () => 0 }]"),
    'found "hostPanics", a name that is taken by every host; expected another one',
  ],
  [
    'a core where another mechanism gives one',
    'export const mechanism = { name: "x", arches: ["amd", "intel"], core: () => "core:0" }',
    'core: the core of a pCPU is taken by mechanism split-lock; expected none',
  ],
  ['a misspelt scenario', moduleOf('x', "variants: { 'rmpadjust-vs-rmpupdat': {} }"), 'did you mean "rmpadjust-vs-rmpupdate"?'],
  [
    'an unknown option in a variant',
    moduleOf('x', `variants: { '${RACE}': { v: { 'kvm.rmpFaul': 'a' } } }`),
    'did you mean "kvm.rmpFault"?',
  ],
  [
    'a wrong value in a variant',
    moduleOf('x', `variants: { '${RACE}': { v: { 'kvm.rmpFault': 'auto-shar' } } }`),
    'found "auto-shar"; expected one of "panic-sigbus", "auto-share", "kill-guest", "auto-share-kernel", "export"; did you mean "auto-share"?',
  ],
  [
    'a variant that is there',
    moduleOf('x', `variants: { '${RACE}': { inuse: {} } }`),
    'variants.inuse: found "inuse", which mechanism x adds too',
  ],
  [
    'a path that is not there',
    PATHS('{ kvm_rmp_make_share: [(p) => p] }'),
    /mechanism x of .*: found "kvm_rmp_make_share"; expected a path .* did you mean "kvm_rmp_make_shared"\?/,
  ],
  [
    'a step that is not there',
    PATHS('{ kvm_rmp_make_shared: [withoutSteps("rmpupdat")] }'),
    /mechanism x of .*: kvm_rmp_make_shared has no step rmpupdat; it has ioctl, rmpupdate, /,
  ],
  ['a patch that is no list', PATHS('{ kvm_rmp_make_shared: (p) => p }'), 'found a function; expected a list of functions'],
  ['a patch that gives nothing', PATHS('{ kvm_rmp_make_shared: [() => {}] }'), 'found nothing; expected the function to give a path'],
  [
    'a misspelt key of a step',
    PATHS('{ kvm_rmp_make_shared: [(p) => replaceStep(p, "ioctl", (i) => [i, host.step("odd", { preemt: 1 })])] }'),
    /mechanism x of .*: kvm_rmp_make_shared, item 2 \(step odd\) has a key "preemt"; expected name, .* did you mean "preempt"\?\n {2}while module-\d+\.mjs took part/,
  ],
  [
    'a turn of a loop without a step',
    PATHS('{ kvm_rmp_make_shared: [(p) => replaceStep(p, "ioctl", (i) => [i, host.loop(host.when([() => true, [host.leaveLoop]]))])] }'),
    /kvm_rmp_make_shared, item 2 \(loop\): a turn comes round without a step by no case of item 1 \(when\); .*\n {2}while module-\d+\.mjs took part/,
  ],
  [
    'a patch that leaves preemption off',
    PATHS('{ kvm_rmp_make_shared: [(p) => replaceStep(p, "rmpupdate", (i) => [host.preemptDisable, i])] }'),
    /is entered with .* preempt 0, .* and with .* preempt 1, .*\n {2}while module-\d+\.mjs took part/,
  ],
  [
    'a patch that throws',
    moduleOf('x', 'patch: (s) => s.nothing.there'),
    /Cannot read properties of undefined.*\n {2}while module-\d+\.mjs took part\n {2}at .*module-\d+\.mjs:\d+:\d+\n {2}try: WORLDSWITCH_DEBUG=1, which shows where/,
  ],
  [
    'a machine of no kind',
    moduleOf('x', 'patch: () => ({ machines: { pcpus: (m) => m } })'),
    'found "pcpus"; expected a kind of actors (there are',
  ],
  [
    'a machine that is there',
    moduleOf('x', 'machines: () => ({ pcpu: setup({}).createMachine({}) })'),
    'machines(): pcpu is there already, from every host; patch().machines changes a machine',
  ],
  [
    'a machine that another mechanism brings',
    moduleOf('x', 'machines: () => ({ psp: setup({}).createMachine({}) })'),
    'machines(): psp is there already, from mechanism sev-snp; patch().machines changes a machine',
  ],
  [
    'an actor without a machine',
    moduleOf('x', "actors: () => [{ id: 'a:0', kind: 'a', input: null }]"),
    'found "a"; expected a key of machines',
  ],
  ['a machine with a timer', OPEN_MACHINE, /clock \(mechanism open-machine of module-\d+\.mjs\) is not closed: clock\.a uses after/],
];

/** One thread: it is soon asked who waits. */
const SMALLEST = `name: smallest
summary: One thread that asks the firmware for nothing much
host: { arch: amd, features: [sev-snp] }
processes: { kexec: { threads: [[{ sev-command: { command: SNP_DF_FLUSH } }]] } }
`;

describe('a module with a mistake', () => {
  it.each([
    ['a promise', 'async () => false', 'waits answered an object; expected true or false'],
    ['nothing', '() => {}', 'waits answered undefined; expected true or false'],
  ])('is refused while it is asked who waits, and answers %s', async (_what, waits, says) => {
    const file = module(moduleOf('x', `waits: [${waits}]`));
    writeFileSync(bench.path('smallest.yaml'), SMALLEST);
    const { code, err } = await bench.run(['compare', 'smallest.yaml', '--models', file]);
    expect([code, err]).toEqual([2, expect.stringContaining(says)]);
    expect(err).toContain(`while ${file} took part`);
  });

  it.each(MISTAKES)('is refused: %s', async (_what, text, says) => {
    const file = module(text);
    const { code, err, out } = await bench.run(['run', RACE, '--mode', 'memory', '--json', '--models', file]);
    expect(err).toMatch(says instanceof RegExp ? says : new RegExp(says.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
    expect(code).toBe(2);
    expect(err).toContain('try: ');
    expect(err).not.toContain('internal');
    expect(JSON.parse(out)).toMatchObject({ error: { exit: 2 } });
    expect(err.startsWith('worldswitch: ')).toBe(true);
  });

  it.each([
    ['none.mjs', 'cannot read none.mjs: there is no such file or folder'],
    ['.', 'cannot read .: it is a folder; expected a file'],
  ])('is refused: the file %s', async (file, says) => {
    const { code, err } = await bench.run(['run', RACE, '--models', file]);
    expect([code, err]).toEqual([2, expect.stringContaining(says)]);
  });

  it('leaves nothing behind, whatever was loaded before it', async () => {
    const before = mechanisms().length;
    const twice = await bench.run(['run', RACE, '--models', 'fix.mjs', '--models', 'fix-again.mjs']);
    expect([twice.code, mechanisms().length]).toEqual([2, before]);
    expect(twice.err).toContain('fix-again.mjs: mechanism has 2 mistakes');
    expect((await bench.run(['run', RACE, '--models'])).err).toContain('argument missing');
    expect((await bench.run(['demo', '--models', 'fix.mjs'])).err).toContain("unknown option '--models'");
  });

  it.each([
    ['while it is imported', 'throw new Error("boom")'],
    [
      'in a step',
      PATHS("{ kvm_rmp_make_shared: [(p) => replaceStep(p, 'rmpupdate', (i) => [step('odd', { send: (t) => t.no.no }), i])] }"),
    ],
  ])('is shown with its place where WORLDSWITCH_DEBUG asks for it: %s', async (_when, text) => {
    const file = module(text);
    const { err } = await bench.run(['run', RACE, '--models', file], { env: { WORLDSWITCH_DEBUG: '1' } });
    expect(err).toMatch(new RegExp(`at .*${file}:\\d+:\\d+`));
  });

  it('is said to be another one than a journal was made with, by what goes on from the journal', async () => {
    await bench.run(['run', RACE, '-o', 'fixed.wsj', '--models', 'fix.mjs']);
    const signal = AbortSignal.abort();
    for (const words of [
      ['inject', 'fixed.wsj', '--at', '3', '--preempt', 'pcpu:0', '-o', 'forked.wsj'],
      ['serve', 'fixed.wsj', '--replay', '-o', 'replayed.wsj'],
    ]) {
      expect((await bench.run([...words, '--models', 'fix.mjs'], { signal })).err).not.toContain('another file of');
      expect((await bench.run([...words, '--models', 'fix-again.mjs'], { signal })).err).toMatch(/^note: .*was made with another file of/m);
    }
  });

  it('is found out by a search when its code asks chance', async () => {
    const { code, err } = await bench.run(['explore', RACE, '--models', module(CHANCE)]);
    expect(code).toBe(2);
    expect(err).toMatch(/does not do the same with .* every time; its machine is not pure\n {2}while module-\d+\.mjs took part/);
  });
});
