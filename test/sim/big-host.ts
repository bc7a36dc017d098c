/** Hosts of any size: a guest with a vCPU for each CPU, and a thread for each vCPU. */
import { loadScenario } from '../../sim/scenario/load.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { KNOWN, resolved } from './play.ts';

interface Size {
  readonly cpus: number;
  readonly vcpus?: number;
  readonly rounds?: number;
}

/** The text of its scenario. */
export function bigHostText({ cpus, vcpus = cpus, rounds = 100 }: Size): string {
  const program = `[{ repeat: { times: ${rounds}, do: [{ touch: {} }, { intercept: { name: CPUID } }] } }]`;
  const all = Array.from({ length: vcpus }, (_, vcpu) => vcpu);
  return [
    'name: big-host',
    'summary: A host of any size',
    `host: { arch: amd, cpus: ${cpus}, preemption: full, kernel: "6.12" }`,
    'vms:',
    '  vm0:',
    '    type: svm',
    '    vcpus:',
    ...all.map(() => `      - ${program}`),
    'processes:',
    '  vmm:',
    '    threads:',
    ...all.map((vcpu) => `      - [{ KVM_RUN: { vcpu: vm0/${vcpu} } }]`),
    'bounds: { steps: 100000000 }',
  ].join('\n');
}

export const bigHost = (size: Size): ResolvedScenario => resolved(loadScenario(bigHostText(size), 'big-host.yaml', KNOWN));
