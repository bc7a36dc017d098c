/** The commands of the SEV-SNP firmware: their ids, their arguments, and what the PSP keeps. */

/** Ids as shipped in mainline. @see kernel include/linux/psp-sev.h; domain snp f.3 */
export const SNP_COMMAND_IDS = {
  SNP_INIT: 0x081,
  SNP_SHUTDOWN: 0x082,
  SNP_PLATFORM_STATUS: 0x083,
  SNP_DF_FLUSH: 0x084,
  SNP_INIT_EX: 0x085,
  SNP_SHUTDOWN_EX: 0x086,
  SNP_DECOMMISSION: 0x090,
  SNP_ACTIVATE: 0x091,
  SNP_GUEST_STATUS: 0x092,
  SNP_GCTX_CREATE: 0x093,
  SNP_GUEST_REQUEST: 0x094,
  SNP_ACTIVATE_EX: 0x095,
  SNP_LAUNCH_START: 0x0a0,
  SNP_LAUNCH_UPDATE: 0x0a1,
  SNP_LAUNCH_FINISH: 0x0a2,
  SNP_DBG_DECRYPT: 0x0b0,
  SNP_DBG_ENCRYPT: 0x0b1,
  SNP_PAGE_SWAP_OUT: 0x0c0,
  SNP_PAGE_SWAP_IN: 0x0c1,
  SNP_PAGE_MOVE: 0x0c2,
  SNP_PAGE_MD_INIT: 0x0c3,
  SNP_PAGE_SET_STATE: 0x0c6,
  SNP_PAGE_RECLAIM: 0x0c7,
  SNP_PAGE_UNSMASH: 0x0c8,
  SNP_CONFIG: 0x0c9,
  SNP_DOWNLOAD_FIRMWARE_EX: 0x0ca,
  SNP_COMMIT: 0x0cb,
  SNP_VLEK_LOAD: 0x0cd,
  SNP_FEATURE_INFO: 0x0ce,
} as const;
export type SnpCommand = keyof typeof SNP_COMMAND_IDS;
export const SNP_COMMANDS = Object.keys(SNP_COMMAND_IDS) as readonly SnpCommand[];

export type PlatformState = 'UNINIT' | 'INIT';
export const GUEST_STATES = ['INIT', 'LAUNCH', 'RUNNING'] as const;
export type SnpGuestState = (typeof GUEST_STATES)[number];

/** What a guest context holds. @see domain snp f.3, f.5 */
export interface SnpGuest {
  readonly state: SnpGuestState;
  /** Null: not activated. */
  readonly asid: number | null;
  /** Guest policy. @see domain snp f.8 */
  readonly policy: number;
  /** The launch digest so far, in hex. */
  readonly digest: string;
}

/** SNP_CONFIG, and what PLATFORM_STATUS tells of it. */
export interface SnpConfig {
  /** 64 bits: "0x" and 16 digits. */
  readonly reportedTcb: string;
  readonly maskChipId: boolean;
  readonly maskChipKey: boolean;
}

/** What the firmware keeps beside the platform state. */
export interface SnpFirmware {
  /** Guest contexts by the PFN of the context page. */
  readonly guests: Readonly<Record<number, SnpGuest>>;
  /** ASIDs that a guest had and that no SNP_DF_FLUSH has made free since, sorted. */
  readonly unflushed: readonly number[];
  /** No SNP_DF_FLUSH since SNP_INIT: that of every ASID is to come. */
  readonly flushNeeded?: true | undefined;
  /** CPUs that have not executed WBINVD since SNP_INIT or the last deactivation, sorted. */
  readonly wbinvdNeeded: readonly number[];
  /** Absent until SNP_CONFIG sets it. */
  readonly config?: SnpConfig;
}

/** A page of SNP_LAUNCH_UPDATE, without its place. */
export interface SnpLaunchPage {
  readonly type: 'normal' | 'vmsa' | 'zero' | 'unmeasured' | 'secrets' | 'cpuid';
  /** Of the contents, in hex; where they count. */
  readonly sha384?: string;
  /** The CPUID page has a leaf that the firmware does not accept. */
  readonly refused?: true;
  readonly pageSize?: '2M';
}

/** The ID block of SNP_LAUNCH_FINISH, as its bytes say. @see domain snp f.7 */
export interface SnpIdBlock {
  /** In hex. */
  readonly digest: string;
  readonly policy: number;
  /** Whether the signatures of its authentication information hold. */
  readonly signed: boolean;
}

/** The command buffer: only what the command takes. */
export interface SnpArguments {
  /** PFN of the guest context page. */
  readonly context?: number;
  /** PFN of the page that the command works on, or of the buffer that it writes. */
  readonly page?: number;
  /** Of SNP_PAGE_UNSMASH: PFNs of the frames that the run has of the 2 MiB, if it has all alike. */
  readonly frames?: readonly number[];
  readonly asid?: number;
  readonly policy?: number;
  readonly launch?: SnpLaunchPage;
  readonly idBlock?: SnpIdBlock;
  readonly config?: SnpConfig;
}

/** The structure that SNP_PLATFORM_STATUS writes. @see domain snp f.3 */
export interface SnpPlatformStatus extends SnpConfig {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
  /** 0: UNINIT. 1: INIT. */
  readonly state: 0 | 1;
  readonly rmpInitialized: boolean;
  readonly guestCount: number;
  readonly tcb: string;
}
/** The structure that SNP_GUEST_STATUS writes. */
export interface SnpGuestStatus {
  readonly state: SnpGuestState;
  readonly asid: number;
  readonly policy: number;
}
export type SnpOutput = SnpPlatformStatus | SnpGuestStatus;

/** What a program says of a command, beside its name and its page. */
export interface SnpCommandFields {
  readonly context?: number;
  readonly asid?: number;
  readonly policy?: number;
  readonly type?: 'zero' | 'unmeasured' | 'secrets';
  readonly reportedTcb?: string;
  readonly maskChipId?: boolean;
  readonly maskChipKey?: boolean;
}
