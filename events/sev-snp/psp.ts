/** Vocabulary of the PSP's mailbox, and of the driver that uses it. */
import type { ActorId, Delivery, EventOf } from '../event.ts';

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
/** Firmware commands by the names of the SEV and the SEV-SNP firmware ABI. */
export type PspCommand =
  | 'SNP_INIT_EX'
  | 'SNP_SHUTDOWN_EX'
  | 'SNP_PLATFORM_STATUS'
  | 'SNP_PAGE_RECLAIM'
  | 'SNP_DF_FLUSH'
  | 'SNP_GUEST_REQUEST'
  | PspGuestCommand;

/** Status codes a command can end with. @see domain snp f.4 */
export const PSP_STATUS = {
  SUCCESS: 0x00,
  INVALID_PLATFORM_STATE: 0x01,
  INVALID_GUEST_STATE: 0x02,
  BAD_MEASUREMENT: 0x0b,
  WBINVD_REQUIRED: 0x0e,
  HWERROR_PLATFORM: 0x13,
  INVALID_PAGE_STATE: 0x1a,
} as const;
export type PspStatus = keyof typeof PSP_STATUS;

/** Command ids as shipped in mainline. @see domain snp f.3 */
export const PSP_COMMAND_IDS = {
  SNP_INIT_EX: 0x085,
  SNP_SHUTDOWN_EX: 0x086,
  SNP_PLATFORM_STATUS: 0x083,
  SNP_DF_FLUSH: 0x084,
  SNP_GUEST_REQUEST: 0x094,
  SNP_PAGE_RECLAIM: 0x0c7,
  LAUNCH_START: 0x030,
  LAUNCH_UPDATE_DATA: 0x031,
  LAUNCH_UPDATE_VMSA: 0x032,
  LAUNCH_MEASURE: 0x033,
  LAUNCH_FINISH: 0x035,
  SNP_LAUNCH_START: 0x0a0,
  SNP_LAUNCH_UPDATE: 0x0a1,
  SNP_LAUNCH_FINISH: 0x0a2,
} as const satisfies Record<PspCommand, number>;

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
  'psp.command': { command: PspCommand; pfn: number; guest?: PspGuest; message?: GuestMessage };
  /** The driver reads the command register. */
  'psp.status?': object;
  /** The host reads the page with the response of the VM's last SNP_GUEST_REQUEST. */
  'psp.response?': { vm: string };
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
}>;
export type PspAnswer = EventOf<{
  'psp.status': { status: PspStatus; platform: 'UNINIT' | 'INIT' };
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
  /** From psp_irq_handler(). */
  'psp.interrupt': object;
}>;
type SevDeviceAnswer = EventOf<{ 'sev.rcvd': { rcvd: boolean } }>;

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
  'psp.response?': 'bus',
  'psp.response': 'bus',
  'psp.interrupted?': 'bus',
  'psp.interrupted': 'bus',
  'psp-error': 'offer',
  'psp-interrupt': 'offer',
  'irq.psp': 'latched',
  'sev.expect': 'bus',
  'sev.leak': 'bus',
  'sev.rcvd?': 'bus',
  'sev.rcvd': 'bus',
  'psp.interrupt': 'bus',
  'psp.guestCommand': 'bus',
  'psp.guestDone': 'bus',
} as const satisfies Record<
  (PspEvent | PspGuestEvent | PspGuestAnswer | PspAnswer | PspInterrupted | PspInterrupt | SevDeviceEvent | SevDeviceAnswer)['type'],
  Delivery
>;
