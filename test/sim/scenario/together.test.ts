/** Operations of all mechanisms of an architecture in one host: no two of them take one name. */
import { describe, expect, it } from 'vitest';
import { refusal } from './combinations.ts';

const VCPU = 'vcpu: vm0/0';

const HOSTS: Readonly<
  Record<string, { readonly rest: string; readonly type: string; readonly guest: string; readonly host: readonly string[] }>
> = {
  amd: {
    rest: 'features: [sev, sev-es, sev-snp, debug-swap]',
    type: 'svm',
    guest:
      'touch: {} }, { intercept: { name: cpuid } }, { out: { port: 1 } }, { in: { port: 1 } }, { mmio: { gpa: 0x1000 } }, { insn: {} }, { mov-ss: {} }, { mov-to-dr: { dr: 0, value: 0 } }, { mov-from-dr: { dr: 0 } }, { popf: { tf: false } }, { sti: {} }, { int3: {} }, { icebp: {} }, { wrmsr-fastpath: { msr: x2apic-icr } }, { hlt: {} }, { compute: {} }, { ac-loop: {} ',
    host: ['perf-breakpoint: { address: 0 }', 'touch-address: { address: 0 }', 'perf-remove: {}', 'sev-command: { command: SNP_DF_FLUSH }'],
  },
  intel: {
    rest: 'features: [split-lock-detect]',
    type: 'vmx',
    guest:
      'touch: {} }, { intercept: { name: cpuid } }, { split-lock: { cpl: 3 } }, { misaligned: { cpl: 3 } }, { rdmsr-test-ctrl: {} }, { wrmsr-test-ctrl: { value: 0 } }, { emulated-increment: {} }, { insn: {} }, { mov-to-dr: { dr: 0, value: 0 } }, { mov-from-dr: { dr: 0 } }, { popf: { tf: false } }, { icebp: {} }, { int3: {} }, { wrmsr-fastpath: { msr: x2apic-icr } }, { hlt: {} }, { compute: {} ',
    host: [
      'perf-breakpoint: { address: 0 }',
      'touch-address: { address: 0 }',
      'perf-remove: {}',
      'split-lock: {}',
      'pin: {}',
      'sysctl: { splitLockMitigate: false }',
      `KVM_SET_MSRS: { ${VCPU}, value: 0 }`,
      `KVM_GET_MSRS: { ${VCPU} }`,
      'cpu-offline: { cpu: 1 }',
    ],
  },
  arm64: {
    rest: 'features: []',
    type: 'arm64',
    guest:
      'mrs: { reg: mdscr_el1 } }, { msr: { reg: mdscr_el1, value: 0 } }, { execute: {} }, { brk: {} }, { eret: { el: 0 } }, { hlt: {} }, { compute: {} ',
    host: ['user-work: {}', `KVM_GET_REG_LIST: { ${VCPU} }`, `KVM_GET_ONE_REG: { ${VCPU}, reg: mdscr_el1 }`],
  },
};

const textOf = (arch: string): string => {
  const { rest, type, guest, host } = HOSTS[arch]!;
  const core = ['compute: { steps: 2 }', 'madvise: { vm: vm0 }', `KVM_GET_MP_STATE: { ${VCPU} }`, `tgkill: { ${VCPU} }`];
  const debug = `KVM_SET_GUEST_DEBUG: { ${VCPU}, step: true }`;
  const vmm = ['pause-vcpu', 'resume-vcpu', 'store-immediate-exit'].map((op) => `${op}: { ${VCPU} }`);
  return [
    'name: together',
    'summary: All operations',
    `host: { arch: ${arch}, cpus: 2, preemption: full, ${rest} }`,
    `vms: { vm0: { type: ${type}, vcpus: [[{ ${guest}}]] } }`,
    'processes:',
    '  qemu0:',
    '    threads:',
    `      - [{ KVM_RUN: { ${VCPU}, reenter: true } }]`,
    `      - [${[...core, ...host, debug, ...vmm].map((op) => `{ ${op} }`).join(', ')}]`,
  ].join('\n');
};

describe('operations of all mechanisms of an architecture', () => {
  it.each(Object.keys(HOSTS))('go together in one host: %s', (arch) => {
    expect(refusal(textOf(arch), { stepsMax: 400 })).toBeNull();
  });
});
