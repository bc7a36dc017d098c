/** Vocabulary of the PSP's mailbox, and of the driver that uses it. */
import type { ActorId, Delivery, EventOf } from '../event.ts';
import { type PlatformState, SNP_COMMAND_IDS, type SnpArguments, type SnpCommand, type SnpOutput } from './snp-command.ts';

/** Firmware commands that have to do with a guest, whose handle or context they name. */
export type PspGuestCommand =
  | 'LAUNCH_START'
  | 'LAUNCH_UPDATE_DATA'
  | 'LAUNCH_UPDATE_VMSA'
  | 'LAUNCH_MEASURE'
  | 'LAUNCH_FINISH'
  | 'SNP_LAUNCH_START'
  | 'SNP_LAUNCH_UPDATE'
  | 'SNP_LAUNCH_FINISH';
/** Commands of the older ABI about the platform, and the buffers that the firmware writes. */
export const LEGACY_BUFFERS = { PLATFORM_STATUS: [], GET_ID: ['buffer'], PDH_CERT_EXPORT: ['buffer', 'chain'] } as const;
export type LegacyCommand = keyof typeof LEGACY_BUFFERS;
/** Firmware commands by the names of the SEV and the SEV-SNP firmware ABI. */
export type PspCommand = SnpCommand | PspGuestCommand | LegacyCommand;

/** Status codes a command can end with. @see domain snp f.4 */
export const PSP_STATUS = {
  SUCCESS: 0x00,
  INVALID_PLATFORM_STATE: 0x01,
  INVALID_GUEST_STATE: 0x02,
  INVALID_CONFIG: 0x03,
  INVALID_LEN: 0x04,
  ALREADY_OWNED: 0x05,
  INVALID_CERTIFICATE: 0x06,
  POLICY_FAILURE: 0x07,
  INACTIVE: 0x08,
  INVALID_ADDRESS: 0x09,
  BAD_SIGNATURE: 0x0a,
  BAD_MEASUREMENT: 0x0b,
  ASID_OWNED: 0x0c,
  INVALID_ASID: 0x0d,
  WBINVD_REQUIRED: 0x0e,
  DFFLUSH_REQUIRED: 0x0f,
  INVALID_GUEST: 0x10,
  INVALID_COMMAND: 0x11,
  ACTIVE: 0x12,
  HWERROR_PLATFORM: 0x13,
  HWERROR_UNSAFE: 0x14,
  UNSUPPORTED: 0x15,
  INVALID_PARAM: 0x16,
  RESOURCE_LIMIT: 0x17,
  SECURE_DATA_INVALID: 0x18,
  INVALID_PAGE_SIZE: 0x19,
  INVALID_PAGE_STATE: 0x1a,
  INVALID_MDATA_ENTRY: 0x1b,
  INVALID_PAGE_OWNER: 0x1c,
  AEAD_OFLOW: 0x1d,
  RB_MODE_EXITED: 0x1f,
  RMP_INIT_REQUIRED: 0x20,
  BAD_SVN: 0x21,
  BAD_VERSION: 0x22,
  SHUTDOWN_REQUIRED: 0x23,
  UPDATE_FAILED: 0x24,
  RESTORE_REQUIRED: 0x25,
  RMP_INIT_FAILED: 0x26,
  INVALID_KEY: 0x27,
} as const;
export type PspStatus = keyof typeof PSP_STATUS;

/** Command ids of the older ABI, which SNP firmware takes too. */
const SEV_COMMAND_IDS = {
  PLATFORM_STATUS: 0x004,
  PDH_CERT_EXPORT: 0x008,
  GET_ID: 0x00c,
  LAUNCH_START: 0x030,
  LAUNCH_UPDATE_DATA: 0x031,
  LAUNCH_UPDATE_VMSA: 0x032,
  LAUNCH_MEASURE: 0x033,
  LAUNCH_FINISH: 0x035,
} as const;
/** Command ids as shipped in mainline. @see domain snp f.3 */
export const PSP_COMMAND_IDS = { ...SNP_COMMAND_IDS, ...SEV_COMMAND_IDS } as const satisfies Record<PspCommand, number>;

/** What a command has ended with, as its thread keeps it. */
export interface FirmwareTold {
  readonly command: PspCommand;
  readonly status: PspStatus;
  readonly output: SnpOutput | null;
}

/**
 * A message between a guest and the firmware, a request for a report or the response to it. The
 * host carries it and looks at nothing but its place. What it stands for in bytes, attest makes.
 */
export interface GuestMessage {
  readonly vm: string;
  /** The number that is its nonce. */
  readonly sequence: number;
  /** The token that stands for REPORT_DATA. */
  readonly data: number;
  readonly vmpl: number;
}

/** The guest of a command: who keeps its state, and the page of it that the command encrypts. */
export interface PspGuest {
  readonly id: ActorId;
  readonly page: ActorId | null;
}

/** To who keeps the state of a guest, which answers with psp.guestDone. */
export type PspGuestEvent = EventOf<{ 'psp.guestCommand': { command: PspGuestCommand; page: ActorId | null } }>;
export type PspGuestAnswer = EventOf<{ 'psp.guestDone': { status: PspStatus } }>;

export type PspEvent = EventOf<{
  /** Offer: firmware runs one micro-step of the command it holds. */
  exec: object;
  /**
   * The command register is written, without the response bit; the answer is a completion
   * interrupt.
   */
  'psp.command': {
    command: PspCommand;
    pfn: number;
    guest?: PspGuest;
    message?: GuestMessage;
    args?: SnpArguments;
    /** Without SEV_CMDRESP_IOC: no interrupt is asked for, and the driver polls. */
    polled?: true;
    /** Of the older ABI: the command buffer and other pages that the firmware is to write. */
    pages?: readonly number[];
    /** SNP_SHUTDOWN_EX is to end the checks of the CPUs too. */
    x86?: true;
  };
  /** The driver reads the command register. */
  'psp.status?': object;
  /** The driver reads it in a loop, while interrupts are off. */
  'psp.poll?': object;
  /** The host reads the page with the response of the VM's last SNP_GUEST_REQUEST. */
  'psp.response?': { vm: string };
  /** The driver reads what the last command of the SNP firmware has written. */
  'psp.output?': object;
  /** WBINVD on a CPU: the indicator of this CPU that SNP_DF_FLUSH looks at. */
  'psp.wbinvd': { cpu: number };
  /** The handler reads the interrupt status, clears it, and reads the command register. */
  'psp.interrupted?': object;
  /**
   * Offer: the command in flight ends with a hardware error; only where the scenario allows
   * `psp-error`.
   */
  'psp-error': object;
  /**
   * Offer: the PSP interrupts while the command in flight is not done; only where the scenario
   * allows `psp-interrupt`.
   */
  'psp-interrupt': object;
  /** Offer: the command in flight never ends; only where the scenario allows `psp-stuck`. */
  'psp-stuck': object;
  /**
   * Offer: the command in flight ends, and takes longer than the driver waits; only where the
   * scenario allows `psp-slow`.
   */
  'psp-slow': object;
}>;
export type PspAnswer = EventOf<{
  'psp.status': { status: PspStatus; platform: PlatformState };
  /** The response bit, and the status where there is one. `outlasts`: the loop gives up first. */
  'psp.polled': { response: boolean; status: PspStatus; outlasts: boolean };
  /** Null where the command writes nothing, or has failed. */
  'psp.output': { status: PspStatus; output: SnpOutput | null };
  /** Null before the first. */
  'psp.response': { response: GuestMessage | null };
}>;
/** SEV_CMD_COMPLETE of the interrupt status, PSP_CMDRESP_RESP of the command register. */
export type PspInterrupted = EventOf<{ 'psp.interrupted': { complete: boolean; response: boolean } }>;

/** The completion interrupt, to a CPU. */
type PspInterrupt = EventOf<{ 'irq.psp': object }>;

/** To the driver's struct sev_device. */
export type SevDeviceEvent = EventOf<{
  /** sev->int_rcvd = 0. */
  'sev.expect': object;
  /** The thread queues itself on sev->int_queue, and looks at sev->int_rcvd. */
  'sev.rcvd?': object;
  /** snp_leak_pages(): the page is never used again. */
  'sev.leak': { pfn: number };
  /** psp_dead = true, after the time-out of this command. */
  'sev.die': { command: PspCommand };
  /** A command buffer for a command with data: the primary one, else the backup. */
  'sev.claim': object;
  /** cmd_buf_backup_active, or else cmd_buf_active, is cleared. */
  'sev.release': object;
  /** Whether psp_dead is set. */
  'sev.dead?': object;
  /**
   * The command in flight takes longer than the driver waits: without a clock, this is how the
   * timer of the wait knows.
   */
  'sev.outlasts': object;
  /** Offer: the timer of wait_event_timeout() expires; only where the command outlasts it. */
  'psp-timeout': object;
  /** From psp_irq_handler(). */
  'psp.interrupt': object;
}>;
type SevDeviceAnswer = EventOf<{
  /** `expired`: the timer of the wait has. */
  'sev.rcvd': { rcvd: boolean; expired?: true };
  'sev.dead': { dead: boolean };
  /** PFN of the buffer; null if both are in use. */
  'sev.claimed': { pfn: number | null };
}>;

declare module '../svm.ts' {
  interface NaeInfoOf {
    /** SVM_VMGEXIT_GUEST_REQUEST; the page of the request has this message. */
    readonly GUEST_REQUEST: { readonly guestMessage: GuestMessage };
  }
}

declare module '../index.ts' {
  interface ThreadEventsOf {
    psp: PspAnswer | SevDeviceAnswer;
  }
}

export const PSP_EVENTS = {
  exec: 'offer',
  'psp.command': 'bus',
  'psp.status?': 'bus',
  'psp.status': 'bus',
  'psp.poll?': 'bus',
  'psp.polled': 'bus',
  'psp.output?': 'bus',
  'psp.output': 'bus',
  'psp.wbinvd': 'bus',
  'psp.response?': 'bus',
  'psp.response': 'bus',
  'psp.interrupted?': 'bus',
  'psp.interrupted': 'bus',
  'psp-error': 'offer',
  'psp-interrupt': 'offer',
  'psp-stuck': 'offer',
  'psp-slow': 'offer',
  'psp-timeout': 'offer',
  'irq.psp': 'latched',
  'sev.expect': 'bus',
  'sev.leak': 'bus',
  'sev.die': 'bus',
  'sev.dead?': 'bus',
  'sev.dead': 'bus',
  'sev.outlasts': 'bus',
  'sev.claim': 'bus',
  'sev.claimed': 'bus',
  'sev.release': 'bus',
  'sev.rcvd?': 'bus',
  'sev.rcvd': 'bus',
  'psp.interrupt': 'bus',
  'psp.guestCommand': 'bus',
  'psp.guestDone': 'bus',
} as const satisfies Record<
  (PspEvent | PspGuestEvent | PspGuestAnswer | PspAnswer | PspInterrupted | PspInterrupt | SevDeviceEvent | SevDeviceAnswer)['type'],
  Delivery
>;
