/**
 * A module that has grown since a journal was made: what came later has its default, and where that
 * is another model, the replay says so.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { moduleOf } from './own-modules.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const SCENARIO = `name: grown
summary: A thread that naps, and a guest that halts
host: { arch: amd, cpus: 1, kernel: "6.12", features: [sev-snp] }
vms: { vm0: { type: snp, options: { pages: [] }, vcpus: [[{ hlt: {} }]] } }
processes: { p: { threads: [[{ nap: {} }, { KVM_RUN: { vcpu: vm0/0 } }]] } }
`;

interface Grown {
  readonly args?: string;
  readonly name?: string;
  readonly body?: string;
}
const nap = ({ args = '', name = 'nap', body = '' }: Grown): string =>
  moduleOf(
    'grown',
    `hostOperations: { nap: operation('nap', 'Naps.', {${args}}) },
    host: ({ host: { options }, vms, sections }) => ({
      operations: (env) => [['nap', host.step('${name}', { set: (thread) => {
        const op = env.programs[0].ops[0];
        if (${args !== ''} && op.ticks !== 3) throw new Error('no ticks');
        return {};
      } })]],
    }),
    ${body}`,
  ).replace('import {', `import { operation } from '${new URL('../../sim/scenario/operation.ts', import.meta.url).href}';\nimport {`);

const LATER = {
  args: 'ticks: z.int().min(1).max(9).default(3)',
  body: `options: { 'nap.deep': ['no', 'yes'] },
    presets: { '6.12': { 'nap.deep': 'yes' } },
    vmSettings: { beds: { schema: z.int().min(1).max(9), default: (place, vm) => place + vm.vcpus.length + vm.vcpus[0].length } },
    sections: { bed: {
      description: 'd', written: z.strictObject({}), resolved: z.strictObject({ size: z.int() }),
      resolve: (_written, { vms }) => ({ size: Object.keys(vms).length }),
    } },
    checks: () => [],
    structureChecks: ({ vms, sections }) =>
      vms[0].settings.beds === 3 && sections.bed.size === 1 ? [] : [{ path: [], message: 'found no beds' }],
    patch: ({ host: { options } }) => {
      if (options['nap.deep'] === 'yes') throw new Error('a preset counted');
      return {};
    },`,
};

beforeAll(async () => {
  writeFileSync(bench.path('grown.yaml'), SCENARIO);
  writeFileSync(bench.path('before.mjs'), nap({}));
  writeFileSync(bench.path('after.mjs'), nap(LATER));
  writeFileSync(bench.path('other.mjs'), nap({ ...LATER, name: 'doze' }));
  expect((await bench.run(['run', './grown.yaml', '-o', 'before.wsj', '--models', 'before.mjs'])).err).toBe('');
});

describe('a journal from before an option, a setting, a section and an argument', () => {
  it('is replayed with their defaults, byte for byte, and searched on', async () => {
    const after = ['--models', 'after.mjs'];
    const { code, json } = await bench.run(['replay', 'before.wsj', '--json', ...after]);
    expect([code, json()]).toMatchObject([0, { identical: true }]);
    expect((await bench.run(['explore', 'before.wsj', '--from', '1', ...after])).code).toBe(0);
  });

  it('names the options that came later where it differs', async () => {
    const { code, json } = await bench.run(['replay', 'before.wsj', '--json', '--models', 'other.mjs']);
    expect([code, json()]).toMatchObject([1, { identical: false }]);
    const { cause } = json<{ divergence: { cause: string } }>().divergence;
    expect(cause).toMatch(/another file of grown .*; the journal does without the option nap\.deep \(no\), which came later$/);
  });
});

describe('a journal from after them', () => {
  it('is refused by a module that does not know them', async () => {
    writeFileSync(bench.path('late.yaml'), SCENARIO.replace('6.12', '6.14'));
    expect((await bench.run(['run', './late.yaml', '-o', 'after.wsj', '--models', 'after.mjs'])).err).toBe('');
    const { code, err } = await bench.run(['replay', 'after.wsj', '--models', 'before.mjs']);
    expect([code, err]).toEqual([3, expect.stringMatching(/host\.options\["nap\.deep"\]: found the key "nap\.deep"/)]);
  });
});
