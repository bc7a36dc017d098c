/**
 * Vocabulary of VMs, vCPUs and devices that come into being in a run and go again: the design
 * switches, operations, and what threads ask of struct kvm and of the MMU notifier.
 */
import type { ActorId, Delivery, EventOf } from '../event.ts';

/** Every switch with its values; the first is the default: what the newest kernel does. */
export const LIFECYCLE_OPTIONS = {
  /**
   * How a new vCPU is shown. `under-mutex`: it is put into vcpu_array, and vcpu->mutex is held from
   * before its descriptor until online_vcpus counts it. `xa-store`: its descriptor is installed
   * first. `xa-insert`: vcpu_array first, without the mutex.
   * @see kernel commits 6e2b2358b3ef, afb2acb2e3a3
   */
  'kvm.vcpuOnline': ['under-mutex', 'xa-store', 'xa-insert'],
  /**
   * Whether kvm_for_each_vcpu() finds nothing where no vCPU is online, or walks a range that ends
   * at online_vcpus - 1: with none online, all of vcpu_array.
   * @see kernel commit 0664dc74e9d0
   */
  'kvm.eachVcpu': ['online', 'range'],
  /**
   * Whether a new device has its reference to struct kvm before its descriptor is installed.
   * @see kernel commit cfa39381173d; CVE-2019-6974
   */
  'kvm.deviceReference': ['before-fd', 'behind-fd'],
} as const satisfies Readonly<Record<string, readonly [string, ...string[]]>>;

/** The design of a host as its paths read it. */
export type LifecycleDesign = { readonly [K in keyof typeof LIFECYCLE_OPTIONS]: (typeof LIFECYCLE_OPTIONS)[K][number] };
declare module '../options.ts' {
  interface MechanismOptions extends LifecycleDesign {}
  interface VmSettings {
    /** The VM is not there when the run begins: KVM_CREATE_VM creates it. */
    readonly createdInRun: true;
    /** vCPUs that are there when the run begins, from the first on; the others are created. */
    readonly onlineVcpus: number;
    /** How many devices KVM_CREATE_DEVICE can create. */
    readonly deviceSlots: number;
  }
}

/** What the mechanism lets threads do. */
export type LifecycleOp =
  | { readonly op: 'KVM_CREATE_DEVICE'; readonly vm: string; readonly device: number }
  | { readonly op: 'close'; readonly vm: string }
  | { readonly op: 'close'; readonly vm: string; readonly vcpu: number }
  | { readonly op: 'close'; readonly vm: string; readonly device: number };
declare module '../program.ts' {
  interface HostOpsOf {
    lifecycle: LifecycleOp;
  }
}

/** Messages to struct kvm, `kvmvm:VM`. */
export type KvmVmEvent = EventOf<{
  /** kvm_create_vm(); refused while the slot of the VM is taken. */
  'kvm.create': object;
  /** kvm_get_kvm(), kvm_put_kvm() and kvm_put_kvm_no_destroy(). */
  'kvm.get': object;
  'kvm.put': object;
  'kvm.putNoDestroy': object;
  /** created_vcpus, up and down. */
  'kvm.countVcpu': object;
  'kvm.uncountVcpu': object;
  /** kvm_arch_vcpu_create() of the vCPU `id`; refused where there is one with this number. */
  'kvm.makeVcpu': { vcpu: number; id: ActorId };
  /** The same taken back: kvm_arch_vcpu_destroy(). */
  'kvm.unmakeVcpu': { vcpu: number; id: ActorId };
  /** xa_insert() and xa_store() at online_vcpus, xa_erase(). */
  'kvm.insertVcpu': { vcpu: number };
  'kvm.eraseVcpu': { vcpu: number };
  /** atomic_inc(&kvm->online_vcpus). */
  'kvm.putOnline': object;
  /** xa_find() of kvm_for_each_vcpu(), from a place of vcpu_array on. */
  'kvm.nextVcpu?': { at: number };
}>;
type KvmVmAnswer = EventOf<{
  'kvm.created': { done: boolean };
  'kvm.dropped': { last: boolean };
  'kvm.madeVcpu': { done: boolean };
  'kvm.nextVcpu': { at: number; vcpu: number | null };
}>;

/** Messages to the MMU notifier of a VM, `mn:VM`: it stands in the list of its process. */
export type NotifierEvent = EventOf<{
  'mn.register': object;
  /** An invalidation walks the list: the notifier is called, if it is registered. */
  'mn.enter': object;
  'mn.leave': object;
  /** mmu_notifier_unregister(): it is off the list; those that were called return. */
  'mn.unregister': object;
}>;
type NotifierAnswer = EventOf<{ 'mn.entered': { registered: boolean }; 'mn.unregistered': { done: boolean } }>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    lifecycle: KvmVmAnswer | NotifierAnswer;
  }
}

export const LIFECYCLE_EVENTS = {
  'kvm.create': 'bus',
  'kvm.created': 'bus',
  'kvm.get': 'bus',
  'kvm.put': 'bus',
  'kvm.putNoDestroy': 'bus',
  'kvm.dropped': 'bus',
  'kvm.countVcpu': 'bus',
  'kvm.uncountVcpu': 'bus',
  'kvm.makeVcpu': 'bus',
  'kvm.madeVcpu': 'bus',
  'kvm.unmakeVcpu': 'bus',
  'kvm.insertVcpu': 'bus',
  'kvm.eraseVcpu': 'bus',
  'kvm.putOnline': 'bus',
  'kvm.nextVcpu?': 'bus',
  'kvm.nextVcpu': 'bus',
  'mn.register': 'bus',
  'mn.enter': 'bus',
  'mn.entered': 'bus',
  'mn.leave': 'bus',
  'mn.unregister': 'bus',
  'mn.unregistered': 'bus',
} as const satisfies Record<(KvmVmEvent | KvmVmAnswer | NotifierEvent | NotifierAnswer)['type'], Delivery>;
