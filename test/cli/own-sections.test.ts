/**
 * Sections of a scenario and settings of VMs that a module of the user's own brings: in files, in
 * runs, in journals, in the schema.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mechanisms } from '../../sim/host/registry.ts';
import { DISK, moduleOf } from './own-modules.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

let files = 0;
/** Every text is a file of its own: Node imports a file once. */
function module(text: string): string {
  const name = `module-${files++}.mjs`;
  writeFileSync(bench.path(name), text);
  return name;
}
const DISK_LINE = 'disk: { sectors: 8 }\n';
const VM = (options: string) => `{ type: snp, options: { pages: []${options} }, vcpus: [[{ hlt: {} }]] }`;
const MINE = `name: mine
summary: Two guests that halt
host: { arch: amd, features: [sev-snp] }
vms: { vm0: ${VM('')}, vm1: ${VM(', queues: 7')} }
processes:
  qemu0: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] }
  qemu1: { threads: [[{ KVM_RUN: { vcpu: vm1/0 } }]] }
properties: { always: [disk.told] }
`;
const ARM = `name: arm
summary: A guest that halts
host: { arch: arm64 }
vms: { vm0: { type: arm64, options: { queues: 1 }, vcpus: [[{ hlt: {} }]] } }
processes: { vmm0: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] } }
`;
const WITH_DISK = ['--models', 'disk.mjs'];

beforeAll(() => {
  writeFileSync(bench.path('disk.mjs'), DISK);
  writeFileSync(bench.path('mine.yaml'), MINE + DISK_LINE);
});

describe('a section and a setting of VMs of one’s own', () => {
  it('reach the actors, and the journal that replays them', async () => {
    const run = await bench.run(['run', './mine.yaml', '-o', 'disk.wsj', ...WITH_DISK]);
    expect(run.code).toBe(1);
    expect(run.out + run.err).toContain('8 sectors, queues of vm0,vm1: 2,7');
    expect((await bench.run(['replay', 'disk.wsj', ...WITH_DISK])).code).toBe(0);
    const without = await bench.run(['replay', 'disk.wsj']);
    expect([without.code, without.err]).toEqual([2, expect.stringContaining("needs a mechanism of a user's own, disk")]);
  });

  it('are known with the module alone, on the hosts that it is for', async () => {
    expect((await bench.run(['check', 'mine.yaml'])).out).toContain('disk: found the key "disk"; expected one of name, summary');
    expect((await bench.run(['check', 'mine.yaml', ...WITH_DISK])).code).toBe(0);
    writeFileSync(bench.path('arm.yaml'), ARM + DISK_LINE);
    const { code, out } = await bench.run(['check', 'arm.yaml', ...WITH_DISK]);
    expect(code).toBe(2);
    expect(out).toContain('arm.yaml:6: disk: found disk, a section of amd hosts; expected none: it has no part on arm64 hosts');
    expect(out).toContain(
      'arm.yaml:4: vms.vm0.options.queues: found "queues"; expected a setting of VMs on arm64 ("osLock", "irqchip", "createdInRun", "onlineVcpus", "deviceSlots")',
    );
  });

  it('are checked by their schemas, with the line', async () => {
    writeFileSync(bench.path('wrong.yaml'), `${MINE.replace('queues: 7', 'queues: 9')}disk: { sectors: 8, heads: 2 }\n`);
    const { code, out } = await bench.run(['check', 'wrong.yaml', ...WITH_DISK]);
    expect(code).toBe(2);
    expect(out).toContain('wrong.yaml:4: vms.vm1.options.queues: found 9; expected at most 8');
    expect(out).toContain('wrong.yaml:9: disk.heads: found the key "heads"; expected no such key');
  });

  it('stand in the JSON Schema, with what they are', async () => {
    const { json } = await bench.run(['schema', ...WITH_DISK]);
    const { properties } = json<{ properties: Record<string, { description?: string }> }>();
    expect(properties.disk?.description).toBe('The disk of the host.');
    expect(JSON.stringify(properties.vms)).toContain('How many queues.');
  });

  it('leave out what the file leaves out', async () => {
    writeFileSync(bench.path('diskless.yaml'), MINE);
    expect((await bench.run(['run', './diskless.yaml', '--mode', 'memory', ...WITH_DISK])).code).toBe(0);
  });
});

const SECTION = (name: string) =>
  `sections: { ${name}: { description: 'd', written: z.strictObject({}), resolved: z.strictObject({}), resolve: () => undefined } }`;
const SETTING = "vmSettings: { queues: { schema: z.enum(['one', 'two']) } }";

describe('a section or a setting that does not fit', () => {
  it.each([
    [
      'a section of another module',
      moduleOf('tape', SECTION('disk')),
      /sections\.disk: this name is taken by mechanism disk; expected another one/,
    ],
    [
      'a setting of another module',
      moduleOf('tape', SETTING),
      /vmSettings\.queues: this name is taken by mechanism disk; expected another one/,
    ],
    [
      'a section that is shipped',
      moduleOf('tape', SECTION('firmware')),
      /sections\.firmware: this name is taken by mechanism sev-snp; expected another one/,
    ],
    ['a key of every scenario', moduleOf('tape', SECTION('vms')), /sections\.vms: this name is taken by every host; expected another one/],
    ['a name that is none', moduleOf('tape', SECTION("'Disk 1'")), /sections\["Disk 1"\]: found the key "Disk 1"; expected a name such as/],
    [
      'no resolve()',
      moduleOf('tape', 'sections: { tape: { description: "d", written: z.int(), resolved: z.int() } }'),
      /expected a function/,
    ],
    ['no schema', moduleOf('tape', 'vmSettings: { reels: z.int() }'), /vmSettings\.reels\.schema: required and missing; expected a schema/],
  ])('is refused: %s', async (_, text, says) => {
    const before = mechanisms().length;
    const file = module(text);
    const { code, err } = await bench.run(['check', 'mine.yaml', ...WITH_DISK, '--models', file]);
    expect([code, err]).toEqual([2, expect.stringMatching(says)]);
    expect(err).toContain(file);
    expect(mechanisms()).toHaveLength(before);
  });

  it('is welcome on hosts of another architecture, with a schema of its own', async () => {
    const other = module(moduleOf('tape', SETTING).replace("arches: ['amd']", "arches: ['arm64']"));
    writeFileSync(bench.path('two.yaml'), ARM.replace('queues: 1', 'queues: two'));
    const models = [...WITH_DISK, '--models', other];
    expect((await bench.run(['check', 'two.yaml', 'mine.yaml', ...models])).code).toBe(0);
    writeFileSync(bench.path('one.yaml'), ARM);
    expect((await bench.run(['check', 'one.yaml', ...models])).out).toContain('queues: found 1; expected one of "one", "two"');
    expect((await bench.run(['schema', ...models])).code).toBe(0);
  });

  it.each([
    ['vmSettings: { reels: { schema: z.int(), default: () => "two" } }', /vmSettings\.reels\.default\(\): found "two"; expected a number/],
    [
      SECTION('tape').replace('undefined', '({ reels: 2 })'),
      /sections\.tape\.resolve\(\): reels: found the key "reels"; expected no such key/,
    ],
    [SECTION('tape').replace('undefined', 'new Map()'), /sections\.tape\.resolve\(\): found an instance of a class; expected a map/],
  ])('is refused when code of it gives what its schema refuses: %s', async (body, says) => {
    const file = module(moduleOf('tape', body));
    const { code, err } = await bench.run(['check', 'mine.yaml', ...WITH_DISK, '--models', file]);
    expect([code, err]).toEqual([2, expect.stringMatching(says)]);
    expect(err).toContain(file);
  });
});
