/** The smallest scenario with a VM, built in TypeScript. */
import { scenario } from '../../../sim/scenario/build.ts';
import type { Scenario } from '../../../sim/scenario/types.ts';

/** One vCPU that halts, and its thread; `parts` replace whole keys. */
export const small = (parts: Partial<Scenario> = {}): Scenario =>
  scenario({
    name: 'small',
    summary: 'One vCPU',
    host: { arch: 'amd', features: ['sev-snp'] },
    vms: { vm0: { type: 'snp', options: { pages: [{ gfn: 5, pfn: 0x1005, state: 'shared' }] }, vcpus: [[{ hlt: {} }]] } },
    processes: { qemu0: { threads: [[{ KVM_RUN: { vcpu: 'vm0/0' } }]] } },
    ...parts,
  });
