/**
 * Guest debugging on x86 hosts: the debug registers of CPUs and guests, #DB and #BP, and
 * KVM_SET_GUEST_DEBUG, on SVM and VMX. docs/mechanisms/guest-debug.md explains it.
 */

import { cpuDebugRegistersMachine, drOf } from '../../../actors/guest-debug/cpu-debug-registers.ts';
import { debugKvm } from '../../../actors/guest-debug/debug-kvm.ts';
import { accountOfStart } from '../../../actors/guest-debug/guest-account.ts';
import { hbpOf, hostBreakpointsDesign, hostBreakpointsMachine } from '../../../actors/guest-debug/host-breakpoints.ts';
import { hostBreakpointOperations } from '../../../actors/guest-debug/perf-breakpoint.ts';
import { kdbOf, vcpuDebugMachine } from '../../../actors/guest-debug/vcpu-debug.ts';
import { x86GuestParts } from '../../../actors/guest-debug/x86-guest.ts';
import type { ActorId } from '../../../events/event.ts';
import { GUEST_DEBUG_OPTIONS } from '../../../events/guest-debug/guest-debug.ts';
import { HOST_BREAKPOINT_EVENTS } from '../../../events/guest-debug/host-breakpoints.ts';
import { KVM_DEBUG_EVENTS } from '../../../events/guest-debug/kvm-debug.ts';
import { CPU_DEBUG_EVENTS } from '../../../events/guest-debug/x86-debug.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { featureChecks, notDebugged, notOnIntel, notWatched } from './checks.ts';
import { designOf, vendorOf } from './design.ts';
import type { EncryptedGuests } from './encrypted.ts';
import { HOST_BREAKPOINT_MUTANTS } from './host-mutants.ts';
import { hostBreakpointProperties } from './host-properties.ts';
import { GUEST_DEBUG_MUTANTS } from './mutants.ts';
import { GUEST_DEBUG_GUEST_OPERATIONS, GUEST_DEBUG_HOST_OPERATIONS } from './operations.ts';
import { guestDebugProperties } from './properties.ts';

const cpusOf = ({ host }: ResolvedScenario): readonly ActorId[] => Array.from({ length: host.cpus }, (_, cpu) => `pcpu:${cpu}`);

/** A feature of CPUs: CPUID Fn8000_0021 EAX bit 0. */
export const NO_NESTED_DATA_BP = 'no-nested-data-bp';
/** Another, of Intel, that KVM uses: VM-execution control bit 31, KVM_CAP_X86_NOTIFY_VMEXIT. */
const NOTIFY_VMEXIT = 'notify-vmexit';

const notifies = ({ host: { features } }: ResolvedScenario): boolean => features.includes(NOTIFY_VMEXIT);

/** Whether a thread of the host uses breakpoints of the host. */
export const armsHost = ({ processes }: ResolvedScenario): boolean =>
  processes.some(({ threads }) =>
    threads.some(({ program }) => program.ops.some(({ op }) => Object.hasOwn(GUEST_DEBUG_HOST_OPERATIONS, op))),
  );

/** Whether some program debugs: a host without it is as it was. */
export const debugs = (scenario: ResolvedScenario): boolean =>
  scenario.vms.some(({ vcpus }) => vcpus.some(({ ops }) => ops.some(({ op }) => Object.hasOwn(GUEST_DEBUG_GUEST_OPERATIONS, op)))) ||
  requestsOf(scenario).length > 0 ||
  armsHost(scenario);

/** What debuggers in user space ask for. */
const requestsOf = ({ processes }: ResolvedScenario) =>
  processes.flatMap(({ threads }) =>
    threads.flatMap(({ program }) => program.ops.flatMap((op) => (op.op === 'KVM_SET_GUEST_DEBUG' ? [op] : []))),
  );

/** By vCPU: one request that does not know is enough. */
const debuggersOf = (scenario: ResolvedScenario): ReadonlyMap<ActorId, boolean> => {
  const idOf = ({ vm, vcpu }: { readonly vm: string; readonly vcpu: number }): ActorId => `vcpu:${vm}/${vcpu}`;
  const requests = requestsOf(scenario);
  const unknown = new Set(requests.filter(({ known }) => known === false).map(idOf));
  return new Map(requests.map((request) => [idOf(request), !unknown.has(idOf(request))]));
};

/** Whether user space injects exceptions, of its own or of the guest's. */
const injects = (scenario: ResolvedScenario): boolean =>
  requestsOf(scenario).some(({ known, injectDb, injectBp }) => known === false || injectDb !== undefined || injectBp !== undefined);

/** The debug registers of each CPU, KVM's half of each vCPU, and the host's breakpoints. */
const actors = (scenario: ResolvedScenario, encrypted: EncryptedGuests): readonly ActorSpec[] =>
  debugs(scenario)
    ? [
        ...cpusOf(scenario).map((cpu) => ({ id: drOf(cpu), kind: 'cpuDebugRegisters', input: null })),
        ...scenario.vms
          .filter((vm) => !encrypted.has(vm.type))
          .flatMap((vm) => vm.vcpus.map((_, vcpu) => ({ id: kdbOf(`vcpu:${vm.id}/${vcpu}`), kind: 'vcpuDebug', input: null }))),
        ...(armsHost(scenario) ? cpusOf(scenario).map((cpu) => ({ id: hbpOf(cpu), kind: 'hostBreakpoints', input: { cpu } })) : []),
      ]
    : [];

/** The mechanism, beside one that brings guests with encrypted registers. */
export const guestDebug = (encrypted: EncryptedGuests): Mechanism => ({
  name: 'guest-debug',
  arches: ['amd', 'intel'],
  options: GUEST_DEBUG_OPTIONS,
  features: [NO_NESTED_DATA_BP, NOTIFY_VMEXIT],
  guestOperations: GUEST_DEBUG_GUEST_OPERATIONS,
  hostOperations: GUEST_DEBUG_HOST_OPERATIONS,
  properties: [...guestDebugProperties, ...hostBreakpointProperties],
  checks: featureChecks,
  structureChecks: (structure) => [...notDebugged(structure, encrypted), ...notWatched(structure), ...notOnIntel(structure)],
  catalogue: { ...CPU_DEBUG_EVENTS, ...KVM_DEBUG_EVENTS, ...HOST_BREAKPOINT_EVENTS },
  host: (scenario) => (armsHost(scenario) ? { operations: hostBreakpointOperations(scenario.host.cpus) } : {}),
  kvm: (scenario) =>
    debugs(scenario)
      ? debugKvm({
          design: designOf(scenario),
          debuggers: debuggersOf(scenario),
          hostArms: armsHost(scenario),
        })
      : {},
  guest: (scenario) =>
    debugs(scenario) ? x86GuestParts({ vendor: vendorOf(scenario), injects: injects(scenario), notifies: notifies(scenario) }) : {},
  actors: (scenario) => actors(scenario, encrypted),
  perCpu: ['cpuDebugRegisters', 'hostBreakpoints'],
  machines: (scenario): ReturnType<NonNullable<Mechanism['machines']>> =>
    debugs(scenario)
      ? {
          cpuDebugRegisters: cpuDebugRegistersMachine({
            vendor: vendorOf(scenario),
            noNestedDataBp: scenario.host.features.includes(NO_NESTED_DATA_BP),
            notifies: notifies(scenario),
          }),
          vcpuDebug: vcpuDebugMachine(designOf(scenario)),
          ...(armsHost(scenario) && { hostBreakpoints: hostBreakpointsMachine(hostBreakpointsDesign(scenario.host.kernel)) }),
        }
      : {},
  mutants: { ...GUEST_DEBUG_MUTANTS, ...HOST_BREAKPOINT_MUTANTS },
  vcpu: (scenario, vm, vcpu) => (debugs(scenario) ? { debug: accountOfStart(kdbOf(`vcpu:${vm.id}/${vcpu}`), designOf(scenario).de) } : {}),
});
