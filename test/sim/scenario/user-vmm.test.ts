/** What a VMM cannot be told: the mistake, with its line. */
import { describe, expect, it } from 'vitest';
import { knownProperties } from '../../../sim/properties/index.ts';
import { ScenarioError } from '../../../sim/scenario/issues.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';

interface Told {
  readonly host?: string;
  readonly vm?: string;
  readonly guest?: string;
  readonly run?: string;
  readonly other?: string;
  readonly elsewhere?: string;
}
const textOf = ({ host = 'arch: amd', vm = 'type: svm', guest = 'hlt: {}', run = 'vcpu: vm0/0, reenter: true', other, elsewhere }: Told) =>
  [
    'name: told',
    'summary: Told',
    `host: { ${host} }`,
    `vms: { vm0: { ${vm}, vcpus: [[{ ${guest} }]] } }`,
    'processes:',
    `  vmm: { threads: [[{ KVM_RUN: { ${run} } }]${other === undefined ? '' : `, [{ ${other} }]`}] }`,
    ...(elsewhere === undefined ? [] : [`  monitor: { threads: [[{ ${elsewhere} }]] }`]),
  ].join('\n');

/** Line and message of each mistake. */
function issuesOf(told: Told): readonly string[] {
  try {
    loadScenario(textOf(told), 'told.yaml', knownProperties());
    return [];
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    return error.issues.map(({ line, message }) => `${line} | ${message}`);
  }
}

const PAUSE = 'pause-vcpu: { vcpu: vm0/0 }';
const SNP = { host: 'arch: amd, features: [sev-snp]', vm: 'type: snp, options: { pages: [] }' };
const ARM = { host: 'arch: arm64', vm: 'type: arm64' };

describe('an exit to user space', () => {
  it.each([
    ['a port on arm64', { ...ARM, guest: 'out: { port: 1 }' }, 'found out, not on arm64; expected mmio: arm64 has no port I/O'],
    [
      'a debugger on arm64',
      { ...ARM, guest: 'debug-exit: {}' },
      'found debug-exit, not on arm64; expected an operation of arm64 that a debugger stops, such as execute',
    ],
    [
      'a port of an SNP guest',
      { ...SNP, guest: 'in: { port: 1 }' },
      'found in in a guest of type snp; expected it in a VM of type svm: what such a guest does is VMGEXIT(IOIO_PROT)',
    ],
    [
      'an address of an SNP guest',
      { ...SNP, guest: 'mmio: { gpa: 1 }' },
      'found mmio in a guest of type snp; expected it in a VM of type svm: what such a guest does is VMGEXIT(MMIO_READ) or VMGEXIT(MMIO_WRITE)',
    ],
    [
      'pages of a VM that has none',
      { vm: 'type: svm, options: { pages: [{ gfn: 1, pfn: 1, state: shared }] }' },
      'found pages; expected none: vm0 is no SNP VM, and the RMP holds none of its pages',
    ],
    [
      'an APIC in user space on arm64',
      { ...ARM, vm: 'type: arm64, options: { irqchip: userspace }' },
      'found "userspace"; expected "kernel": KVM on arm64 waits for WFI in the kernel',
    ],
    ['a port that there is not', { guest: 'out: { port: 65536 }' }, 'found 65536; expected an integer from 0 to 65535'],
  ])('is refused: %s', (_what, told, message) => {
    expect(issuesOf(told)).toEqual([`4 | ${message}`]);
  });

  it.each([SNP, ARM, {}])('is no mistake by itself: %o', (told) => {
    expect(issuesOf(told)).toEqual([]);
  });
});

describe('a vCPU that is paused', () => {
  it.each([
    [
      'by a thread of another process',
      { elsewhere: PAUSE },
      '7 | found "vm0/0"; expected a vCPU of monitor: a thread kicks threads of its own process, and vmm runs vm0/0',
    ],
    [
      'where its thread would not look',
      { run: 'vcpu: vm0/0', other: PAUSE },
      '6 | found "vm0/0"; expected one that is run by KVM_RUN: { vcpu: vm0/0, reenter: true }',
    ],
    [
      'by its own thread',
      { run: `vcpu: vm0/0, reenter: true } }, { ${PAUSE.slice(0, -2)}` },
      '6 | found "vm0/0"; expected a vCPU that another thread runs',
    ],
    [
      'and is not there',
      { other: 'resume-vcpu: { vcpu: vm0/1 }' },
      '6 | found "vm0/1"; expected a vCPU of the scenario; did you mean "vm0/0"?',
    ],
  ])('is refused: %s', (_what, told, issue) => {
    expect(issuesOf(told)).toEqual([issue]);
  });

  it('is no mistake in a thread of the VMM', () => {
    expect(issuesOf({ other: PAUSE })).toEqual([]);
  });
});
