/**
 * Vocabulary of what the host and its firmware keep of SEV-SNP as a whole: registers of each CPU,
 * the RMP as a table, the state of the firmware.
 */
import type { ActorId, Delivery, EventOf } from '../event.ts';
import type { PspStatus } from './psp.ts';

/** Firmware commands of bring-up and shutdown, each one step. */
export type PlatformCommand = 'SNP_INIT_EX' | 'SNP_DF_FLUSH' | 'SNP_SHUTDOWN_EX' | 'SNP_DECOMMISSION' | 'SNP_GCTX_CREATE';

/** What the kernel reads before it enables anything. */
export interface PlatformInfo {
  /** amd_iommu_snp_en: the IOMMU enforces what the RMP says. */
  readonly iommu: boolean;
  /** Whether the table has an entry for each frame of RAM. */
  readonly covers: boolean;
  /** The parameter sev_snp of kvm_amd. */
  readonly param: boolean;
  /** Minor version of the firmware, whose major one is 1. */
  readonly minor: number;
  /** SYSCFG.SNP_EN of the CPU that asks. */
  readonly enabled: boolean;
  /** CC_ATTR_HOST_SEV_SNP. */
  readonly capable: boolean;
  readonly initialized: boolean;
  /** The IOMMU enforces the RMP: firmware has not shut that down. */
  readonly enforced: boolean;
}

export type PlatformEvent = EventOf<{
  /** WRMSR of SYSCFG: MtrrFixDramModEn, or SecureNestedPagingEn together with VMPLEn. */
  'platform.syscfg': { cpu: ActorId; set: 'mfdm' | 'snp' };
  /** WRMSR of VM_HSAVE_PA: 0. */
  'platform.hsave': { cpu: ActorId };
  'platform.wbinvd': { cpu: ActorId };
  /** A CPU fills the RMP with zeros, which stay in its caches. */
  'platform.zero': { cpu: ActorId };
  /** cc_platform_clear(): the kernel does without SNP. */
  'platform.incapable': object;
  'platform?': { cpu: ActorId };
  /**
   * `x86`: SNP_SHUTDOWN_EX is to end the checks of the CPUs too. `list`: PFNs that SNP_INIT_EX is
   * to make HV-Fixed.
   */
  'platform.command': { command: PlatformCommand; x86?: true; list?: readonly number[] };
  /** The trusted memory region has been allocated: its frames from this one on. */
  'platform.tmr': { pfn: number; frames: number };
  /** KVM_CREATE_VM has made an SNP VM, whose context the firmware has. */
  'platform.vmCreated': object;
  /** Another kernel has taken over, on this CPU. */
  'platform.kexec': { cpu: ActorId };
  /** How its boot has ended. */
  'platform.booted': { hung: boolean };
}>;

export type PlatformAnswer = EventOf<{
  'platform.info': { info: PlatformInfo };
  'platform.done': { status: PspStatus };
}>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    platform: PlatformAnswer;
  }
}

export const PLATFORM_EVENTS = {
  'platform.syscfg': 'bus',
  'platform.hsave': 'bus',
  'platform.wbinvd': 'bus',
  'platform.zero': 'bus',
  'platform.incapable': 'bus',
  'platform?': 'bus',
  'platform.info': 'bus',
  'platform.command': 'bus',
  'platform.done': 'bus',
  'platform.tmr': 'bus',
  'platform.vmCreated': 'bus',
  'platform.kexec': 'bus',
  'platform.booted': 'bus',
} as const satisfies Record<(PlatformEvent | PlatformAnswer)['type'], Delivery>;
