/** Scenario files: what is accepted, and what every mistake is told as. */
import { describe, expect, it } from 'vitest';
import { ScenarioError } from '../../../sim/scenario/issues.ts';
import { loadScenario, parseScenario } from '../../../sim/scenario/load.ts';
import { FIRMWARE_MISTAKES } from './firmware-mistakes.ts';
import { MISTAKES } from './mistakes.ts';
import { MORE_MISTAKES } from './more-mistakes.ts';
import { changed, FILE, issuesOf, KNOWN, lineOf, SAMPLE } from './sample.ts';

const IDS = KNOWN.map(({ id }) => id);
const MINIMAL = `name: smallest
summary: One thread that asks the firmware for nothing much
host: { arch: amd, features: [sev-snp] }
processes: { kexec: { threads: [[{ sev-command: { command: SNP_DF_FLUSH } }]] } }
`;

describe('a scenario file', () => {
  it('is accepted when it is right', () => {
    const parsed = parseScenario(SAMPLE, FILE, KNOWN);
    expect(parsed).toMatchObject({ ok: true, scenario: { name: 'psc-during-host-write', host: { kernel: '6.12' } } });
  });

  it('needs no more than a name, a summary, a host and a process', () => {
    expect(issuesOf(MINIMAL)).toEqual([]);
  });

  it('reads hexadecimal and decimal integers as equal', () => {
    const hex = loadScenario(SAMPLE, FILE, KNOWN);
    const decimal = loadScenario(SAMPLE.replaceAll('0x1005', '4101').replaceAll('0x5,', '5,'), FILE, KNOWN);
    expect(decimal).toEqual(hex);
  });

  it('may end its lines as Windows does', () => {
    expect(loadScenario(SAMPLE.replaceAll('\n', '\r\n'), FILE, KNOWN)).toEqual(loadScenario(SAMPLE, FILE, KNOWN));
  });

  it('takes property ids without their kinds', () => {
    expect(parseScenario(SAMPLE, FILE, IDS).ok).toBe(true);
  });

  it('lets one thread of each process run one vCPU of one VM', () => {
    const second = changed('processes:\n', '  vm1:\n    type: snp\n    options: { pages: [] }\n    vcpus: [[{ hlt: {} }]]\nprocesses:\n');
    const text = changed('  netd:\n', '  qemu1: { threads: [[{ KVM_RUN: { vcpu: vm1/0 } }]] }\n  netd:\n', second);
    expect(issuesOf(text)).toEqual([]);
  });
});

describe('a mistake in a scenario file', () => {
  it.each([...MISTAKES, ...MORE_MISTAKES, ...FIRMWARE_MISTAKES])('%s is told with its line', (_, text, issues) => {
    expect(issuesOf(text)).toEqual(issues);
  });

  it('is thrown as one readable error', () => {
    const text = changed('cpus: 2', 'cpus: 1025');
    const place = `${FILE}:${lineOf(text, 'cpus: 1025')}`;
    const message = `the scenario has 1 mistake\n  ${place}: host.cpus: found 1025; expected an integer from 1 to 1024`;
    expect(() => loadScenario(text, FILE, KNOWN)).toThrow(ScenarioError);
    expect(() => loadScenario(text, FILE, KNOWN)).toThrow(message);
  });

  it('is listed among all others, by line', () => {
    const text = changed('arch: amd', 'arch: amb', changed('time: untimed', 'time: never', changed('cpus: 2', 'cpus: 0')));
    const lines = issuesOf(text).map((issue) => Number(issue.split(' ')[0]));
    expect(lines).toEqual(['arch:', 'cpus:', 'time: never'].map((piece) => lineOf(text, piece)));
  });

  it('refuses a second thread of the same name in a process', () => {
    const vm1 = changed('processes:\n', '  vm1:\n    type: snp\n    options: { pages: [] }\n    vcpus: [[{ hlt: {} }]]\nprocesses:\n');
    const text = changed(
      '      - - KVM_RUN: { vcpu: vm0/0 }\n',
      '      - - KVM_RUN: { vcpu: vm0/0 }\n      - - KVM_RUN: { vcpu: vm1/0 }\n',
      vm1,
    );
    expect(issuesOf(text)).toEqual([
      '38 | processes.qemu0.threads[1] | found a second thread:qemu0/vcpu0; expected VMs in processes of their own',
    ]);
  });

  it('refuses two VMs with one ASID', () => {
    const vm1 = '  vm1:\n    type: snp\n    options: { asid: 1, pages: [] }\n    vcpus: []\nprocesses:\n';
    expect(issuesOf(changed('processes:\n', vm1))).toEqual([
      '32 | vms.vm1.options.asid | found ASID 0x1 of vm1; expected another: vm0 has it',
    ]);
  });
});
