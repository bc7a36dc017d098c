/**
 * Names of other architectures: no message offers them, and where one is written the message says
 * whose it is. The same for what an architecture itself lacks.
 */
import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../../sim/scenario/load.ts';

const scenario = (arch: string, { guest = 'hlt: {}', host = 'KVM_RUN: { vcpu: vm0/0 }', rest = '' } = {}): string => `name: foreign
summary: s
host: { arch: ${arch} }
vms: { vm0: { type: ${arch === 'amd' ? 'snp' : arch === 'intel' ? 'vmx' : 'arm64'}, vcpus: [[{ ${guest} }]] } }
processes: { qemu0: { threads: [[{ ${host} }]] } }
${rest}`;
const message = (text: string): string => {
  try {
    loadScenario(text, 'foreign.yaml', []);
  } catch (error) {
    return (error as Error).message;
  }
  return 'no mistake';
};

/**
 * Operations of guests, operations of host threads, and sections that hosts of one architecture
 * alone have.
 */
const OWN = {
  amd: ['pvalidate', 'make-shared', 'firmware'],
  intel: ['rdmsr-test-ctrl', 'KVM_SET_MSRS', 'emulator'],
  arm64: ['brk', 'KVM_GET_ONE_REG', 'debug'],
} as const;
const ARCHES = ['amd', 'intel', 'arm64'] as const;

describe.each(ARCHES)('a mistake on %s', (arch) => {
  const others = ARCHES.filter((other) => other !== arch);

  it('is told with the operations of its own architecture, and no others', () => {
    const [guestOwn, hostOwn] = OWN[arch];
    const guest = (key: string) => message(scenario(arch, { guest: `${key}: {}` }));
    const host = (key: string) => message(scenario(arch, { host: `${key}: {}` }));
    const meant = (name: string) => expect.stringMatching(new RegExp(`found the key "${name}x"; .*did you mean "${name}"`));
    expect([guest(`${guestOwn}x`), host(`${hostOwn}x`)]).toEqual([meant(guestOwn), meant(hostOwn)]);
    for (const other of others) {
      expect(guest(`${OWN[other][0]}x`)).not.toMatch(new RegExp(`[ ,"]${OWN[other][0]}[,;" ]`));
      expect(host(`${OWN[other][1]}x`)).not.toMatch(new RegExp(`[ ,"]${OWN[other][1]}[,;" ]`));
    }
  });

  it('is told as what it is where the operation is one of another architecture', () => {
    for (const other of others) {
      const found = message(scenario(arch, { guest: `${OWN[other][0]}: ${other === 'amd' ? '{ gfn: 5, validated: true }' : '{}'}` }));
      expect(found).toContain(`found ${OWN[other][0]}, an operation of ${other} hosts; expected an operation of ${arch} hosts (`);
      expect(found).toContain(OWN[arch][0]);
    }
  });
});

describe('a section', () => {
  it('of another architecture is no key that a message offers, and is told as what it is', () => {
    const unknown = message(scenario('intel', { rest: 'firmwar: {}' }));
    expect(unknown).toContain('found the key "firmwar"; expected one of ');
    expect(unknown).not.toContain('firmware');
    expect(message(scenario('intel', { rest: 'firmware: {}' }))).toContain(
      'found firmware, a section of amd hosts; expected none: it has no part on intel hosts',
    );
  });
});

describe('host.tsc', () => {
  const said = (arch: string, tsc: string) => message(scenario(arch).replace(`arch: ${arch}`, `arch: ${arch}, tsc: ${tsc}`));

  it.each(['stable', 'unstable'])('is refused on arm64, which has no TSC: %s', (tsc) => {
    expect(said('arm64', tsc)).toContain(`host.tsc: found "${tsc}"; expected none: arm64 has no TSC`);
    for (const arch of ['amd', 'intel']) expect(said(arch, tsc)).not.toContain('host.tsc');
  });
});
