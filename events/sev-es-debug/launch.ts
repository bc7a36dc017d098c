/**
 * Vocabulary of a launch in the run: the design switches, the state of a VM and of its vCPUs before
 * and behind the encryption of their registers, and what threads ask of both.
 */
import type { ActorId, Delivery, EventOf } from '../event.ts';

/**
 * Every switch with its allowed values; the first is the default: what the newest kernel does. That
 * is mainline with 624bf3440d72 and cb923ee6a80f.
 */
export const SEV_LAUNCH_OPTIONS = {
  /**
   * How KVM keeps a debugger off encrypted registers. `reject-launch`: the ioctl is refused once
   * they are protected, and LAUNCH_UPDATE_VMSA while a debugger is there (V5). `allow-debug-op`: a
   * vendor's hook refuses from the start (V1); `check-protected`: the ioctl's check alone (V2);
   * `protected-from-start`: guest_state_protected is set at creation (V3); `sanitize`:
   * LAUNCH_UPDATE_VMSA ends debugging (V4).
   * @see domain debug-and-split-lock B.4
   */
  'sev.guestDebug': ['reject-launch', 'allow-debug-op', 'check-protected', 'protected-from-start', 'sanitize'],
  /** By which flag __set_sregs() knows that it may not store; `protected-from-start` has both. */
  'sev.sregsKey': ['vmsa-encrypted', 'guest-state-protected'],
  /** The guest's FPU state: confidential once it is encrypted, or none from the start (VMSA-10). */
  'sev.guestFpu': ['confidential-at-launch', 'not-allocated'],
  /** Mutexes of vCPUs that LAUNCH_UPDATE_VMSA takes: all, or one behind the other. */
  'sev.launchLock': ['lock-all', 'one-by-one', 'none'],
  /** The same of SNP_LAUNCH_FINISH. @see kernel commit cb923ee6a80f; CVE-2026-31591 */
  'sev.snpFinishLock': ['lock-all', 'one-by-one', 'none'],
  /** Whether each vCPU is checked right before its encryption, or all before the first one's. */
  'sev.launchCheck': ['each-vcpu', 'all-first'],
  /** Whether the sync refuses a VMSA that is encrypted already. */
  'sev.syncCheck': ['protected', 'unchecked'],
  /** What a launch does while a vCPU is being created. @see kernel commit 624bf3440d72 */
  'sev.creationCheck': ['busy', 'unchecked'],
  /** When LBR virtualization is switched on. */
  'sev.lbrvOrder': ['after-protected', 'before-protected', 'at-reset'],
  /** Which VM types KVM_CREATE_VM knows beside the default. */
  'sev.vmTypes': ['explicit', 'legacy'],
  /** Who asks for DebugSwap: user space for each VM, or KVM for all, as 6.6 did. */
  'sev.vmsaFeatures': ['as-asked', 'all-supported'],
  /**
   * Where sev_features is written: at the sync alone, or in sev_es_init_vmcb() as well; there the
   * intra-host move finds the pointer to the VMSA null, or the encrypted VMSA of the source.
   */
  'sev.featuresWrite': ['sync', 'init-vmcb', 'init-vmcb-transferred'],
  /** When an intra-host move copies vmsa_features: before it sets up the VMCBs, or behind. */
  'sev.moveFeatures': ['before-vmcb', 'after-vmcb'],
  /** Whether an intra-host move switches LBR virtualization on for the destination. */
  'sev.moveLbrv': ['left', 'switched-on'],
} as const;

type Values = { readonly [K in keyof typeof SEV_LAUNCH_OPTIONS]: (typeof SEV_LAUNCH_OPTIONS)[K][number] };
declare module '../options.ts' {
  interface MechanismOptions extends Values {}
  interface VmSettings {
    /** False: the VM does not exist when the run begins; threads create and launch it. */
    readonly launched: boolean;
  }
}

/** The design of a host as the rules read it. */
export type LaunchDesign = Values;

/** KVM_X86_DEFAULT_VM, KVM_X86_SEV_ES_VM, KVM_X86_SNP_VM. Without a VMSA there is no launch. */
export const KVM_VM_TYPES = ['default', 'sev-es', 'snp'] as const;
export type KvmVmType = (typeof KVM_VM_TYPES)[number];

/** What an ioctl fails with. */
export const LAUNCH_ERRNOS = ['EBADF', 'EBUSY', 'EEXIST', 'EINVAL', 'EIO', 'ENOTTY', 'EPERM', 'ETIMEDOUT'] as const;
export type LaunchErrno = (typeof LAUNCH_ERRNOS)[number];
export const IOCTL_RESULTS = ['ok', ...LAUNCH_ERRNOS] as const;
export type IoctlResult = (typeof IOCTL_RESULTS)[number];

/** Ioctls on registers of a vCPU. KVM_SET_DEBUGCTL is KVM_SET_MSRS of one MSR. */
export const REGISTER_IOCTLS = [
  'KVM_SET_REGS',
  'KVM_SET_SREGS',
  'KVM_GET_XCRS',
  'KVM_SET_FPU',
  'KVM_SET_XSAVE',
  'KVM_SET_DEBUGCTL',
] as const;
export type RegisterIoctl = (typeof REGISTER_IOCTLS)[number];

/** Registers of a vCPU by the ioctl that writes them; one value stands for all of them. */
export interface LaunchRegisters {
  readonly gprs: number;
  readonly sregs: number;
  readonly fpu: number;
}

/** A VMSA: what the sync has put there. */
export interface VmsaContent extends LaunchRegisters {
  /** SEV_FEATURES. */
  readonly features: number;
}

/** KVM_SEV_INIT2, and what it replaces. */
export type InitIoctl = 'KVM_SEV_INIT2' | 'KVM_SEV_ES_INIT';

/** What the launch measurement covers, in the order in which it was added. */
export type Measured = { readonly vcpu: null } | ({ readonly vcpu: number } & VmsaContent);

/** A guest as the firmware knows it by its handle. */
export interface FirmwareGuest {
  readonly state: 'LUPDATE' | 'LSECRET' | 'RUNNING';
  readonly measured: readonly Measured[];
}

/** What threads read of a VM. */
export interface SevVmFacts {
  readonly vmType: KvmVmType;
  /** sev_guest(), and sev_es_guest() with it: SEV VMs without a VMSA are left out. */
  readonly active: boolean;
  /** need_init: a VM that says an encrypted type has not been through KVM_SEV_INIT2. */
  readonly needsInit: boolean;
  readonly features: number;
  /** vCPUs that are online, in the order of vcpu_array, and how many have been begun. */
  readonly online: readonly number[];
  readonly created: number;
  /** sev->fd: LAUNCH_START has left the descriptor of /dev/sev; SNP: there is a guest context. */
  readonly started: boolean;
}

/** struct kvm_sev_info, as an intra-host move takes it over: without the descriptor of /dev/sev. */
export interface MovedContext {
  /** Null: they are copied later. */
  readonly features: number | null;
  readonly asked: number;
  readonly firmware: FirmwareGuest | null;
}

/** Messages to a VM, `sev:VM`. */
export type SevVmEvent = EventOf<{
  'sev.create': { vmType: KvmVmType };
  'sev.fd?': object;
  'sev.facts?': object;
  /** kvm_vm_ioctl_create_vcpu(): its two sections under kvm->lock, and the way back. */
  'sev.countVcpu': object;
  'sev.putOnline': { vcpu: number; id: ActorId };
  'sev.uncountVcpu': object;
  'sev.init': { ioctl: InitIoctl; features: number };
  /** LAUNCH_START is done: sev->handle, sev->fd. */
  'sev.bind': object;
  /** The VMSAs of the vCPUs that were online are encrypted; or the launch has stopped before. */
  'sev.vmsasDone': { failed: boolean };
  /** migration_in_progress. */
  'sev.beginMove': object;
  'sev.endMove': object;
  /** sev_migrate_from(): the source gives its fields away, and the destination takes them. */
  'sev.give': { to: ActorId; features: boolean };
  'sev.take': MovedContext;
  'sev.setFeatures': { features: number };
}>;

/** Messages to a vCPU, `esv:VM/N`. */
export type EsVcpuEvent = EventOf<{
  'esv.fd?': object;
  /** kvm_arch_vcpu_create(). */
  'esv.create': { vmType: KvmVmType; es: boolean; features: number };
  'esv.putOnline': object;
  'esv.registers': { ioctl: RegisterIoctl; value: number };
  /** KVM_SET_GUEST_DEBUG. */
  'esv.debug?': object;
  /** The checks of LAUNCH_UPDATE_VMSA; `dr7` is that of the VMCB. */
  'esv.check?': { guestDebug: boolean; dr7: boolean };
  /** sev_es_sync_vmsa(): the VMCB's save area first, the other registers behind it. */
  'esv.syncSave': object;
  'esv.syncRegisters': { features: number };
  /** SNP: rmp_make_private() of the VMSA. */
  'esv.toFirmware': object;
  /** guest_state_protected := true; svm_enable_lbrv(). `last`: the launch of this vCPU is over. */
  'esv.protect': { last: boolean };
  'esv.enableLbrv': { last: boolean };
  /** The launch of this vCPU has failed; SNP: snp_page_reclaim(). */
  'esv.failLaunch': object;
  'esv.protected?': object;
  /** sev_es_init_vmcb() for the destination of a move. `last`: the move of this vCPU is over. */
  'esv.initVmcb': { features: number; last: boolean };
  /** The VMSA goes from the source to the destination. */
  'esv.give': { to: ActorId; last: boolean };
  'esv.take': { vmsa: VmsaContent | null; guest: ActorId | null; encrypted: boolean; last: boolean };
  /** VMRUN on this CPU, of the page that vmsa_pa names. */
  'esv.enter?': { cpu: ActorId };
}>;

/** What a host thread hears. */
export type LaunchThreadEvent = EventOf<{
  'sev.fd': { errno: LaunchErrno | null };
  'sev.done': { errno: LaunchErrno | null };
  'sev.facts': SevVmFacts;
  'esv.fd': { errno: LaunchErrno | null };
  'esv.done': { errno: LaunchErrno | null };
  'esv.checked': { errno: LaunchErrno | null; sanitizes: boolean };
  'esv.protected': { guestProtected: boolean };
  /** `guest`: the vCPU that walks through the program whose registers the VMSA has. */
  'esv.entered': { runs: boolean; debugSwap: boolean; guest: ActorId | null };
}>;

/** Inside the firmware: the page that LAUNCH_UPDATE_VMSA and SNP_LAUNCH_UPDATE encrypt. */
export type FirmwareEvent = EventOf<{
  'esv.encrypt': object;
  'esv.encrypted': { vcpu: number; content: VmsaContent };
}>;

/** All of them are bus messages: fields of struct kvm, kvm_vcpu and kvm_sev_info, and the page. */
export const SEV_LAUNCH_EVENTS = {
  'sev.create': 'bus',
  'sev.fd?': 'bus',
  'sev.fd': 'bus',
  'sev.done': 'bus',
  'sev.facts?': 'bus',
  'sev.facts': 'bus',
  'sev.countVcpu': 'bus',
  'sev.putOnline': 'bus',
  'sev.uncountVcpu': 'bus',
  'sev.init': 'bus',
  'sev.bind': 'bus',
  'sev.vmsasDone': 'bus',
  'sev.beginMove': 'bus',
  'sev.endMove': 'bus',
  'sev.give': 'bus',
  'sev.take': 'bus',
  'sev.setFeatures': 'bus',
  'esv.fd?': 'bus',
  'esv.fd': 'bus',
  'esv.done': 'bus',
  'esv.create': 'bus',
  'esv.putOnline': 'bus',
  'esv.registers': 'bus',
  'esv.debug?': 'bus',
  'esv.check?': 'bus',
  'esv.checked': 'bus',
  'esv.syncSave': 'bus',
  'esv.syncRegisters': 'bus',
  'esv.toFirmware': 'bus',
  'esv.protect': 'bus',
  'esv.enableLbrv': 'bus',
  'esv.failLaunch': 'bus',
  'esv.protected?': 'bus',
  'esv.protected': 'bus',
  'esv.initVmcb': 'bus',
  'esv.give': 'bus',
  'esv.take': 'bus',
  'esv.enter?': 'bus',
  'esv.entered': 'bus',
  'esv.encrypt': 'bus',
  'esv.encrypted': 'bus',
} as const satisfies Record<(SevVmEvent | EsVcpuEvent | LaunchThreadEvent | FirmwareEvent)['type'], Delivery>;

/** What every ioctl of a launch may say: which result its caller expects. */
interface Expecting {
  readonly returns?: IoctlResult | undefined;
}
type OfVm = { readonly vm: string } & Expecting;
type OfVcpu = { readonly vm: string; readonly vcpu: number } & Expecting;

/** Ioctls on a VM with no arguments of their own. */
export type LaunchIoctl =
  | 'KVM_SEV_ES_INIT'
  | 'KVM_SEV_LAUNCH_START'
  | 'KVM_SEV_LAUNCH_UPDATE_DATA'
  | 'KVM_SEV_LAUNCH_UPDATE_VMSA'
  | 'KVM_SEV_LAUNCH_MEASURE'
  | 'KVM_SEV_LAUNCH_FINISH'
  | 'KVM_SEV_SNP_LAUNCH_START'
  | 'KVM_SEV_SNP_LAUNCH_FINISH';

declare module '../program.ts' {
  interface HostOpsOf {
    'sev-es-launch':
      | ({ readonly op: 'KVM_SEV_INIT2'; readonly features?: number | undefined } & OfVm)
      | ({ readonly op: LaunchIoctl } & OfVm)
      | ({ readonly op: 'KVM_SEV_SNP_LAUNCH_UPDATE'; readonly gfn: number; readonly pages?: number | undefined } & OfVm)
      | ({ readonly op: RegisterIoctl; readonly value?: number | undefined } & OfVcpu)
      | ({ readonly op: 'KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM'; readonly from: string } & OfVm);
  }
}

declare module '../index.ts' {
  interface ThreadEventsOf {
    'sev-es-launch': LaunchThreadEvent | Extract<FirmwareEvent, { readonly type: 'esv.encrypted' }>;
  }
}
