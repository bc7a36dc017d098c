/** Where each slot of KVM stands, by name, and who fills it on a host. */
import type { Vendor } from '../../actors/kvm/kvm-run.ts';
import type { Instructions, Keyed, Sequences } from '../../actors/kvm/slots.ts';
import { ownedParts } from '../host/host-code.ts';
import { VENDORS } from '../host/vendors.ts';
import type { ResolvedScenario } from '../scenario/types.ts';

interface Place {
  /** The paths that it stands in, by the names that the vendor gives them. */
  readonly paths: (vendor: Vendor) => readonly string[];
  readonly says: string;
}

const inPath = (path: string, says: string): Place => ({ paths: () => [path], says });
const inEntry = (says: string): Place => ({ paths: ({ enterGuest }) => [enterGuest.name], says });
const inSwitch = (says: string): Place => ({ paths: ({ worldSwitch }) => [worldSwitch.name], says });
const LOADS = ['vcpu_load', 'kvm_sched_in'];
const PUTS = ['vcpu_put', 'kvm_sched_out'];

/** Slots that hold items or messages, several mechanisms in order. */
export const SEQUENCE_PLACES: Readonly<Record<keyof Sequences | keyof Instructions, Place>> = {
  ioctlEntry: inPath('KVM_RUN', 'an ioctl on a vCPU, KVM_RUN as well, before its mutex; items that set `refused` end it'),
  ioctlExit: inPath('KVM_RUN', 'an ioctl on a vCPU, KVM_RUN as well, behind its mutex, before user mode'),
  eachVcpu: {
    paths: ({ flushRemoteTlbs }) => (typeof flushRemoteTlbs === 'string' ? ['kvm_make_all_cpus_request'] : []),
    says: 'before each vCPU that kvm_for_each_vcpu() comes to: which of them there are',
  },
  notifierCall: { paths: () => [], says: 'an MMU notifier, before it does anything; items that set `refused` keep it from it' },
  notifierReturn: { paths: () => [], says: 'an MMU notifier, at its end' },
  ioctlLocked: { paths: () => [], says: 'an ioctl on a vCPU but KVM_RUN, under the mutex; items that set `refused` end it' },
  beforeLoad: inPath('KVM_RUN', 'under the mutex, before R2'),
  beforeRun: inPath('KVM_RUN', 'before the first turn; items that set `notRun` end it without an entry'),
  load: { paths: () => LOADS, says: 'R4 and S5, after kvm_arch_vcpu_load' },
  put: { paths: () => PUTS, says: 'R19 and S2, before kvm_arch_vcpu_put' },
  putting: { paths: () => PUTS, says: 'R19 and S2: messages within the step of kvm_arch_vcpu_put' },
  injection: inEntry('R6, behind the requests'),
  beforeEntry: inEntry('R8, preemption off'),
  cancel: inEntry('R10 has found work'),
  beforeGuest: inEntry('R11, interrupts off from here to `restore`'),
  entry: inSwitch('R12, before the entering instruction; items that set `exit` and leave the path keep the guest out'),
  entering: inSwitch('R12: messages within the entering instruction'),
  leaving: inSwitch('R12: messages within the exit'),
  afterExit: inSwitch('R12, behind the exit'),
  afterGuest: inEntry('R13'),
  restore: inEntry('R14'),
  beforeHandler: inPath('KVM_RUN', 'R17, before the handler of the exit; items that set `returns` keep it from it'),
  leaveToUser: inPath('KVM_RUN', 'what is left for user space, before R19'),
};

/** Slots that hold one handler for each key. */
const KEYED_SAYS: Readonly<Record<keyof Keyed, string>> = {
  exits: 'R17, by exit reason',
  requests: 'R6, by request',
  requestFlags: 'KVM_REQUEST_* flags, by request',
  vcpuIoctls: 'ioctls on a vCPU, by name',
  vmIoctls: 'ioctls on a VM, by name',
  fastpath: 'R12 on x86, by exit reason: handled before R13',
  nae: 'R17 on SVM, VMGEXIT by NAE event',
  exceptions: 'R17 on VMX, exceptions that exit, by vector',
};

/** A slot of one host. */
export interface SlotRow {
  readonly slot: string;
  readonly says: string;
  /** Paths that it stands in; empty for a slot with keys. */
  readonly paths: readonly string[];
  /** Who fills it; of a slot with keys, each with its keys. */
  readonly filledBy: readonly { readonly owner: string; readonly keys: readonly string[] }[];
}

/** All slots of the host of a scenario. */
export function slotsOn(scenario: ResolvedScenario): SlotRow[] {
  const vendor = VENDORS[scenario.host.arch];
  const owned = ownedParts(scenario);
  const filledBy = (slot: string, isKeyed: boolean): SlotRow['filledBy'] =>
    owned.flatMap(({ owner, parts }) => {
      const content = (parts as Readonly<Record<string, object | undefined>>)[slot];
      const keys = isKeyed ? Object.keys(content ?? {}) : [];
      return content === undefined || (isKeyed && keys.length === 0) ? [] : [{ owner, keys }];
    });
  const hasKeyed = (slot: string): boolean =>
    !['fastpath', 'nae', 'exceptions'].includes(slot) || vendor.keyed?.includes(slot as keyof Keyed) === true;
  return [
    ...Object.entries(SEQUENCE_PLACES).map(([slot, { says, paths }]) => ({
      slot,
      says,
      paths: paths(vendor),
      filledBy: filledBy(slot, false),
    })),
    ...Object.entries(KEYED_SAYS)
      .filter(([slot]) => hasKeyed(slot))
      .map(([slot, says]) => ({ slot, says, paths: [], filledBy: filledBy(slot, true) })),
  ];
}

/** Slots that stand in a path of this name and that nothing fills. */
export const emptySlotsIn = (path: string, scenario: ResolvedScenario): string[] =>
  scenario.model === undefined
    ? slotsOn(scenario).flatMap(({ slot, paths, filledBy }) => (paths.includes(path) && filledBy.length === 0 ? [slot] : []))
    : [];
