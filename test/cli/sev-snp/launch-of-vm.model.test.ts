/** `launch-digest` of a VM of a scenario: its pages, then the VMSAs of its vCPUs. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { vmsaPage } from '../../../actors/sev-snp/firmware/vmsa-page.ts';
import { Bench } from '../run-cli.ts';
import { chain, filled } from './chain.ts';

const bench = new Bench();
afterAll(() => bench.clear());

interface Answer {
  readonly digest: string;
  readonly steps: readonly string[];
}

/** A process for each VM, with a thread for each vCPU. */
const processesOf = (vms: string): string =>
  [...vms.matchAll(/^ {2}(vm\d):/gm)]
    .map(([, vm]) => `qemu-${vm}: { threads: [[{ KVM_RUN: { vcpu: ${vm}/0 } }], [{ KVM_RUN: { vcpu: ${vm}/1 } }]] }`)
    .join(', ');
const scenario = (vms: string): string => `name: measured
summary: Guests whose launches are measured.
host: { arch: amd, cpus: 1, features: [sev, sev-es, sev-snp, debug-swap, no-nested-data-bp], kernel: '6.12' }
vms:
${vms}
processes: { ${processesOf(vms)} }
`;
const VM = (name: string, options: string, type = 'snp'): string => `  ${name}:
    type: ${type}
    options: { ${options} }
    vcpus: [[{ insn: {} }], [{ insn: {} }]]`;
const LAUNCH = `launch: { pages: [{ type: normal, gfn: 0xffc00, fill: 255 }, { type: secrets, gfn: 0x80d }], apEip: 0x80b004 }`;

/** With SNPActive and DebugSwap, as asked. */
const vmsa = (eip: number, features: bigint): Uint8Array => vmsaPage({ eip, sevFeatures: features, signature: 0x80_0f12, x87: 'initial' });
const measured = (features: bigint): string[] =>
  chain([
    [1, 0xffc0_0000, filled(255)],
    [5, 0x80_d000, null],
    [2, 0xffff_ffff_f000, vmsa(0xffff_fff0, features)],
    [2, 0xffff_ffff_f000, vmsa(0x80_b004, features)],
  ]);

describe('launch-digest of a scenario', () => {
  it('measures the pages, then the VMSA of each vCPU', async () => {
    writeFileSync(bench.path('one.yaml'), scenario(VM('vm0', LAUNCH)));
    const { code, json, err } = await bench.run(['launch-digest', 'one.yaml', '--json']);
    expect([code, err]).toEqual([0, '']);
    expect(json()).toEqual({ vm: 'vm0', digest: measured(1n).at(-1), steps: measured(1n) });
  });

  it('measures the features that a VM asks for', async () => {
    const stdin = scenario(VM('vm0', `${LAUNCH}, vmsaFeatures: [debug-swap]`));
    const { json } = await bench.run(['launch-digest', '-', '--json'], { stdin });
    expect(json<Answer>().steps).toEqual(measured(0x21n));
    expect(measured(0x21n).at(-1)).not.toBe(measured(1n).at(-1));
  });

  it('asks which VM is meant', async () => {
    const stdin = scenario([VM('vm0', LAUNCH), VM('vm1', `${LAUNCH}, vmsaFeatures: [debug-swap]`), VM('vm2', 'asid: 3')].join('\n'));
    const asked = await bench.run(['launch-digest', '-'], { stdin });
    expect([asked.code, asked.err]).toEqual([2, expect.stringContaining('2 VMs have a launch: vm0, vm1')]);
    const { out } = await bench.run(['launch-digest', '-', '--vm', 'vm1'], { stdin });
    expect(out.trimEnd().split('\n').at(-1)).toBe(`${measured(0x21n).at(-1)}  launch digest of vm1`);
    expect((await bench.run(['launch-digest', '-', '--vm', 'vm2'], { stdin })).err).toContain('vm2 has no launch');
    expect((await bench.run(['launch-digest', '-', '--vm', 'vm3'], { stdin })).err).toContain('vm3');
  });

  it('refuses one without a launch', async () => {
    const { code, err } = await bench.run(['launch-digest', 'rmp-host-write-race']);
    expect([code, err]).toEqual([2, expect.stringContaining('no VM of the scenario has a launch')]);
    expect((await bench.run(['launch-digest', 'rmp-host-write-rac'])).err).toContain('rmp-host-write-race');
  });

  it.each([
    ['of a VM without encryption', VM('vm0', LAUNCH, 'svm'), 'found launch; expected none: vm0 is of type svm, and not snp'],
    ['of a VM that a thread launches', VM('vm0', `launched: false, ${LAUNCH}`), 'found launch; expected none: KVM_SEV_INIT2 of a thread'],
    [
      'with a page without contents',
      VM('vm0', 'launch: { pages: [{ type: normal, gfn: 1 }] }'),
      'launch.pages[0]: found neither; expected one of',
    ],
    ['with both contents', VM('vm0', `launch: { pages: [{ type: zero, gfn: 1, fill: 0, sha384: ${'a'.repeat(96)} }] }`), 'found both'],
    [
      'with a VMSA',
      VM('vm0', 'launch: { pages: [{ type: vmsa, gfn: 1, fill: 0 }] }'),
      'the VMSA of each vCPU is measured behind the pages',
    ],
    ['with a bad digest', VM('vm0', 'launch: { pages: [{ type: zero, gfn: 1, sha384: AB }] }'), 'expected 96 hex digits'],
  ])('refuses a launch %s', async (_, vm, says) => {
    const { code, err } = await bench.run(['launch-digest', '-'], { stdin: scenario(vm) });
    expect([code, err.replaceAll(/\s+/g, ' ')]).toEqual([2, expect.stringContaining(says)]);
  });

  it('changes no run: a launch is measured, and not modelled', async () => {
    writeFileSync(bench.path('with.yaml'), scenario(VM('vm0', LAUNCH)));
    writeFileSync(bench.path('without.yaml'), scenario(VM('vm0', 'asid: 1')));
    const digests = await Promise.all(
      ['with', 'without'].map(
        async (name) => (await bench.run(['run', `${name}.yaml`, '-o', `${name}.wsj`, '--json'])).json<Answer>().digest,
      ),
    );
    expect(digests[0]).toBe(digests[1]);
    expect(readFileSync(bench.path('with.wsj')).length).toBeGreaterThan(0);
  });
});
