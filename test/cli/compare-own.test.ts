/** `compare` of races of a user's own: which columns there are, and variants that are refused. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { moduleOf } from './own-modules.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

/** A thread that naps, in four designs; `kill` does what no shipped path does here. */
const NAP = moduleOf(
  'nap',
  `options: { 'nap.how': ['none', 'v6.12', 'unbalanced', 'split'] },
  hostOperations: { nap: operation('nap', 'Naps.', {}), kill: operation('kill', 'Kills its own process.', {}) },
  host: ({ host: { options } }) => ({ operations: () => [
    ['nap', host.call(host.path('nap', { source: 'a test', grade: 'decision' }, {
      none: [host.step('in'), host.step('out')],
      'v6.12': [host.step('in', { mode: 'kernel', preempt: 1 }), host.step('msleep', { sleeps: true }), host.step('out', { preempt: -1, mode: 'user' })],
      unbalanced: [host.step('in', { mode: 'kernel' }), host.step('out', { preempt: -1, mode: 'user' })],
      split: [host.step('in'), host.step('out')],
    }[options['nap.how']]))],
    ['kill', host.step('raise', { set: () => ({ signal: { signal: 'SIGBUS', pfn: null } }) })],
  ] }),
  outcomes: [
    { name: 'naps', title: 'nap', count: () => 1 },
    { name: 'dreams', title: 'dream', count: () => 0, concerns: ({ host: { options } }, kinds) => kinds.has('pcpu') && options['nap.how'] === 'split' },
    { name: 'beds', title: 'bed', count: () => 0, concerns: (_, kinds) => kinds.has('bed') },
  ],
  variants: { nap: { 'linux-6.12': { 'nap.how': 'v6.12' }, unbalanced: { 'nap.how': 'unbalanced' } }, split: { split: { 'nap.how': 'split' } } },`,
).replace('import {', `import { operation } from '${new URL('../../sim/scenario/operation.ts', import.meta.url).href}';\nimport {`);
const scenario = (name: string, op = 'nap') =>
  `name: ${name}\nsummary: s\nhost: { arch: amd, cpus: 1 }\nprocesses: { p: { threads: [[{ ${op}: {} }]] } }\n`;
const OWN = ['--models', 'nap.mjs'];

beforeAll(() => {
  writeFileSync(bench.path('nap.mjs'), NAP);
  for (const name of ['nap', 'split']) writeFileSync(bench.path(`${name}.yaml`), scenario(name));
  writeFileSync(bench.path('kill.yaml'), scenario('kill', 'kill'));
});

const columns = (out: string): string[] => out.split('\n')[0]!.trim().split(/ {2,}/);

describe('the columns of compare', () => {
  const BEFORE = ['variant', 'verdict', 'least deviating violation', 'host panics'];
  it.each([
    ['of what takes part alone', 'nap', ['nap']],
    ['of what takes part in one variant', 'split', ['nap', 'dream']],
  ])('are those %s', async (_, name, own) => {
    const { out } = await bench.run(['compare', `./${name}.yaml`, ...OWN]);
    expect(columns(out)).toEqual([...BEFORE, ...own, 'longest wait']);
  });

  it('are none of debug registers where no program touches one', async () => {
    const guest = `vms: { vm0: { type: arm64, vcpus: [[{ hlt: {} }]] } }\nprocesses: { q: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] } }\n`;
    writeFileSync(bench.path('halts.yaml'), `name: halts\nsummary: s\nhost: { arch: arm64, cpus: 1 }\n${guest}`);
    expect(columns((await bench.run(['compare', './halts.yaml'])).out)).toEqual([...BEFORE, 'longest wait']);
  });

  it('are those of what happened all the same', async () => {
    const { out } = await bench.run(['compare', './kill.yaml', ...OWN]);
    expect(columns(out)).toEqual([
      'variant',
      'verdict',
      'least deviating violation',
      'host panics',
      'innocent killed',
      'nap',
      'longest wait',
    ]);
    expect(out).toMatch(/^default +clean .* in all /m);
  });

  it('are all there in the JSON document', async () => {
    const { json } = await bench.run(['compare', './nap.yaml', '--json', ...OWN]);
    const [{ outcomes }] = json<{ rows: [{ outcomes: object }] }>().rows;
    expect(Object.keys(outcomes)).toEqual(
      expect.arrayContaining(['hostPanics', 'guestsKilled', 'pagesLost', 'naps', 'dreams', 'longestWait']),
    );
  });
});

describe('a variant whose contexts do not fit', () => {
  it('is a row that is refused, and the others are searched', async () => {
    const { code, out } = await bench.run(['compare', './nap.yaml', ...OWN]);
    expect(code).toBe(1);
    expect(out).toMatch(/^default +clean/m);
    expect(out).toMatch(/^linux-6\.12 +refused +scheduling while atomic, at main\.nap\.msleep$/m);
    expect(out).toMatch(/^unbalanced +refused +unbalanced context, at main\.nap\.out$/m);
    expect(out).toContain(
      'linux-6.12: Refused: main.nap.msleep sleeps with kernel mode, preempt 1, spin 0, irqs on: scheduling while atomic.',
    );
    expect((await bench.run(['compare', './nap.yaml', '--markdown', ...OWN])).out).toContain('| unbalanced | refused | unbalanced context');
  });

  it('has its rule and step in the JSON document', async () => {
    const { rows } = (await bench.run(['compare', './nap.yaml', '--json', ...OWN])).json<{ rows: object[] }>();
    const refused = { rule: 'scheduling while atomic', step: 'main.nap.msleep', message: expect.any(String) };
    expect(rows[1]).toMatchObject({ variant: 'linux-6.12', verdict: 'refused', exhausted: false, refused, violations: [], outcomes: {} });
  });

  it('is an error of explore', async () => {
    const { code, err } = await bench.run(['explore', './nap.yaml', '--variant', 'linux-6.12', ...OWN]);
    expect([code, err]).toEqual([2, expect.stringContaining('main.nap.msleep sleeps with kernel mode')]);
  });
});

describe('a scenario of a module, without the module', () => {
  it('is told with what to try', async () => {
    expect((await bench.run(['check', './nap.yaml'])).out).toContain('\n  try: are these of a module of yours? --models FILE.js\n');
    expect((await bench.run(['explore', './nap.yaml'])).err).toContain('try: are these of a module of yours? --models FILE.js; ');
    expect((await bench.run(['check', './nap.yaml', ...OWN])).out).not.toContain('--models');
  });
});
