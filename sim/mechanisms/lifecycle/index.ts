/**
 * VMs, vCPUs and devices that come into being in a run and go again. Their actors have their slots
 * from the start, and are absent before they are created and after they are destroyed.
 * docs/mechanisms/lifecycle.md explains it.
 */
import { z } from 'zod';
import { fileMachine } from '../../../actors/host/file.ts';
import { mortal } from '../../../actors/host/object-life.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { newVcpu } from '../../../actors/kvm/vcpu.ts';
import { NEW_VM } from '../../../actors/kvm/vm.ts';
import { creationOperations } from '../../../actors/lifecycle/creation.ts';
import { kvmVmMachine, kvmVmOf } from '../../../actors/lifecycle/kvm-vm.ts';
import { fdOfDevice, fdOfVcpu, fdOfVm, kvmLock } from '../../../actors/lifecycle/lifecycle-env.ts';
import { lifecycleKvm } from '../../../actors/lifecycle/lifecycle-kvm.ts';
import { notifierMachine, notifierOf } from '../../../actors/lifecycle/mmu-notifier-list.ts';
import { closeOperation } from '../../../actors/lifecycle/teardown.ts';
import { LIFECYCLE_EVENTS, LIFECYCLE_OPTIONS } from '../../../events/lifecycle/lifecycle.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import { integer, LIMITS } from '../../scenario/fields.ts';
import type { ResolvedScenario, ResolvedVm } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { deviceSlotsOf, isCreated, isCreatedInRun, onlineOf, structureChecks } from './checks.ts';
import { LIFECYCLE_MUTANTS } from './mutants.ts';
import { DEVICE_SLOTS, LIFECYCLE_HOST_OPERATIONS } from './operations.ts';
import { lifecycleProperties } from './properties.ts';

/** Whether anything comes and goes. */
const lives = ({ vms }: ResolvedScenario): boolean => vms.some((vm) => isCreated(vm) || deviceSlotsOf(vm) > 0);

/** What kernels before the newest do: 6.1.192 and 6.12.117, both read. */
const OLD = { 'kvm.vcpuOnline': 'xa-store', 'kvm.eachVcpu': 'range' } as const;

/** Of one VM; all VMs of a host have them, or none has. */
function actorsOf(vm: ResolvedVm): readonly ActorSpec[] {
  const isThere = !isCreatedInRun(vm);
  const open = (id: string, isOpen: boolean): ActorSpec => ({ id, kind: 'kvmFile', input: isOpen ? { open: true } : null });
  return [
    { id: kvmVmOf(vm.id), kind: 'kvmVm', input: { online: onlineOf(vm), ...(!isThere && { absent: true }) } },
    { id: notifierOf(vm.id), kind: 'mmuNotifier', input: { registered: isThere } },
    { id: kvmLock(vm.id), kind: 'mutex', input: null },
    open(fdOfVm(vm.id), isThere),
    ...vm.vcpus.map((_, vcpu) => open(fdOfVcpu(vm.id, vcpu), vcpu < onlineOf(vm))),
    ...Array.from({ length: deviceSlotsOf(vm) }, (_, device) => open(fdOfDevice(vm.id, device), false)),
  ];
}

export const lifecycle: Mechanism = {
  name: 'lifecycle',
  arches: ['amd', 'intel', 'arm64'],
  options: LIFECYCLE_OPTIONS,
  presets: { '6.1': OLD, '6.6': OLD, '6.12': OLD },
  vmSettings: {
    createdInRun: {
      schema: z
        .literal(true, { error: 'expected true' })
        .describe('The VM is not there when the run begins: KVM_CREATE_VM creates it, KVM_CREATE_VCPU its vCPUs.'),
    },
    onlineVcpus: {
      schema: integer(0, LIMITS.vcpus).describe(
        'How many vCPUs are there when the run begins; KVM_CREATE_VCPU creates the others. Default all.',
      ),
    },
    deviceSlots: { schema: DEVICE_SLOTS.describe('How many devices KVM_CREATE_DEVICE can create. Default none.') },
  },
  hostOperations: LIFECYCLE_HOST_OPERATIONS,
  properties: lifecycleProperties,
  catalogue: LIFECYCLE_EVENTS,
  sets: ['kvmVm.making'],
  structureChecks,
  creates: { options: ['{ createdInRun: true }', '{ onlineVcpus: 0 }'], has: isCreated },
  host: (scenario) => (lives(scenario) ? { operations: (env) => [...creationOperations(env), closeOperation(env)] } : {}),
  kvm: (scenario) => (lives(scenario) ? lifecycleKvm : {}),
  vm: (_scenario, vm) => (isCreatedInRun(vm) ? { absent: true } : {}),
  vcpu: (_scenario, vm, vcpu) => (vcpu < onlineOf(vm) ? {} : { absent: true }),
  actors: (scenario) => (lives(scenario) ? scenario.vms.flatMap(actorsOf) : []),
  machines: ({ host: { options } }) => ({
    kvmVm: kvmVmMachine(options['kvm.eachVcpu']),
    mmuNotifier: notifierMachine,
    kvmFile: fileMachine,
  }),
  patch: (scenario) =>
    lives(scenario)
      ? {
          machines: {
            vcpu: (machine) => mortal<Vcpu>(machine, { renew: newVcpu }),
            vm: (machine) => mortal(machine, { renew: () => NEW_VM }),
          },
        }
      : {},
  mutants: LIFECYCLE_MUTANTS,
};
