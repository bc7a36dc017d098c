/**
 * The VMM in user space: where the interrupt controller is emulated, and how one of its threads
 * gets a vCPU out of KVM_RUN and keeps it there. docs/mechanisms/user-vmm.md explains it.
 */
import { z } from 'zod';
import { kickParts, userspaceHalt, userVmmOperations } from '../../../actors/user-vmm/kick.ts';
import { sharedOf, vmmSharedMachine } from '../../../actors/user-vmm/vmm-shared.ts';
import { USER_VMM_EVENTS, USER_VMM_OPTIONS } from '../../../events/user-vmm/user-vmm.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import { structureChecks, usesKicks } from './checks.ts';
import { USER_VMM_MUTANTS } from './mutants.ts';
import { USER_VMM_HOST_OPERATIONS } from './operations.ts';
import { userVmmProperties } from './properties.ts';

declare module '../../../events/options.ts' {
  interface VmSettings {
    readonly irqchip: 'kernel' | 'userspace';
  }
}

const kicks = ({ processes }: ResolvedScenario): boolean =>
  usesKicks(processes.flatMap(({ threads }) => threads.map(({ program }) => program)));

export const userVmm: Mechanism = {
  name: 'user-vmm',
  arches: ['amd', 'intel', 'arm64'],
  options: USER_VMM_OPTIONS,
  presets: { '6.1': { 'kvm.immediateExit': 'behind-io' }, '6.6': { 'kvm.immediateExit': 'behind-io' } },
  vmSettings: {
    irqchip: {
      schema: z
        .enum(['kernel', 'userspace'])
        .describe('Where the local APIC is emulated: without one in the kernel, HLT ends KVM_RUN. Default kernel.'),
    },
  },
  hostOperations: USER_VMM_HOST_OPERATIONS,
  properties: userVmmProperties,
  catalogue: USER_VMM_EVENTS,
  structureChecks,
  host: () => ({ operations: userVmmOperations }),
  kvm: (scenario) => ({
    ...(kicks(scenario) && kickParts(scenario.host.options)),
    ...(scenario.vms.some(({ settings }) => settings?.irqchip === 'userspace') && userspaceHalt),
  }),
  actors: (scenario) =>
    kicks(scenario)
      ? scenario.vms.flatMap(({ id, vcpus }) =>
          vcpus.map((_, vcpu) => ({ id: sharedOf(`vcpu:${id}/${vcpu}`), kind: 'vmmShared', input: null })),
        )
      : [],
  machines: () => ({ vmmShared: vmmSharedMachine }),
  mutants: USER_VMM_MUTANTS,
};
