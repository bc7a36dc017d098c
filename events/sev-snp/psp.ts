/** Vocabulary of the PSP's mailbox. */
import type { ActorId, Delivery, EventOf } from '../event.ts';

/** Firmware commands by the name of the SEV-SNP firmware ABI. */
export type PspCommand = 'SNP_INIT_EX' | 'SNP_SHUTDOWN_EX' | 'SNP_PLATFORM_STATUS' | 'SNP_PAGE_RECLAIM' | 'SNP_DF_FLUSH';

/** Status codes a command can end with. @see domain snp f.4 */
export const PSP_STATUS = {
  SUCCESS: 0x00,
  INVALID_PLATFORM_STATE: 0x01,
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
  SNP_PAGE_RECLAIM: 0x0c7,
} as const satisfies Record<PspCommand, number>;

export type PspEvent = EventOf<{
  /** Offer: firmware runs one micro-step of the command it holds. */
  exec: object;
  /** The command register is written; the answer is a completion interrupt. */
  'psp.command': { command: PspCommand; pfn: number };
  /** The driver reads the status register. */
  'psp.status?': object;
  /**
   * Offer: the command in flight ends with a hardware error; only where the scenario allows
   * `psp-error`.
   */
  'psp-error': object;
}>;
export type PspAnswer = EventOf<{ 'psp.status': { done: boolean; status: PspStatus; platform: 'UNINIT' | 'INIT' } }>;

/** The completion interrupt, to a CPU: a command is done. */
type PspInterrupt = EventOf<{ 'irq.psp': { waiter: ActorId } }>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    psp: PspAnswer;
  }
}

export const PSP_EVENTS = {
  exec: 'offer',
  'psp.command': 'queued',
  'psp.status?': 'bus',
  'psp.status': 'bus',
  'psp-error': 'offer',
  'irq.psp': 'queued',
} as const satisfies Record<(PspEvent | PspAnswer | PspInterrupt)['type'], Delivery>;
