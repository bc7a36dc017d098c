/**
 * Guest debugging on x86 hosts: the debug registers of CPUs and guests, #DB and #BP, and
 * KVM_SET_GUEST_DEBUG, on SVM and VMX. docs/mechanisms/guest-debug.md explains it.
 */

import { cpuDebugRegistersMachine, drOf } from '../../../actors/guest-debug/cpu-debug-registers.ts';
import { debugKvm } from '../../../actors/guest-debug/debug-kvm.ts';
import { accountOfStart } from '../../../actors/guest-debug/guest-account.ts';
import { kdbOf, vcpuDebugMachine } from '../../../actors/guest-debug/vcpu-debug.ts';
import { vcpuDebugDesign } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import { x86GuestParts } from '../../../actors/guest-debug/x86-guest.ts';
import { KVM_DEBUG_EVENTS } from '../../../events/guest-debug/kvm-debug.ts';
import { CPU_DEBUG_EVENTS } from '../../../events/guest-debug/x86-debug.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { guestsDebugThemselves, isPlain } from './checks.ts';
import { GUEST_DEBUG_GUEST_OPERATIONS } from './operations.ts';
import { guestDebugProperties } from './properties.ts';

const vendorOf = ({ host }: ResolvedScenario): 'svm' | 'vmx' => (host.arch === 'amd' ? 'svm' : 'vmx');

/** Whether some program debugs: a host without it is as it was. */
const debugs = ({ vms, processes }: ResolvedScenario): boolean =>
  vms.some(({ vcpus }) => vcpus.some(({ ops }) => ops.some(({ op }) => Object.hasOwn(GUEST_DEBUG_GUEST_OPERATIONS, op)))) ||
  processes.some(({ threads }) => threads.some(({ program }) => program.ops.some(({ op }) => op === 'KVM_SET_GUEST_DEBUG')));

/** What debuggers in user space ask for. */
const requestsOf = ({ processes }: ResolvedScenario) =>
  processes.flatMap(({ threads }) =>
    threads.flatMap(({ program }) => program.ops.flatMap((op) => (op.op === 'KVM_SET_GUEST_DEBUG' ? [op] : []))),
  );

const debuggerOf = (scenario: ResolvedScenario): 'knows' | 'does-not' | null => {
  const requests = requestsOf(scenario);
  if (requests.length === 0) return null;
  return requests.every(({ known }) => known !== false) ? 'knows' : 'does-not';
};

/** Whether user space injects exceptions, of its own or of the guest's. */
const injects = (scenario: ResolvedScenario): boolean =>
  debuggerOf(scenario) === 'does-not' || requestsOf(scenario).some((op) => 'injectDb' in op || 'injectBp' in op);

/** The debug registers of each CPU, and KVM's half of each vCPU. */
const actors = (scenario: ResolvedScenario): readonly ActorSpec[] =>
  debugs(scenario)
    ? [
        ...Array.from({ length: scenario.host.cpus }, (_, cpu) => ({ id: drOf(`pcpu:${cpu}`), kind: 'cpuDebugRegisters', input: null })),
        ...scenario.vms.flatMap((vm) =>
          vm.vcpus.map((_, vcpu) => ({ id: kdbOf(`vcpu:${vm.id}/${vcpu}`), kind: 'vcpuDebug', input: null })),
        ),
      ]
    : [];

export const guestDebug: Mechanism = {
  name: 'guest-debug',
  arches: ['amd', 'intel'],
  guestOperations: GUEST_DEBUG_GUEST_OPERATIONS,
  properties: guestDebugProperties,
  structureChecks: guestsDebugThemselves,
  debuggable: isPlain,
  catalogue: { ...CPU_DEBUG_EVENTS, ...KVM_DEBUG_EVENTS },
  kvm: (scenario) => (debugs(scenario) ? debugKvm(vendorOf(scenario), debuggerOf(scenario)) : {}),
  guest: (scenario) => (debugs(scenario) ? x86GuestParts(vendorOf(scenario), injects(scenario)) : {}),
  actors,
  perCpu: ['cpuDebugRegisters'],
  machines: (scenario): ReturnType<NonNullable<Mechanism['machines']>> =>
    debugs(scenario)
      ? {
          cpuDebugRegisters: cpuDebugRegistersMachine(vendorOf(scenario)),
          vcpuDebug: vcpuDebugMachine(vcpuDebugDesign(vendorOf(scenario), scenario.host.kernel)),
        }
      : {},
  vcpu: (scenario, vm, vcpu) => (debugs(scenario) ? { debug: accountOfStart(kdbOf(`vcpu:${vm.id}/${vcpu}`)) } : {}),
};
