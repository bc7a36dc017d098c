/** What mechanisms bring to a resolved scenario: on their own hosts, and nowhere else. */
import { describe, expect, it } from 'vitest';
import { scenario } from '../../../sim/scenario/build.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { resolveScenario, validateResolved } from '../../../sim/scenario/resolve.ts';
import type { ResolvedScenario, Scenario } from '../../../sim/scenario/types.ts';
import { FILE, KNOWN, SAMPLE } from './sample.ts';
import { small } from './small.ts';

const resolve = (source: Scenario): ResolvedScenario => resolveScenario(source, { knownProperties: KNOWN });
const amd = resolve(loadScenario(SAMPLE, FILE, KNOWN));

const guestOn = (arch: 'intel' | 'arm64', type: string, options?: Readonly<Record<string, unknown>>): Scenario => ({
  name: 'small',
  summary: 'One vCPU',
  host: { arch },
  vms: { vm0: { type, ...(options && { options }), vcpus: [[{ hlt: {} }]] } },
  processes: { vmm0: { threads: [[{ KVM_RUN: { vcpu: 'vm0/0' } }]] } },
});
const OTHERS = [
  ['intel', 'vmx'],
  ['arm64', 'arm64'],
] as const;
const KEYS = ['name', 'summary', 'source', 'claims', 'variant', 'params', 'host', 'vms', 'processes', 'time'];
const LAST = ['allow', 'properties', 'bounds', 'expect'];

describe('a scenario of an AMD host', () => {
  it('has the firmware as a section, and ASID and pages as settings of its VM', () => {
    expect(amd.sections).toEqual({ firmware: { state: 'INIT', pages: [{ pfn: 0x2000, state: 'firmware' }] } });
    expect(amd.vms.map(({ settings }) => settings)).toEqual([
      {
        asid: 1,
        pages: [
          { gfn: 5, pfn: 0x1005, state: 'shared' },
          { gfn: 6, pfn: 0x1006, state: 'vmsa' },
        ],
      },
    ]);
    expect(Object.keys(amd.vms[0]!)).toEqual(['id', 'type', 'settings', 'vcpus']);
  });

  it('has defaults: the place of a VM, and firmware that is up where it launches one', () => {
    const vm = { type: 'snp', options: { pages: [] }, vcpus: [] };
    expect(
      resolve(small({ vms: { a: vm, b: vm }, processes: { p: { threads: [[{ 'sev-command': { command: 'SNP_DF_FLUSH' } }]] } } })),
    ).toMatchObject({
      vms: [{ settings: { asid: 1, pages: [] } }, { settings: { asid: 2, pages: [] } }],
      sections: { firmware: { state: 'INIT', pages: [] } },
    });
    const alone = scenario({
      name: 'alone',
      summary: 'No VM',
      host: { arch: 'amd', features: ['sev-snp'] },
      processes: { p: { threads: [[{ 'sev-command': { command: 'SNP_DF_FLUSH' } }]] } },
    });
    expect(resolve(alone).sections).toEqual({ firmware: { state: 'UNINIT', pages: [] } });
  });
});

describe.each(OTHERS)('a scenario of an %s host', (arch, type) => {
  it('has no trace of what mechanisms of other hosts bring', () => {
    const resolved = resolve(scenario(guestOn(arch, type)));
    expect(Object.keys(resolved)).toEqual([...KEYS, ...LAST]);
    expect(Object.keys(resolved.vms[0]!)).toEqual(['id', 'type', 'vcpus']);
    expect(validateResolved(JSON.parse(JSON.stringify(resolved)))).toEqual(resolved);
  });

  it('refuses it, whatever its value, and says where', () => {
    const firmware = { state: 'UP' } as unknown as NonNullable<Scenario['firmware']>;
    expect(() => scenario({ ...guestOn(arch, type), firmware })).toThrow(
      new RegExp(
        `^the scenario has 1 mistake\n {2}firmware: found firmware, a section of amd hosts; expected none: it has no part on ${arch} hosts$`,
      ),
    );
    expect(() => scenario(guestOn(arch, type, { pages: 7 }))).toThrow(
      `vms.vm0.options.pages: found "pages"; expected a setting of VMs on ${arch}`,
    );
  });

  it('refuses it in a journal, and says where', () => {
    const resolved = resolve(scenario(guestOn(arch, type)));
    const withFirmware = { ...resolved, sections: amd.sections };
    expect(() => validateResolved(withFirmware)).toThrow(
      `sections.firmware: found firmware, a section of amd hosts; expected none: it has no part on ${arch} hosts`,
    );
    const withPages = { ...resolved, vms: [{ ...resolved.vms[0]!, settings: amd.vms[0]!.settings }] };
    expect(() => validateResolved(withPages)).toThrow(`vms[0].settings.pages: found "pages"; expected a setting of VMs on ${arch}`);
  });
});

describe('a journal of an AMD host', () => {
  const [vm] = amd.vms;
  const withSettings = (settings: unknown) => ({ ...amd, vms: [{ ...vm!, settings }] });
  const page = (index: number) => ({ gfn: index, pfn: index, state: 'shared' });

  it.each([
    ['no settings, so that its pages are missing', withSettings(undefined), /found GFN 0x5; expected a page of vm0 \(none\)/],
    ['no pages', withSettings({ asid: 1 }), /found GFN 0x5; expected a page of vm0 \(none\)/],
    ['the ASID of no guest', withSettings({ asid: 0, pages: [] }), /settings\.asid: found 0; expected an integer from 1 to 65535/],
    [
      'more pages than a scenario may have',
      withSettings({ asid: 1, pages: Array.from({ length: 4097 }, (_, index) => page(index)) }),
      /settings\.pages: found a list; expected at most 4096 entries/,
    ],
    ['a page twice', withSettings({ asid: 1, pages: [page(5), page(5)] }), /vms\[0\]\.settings\.pages\[1\]\.gfn: found GFN 0x5 of page 1/],
    [
      'a frame of a VM in the firmware',
      { ...amd, sections: { firmware: { state: 'INIT', pages: [{ pfn: 0x1005, state: 'firmware' }] } } },
      /sections\.firmware\.pages\[0\]\.pfn: found PFN 0x1005 of page 0 of firmware; expected another: GFN 0x5 of vm0 has it/,
    ],
    [
      'firmware without its pages',
      { ...amd, sections: { firmware: { state: 'INIT' } } },
      /sections\.firmware\.pages: required and missing/,
    ],
    ['a section of no mechanism', { ...amd, sections: { disk: {} } }, /sections\.disk: found the key "disk"; expected one of firmware/],
  ])('is refused with %s', (_, json, message) => {
    expect(() => validateResolved(json)).toThrow(message);
  });
});
