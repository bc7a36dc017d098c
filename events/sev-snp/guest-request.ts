/**
 * Vocabulary of guest requests: the driver of a guest, which its vCPUs share, and the limit of a
 * host on how often a VM may ask.
 */
import type { Delivery, EventOf } from '../event.ts';
import type { GuestMessage } from './psp.ts';

/** Switches of hosts and of the drivers of their guests; the first value is the default. */
export const GUEST_REQUEST_OPTIONS = {
  /**
   * Who has the certificates that an extended guest request asks for: no one, so that KVM leaves an
   * empty table (6.11 and later); user space, which KVM_EXIT_SNP_REQ_CERTS asks (a patch of 2025);
   * the driver of the PSP (series v5).
   * @see domain snp e.5, SNP-54
   */
  'kvm.guestCerts': ['empty-table', 'user-space', 'in-kernel'],
  /**
   * Whether KVM limits how often a VM may ask the firmware: not at all (series v5 as it was posted,
   * 6.12), or by a ratelimit_state that lets one request through per interval (a patch of 2025).
   * @see domain snp SNP-69
   */
  'kvm.guestRequestLimit': ['none', 'ratelimit'],
  /**
   * What the driver of a guest does about a request that the host has not served. `retried`: it
   * asks again with the same message, also when the host is busy, and wipes its key after any other
   * error (6.3 and later). `reissued`: the same, but for a host that is busy (6.1, 6.2).
   * `returned`: it returns the error, and neither counts the number nor wipes the key (5.19, 6.0).
   * @see domain snp e.5, h R23
   */
  'guest.requestError': ['retried', 'reissued', 'returned'],
} as const;

/** Bits 63:32 of SW_EXITINFO2: SNP_GUEST_VMM_ERR_INVALID_LEN, SNP_GUEST_VMM_ERR_BUSY. */
export type GuestVmmError = 'INVALID_LEN' | 'BUSY';

declare module '../svm.ts' {
  interface NaeInfoOf {
    /** SVM_VMGEXIT_EXT_GUEST_REQUEST; RBX has the pages that there are for certificates. */
    readonly EXT_GUEST_REQUEST: { readonly guestMessage: GuestMessage; readonly rbx: number };
  }
}

/** To what the driver of a guest keeps. */
export type SevGuestEvent = EventOf<{
  /** snp_cmd_mutex; the vCPU that is refused asks again. */
  'sevGuest.lock': object;
  'sevGuest.unlock': object;
  'sevGuest.key?': object;
  /** The sealed request is copied to the page that the host reads. */
  'sevGuest.request': { message: GuestMessage };
  /** The counter in the secrets page goes up by 2. */
  'sevGuest.count': object;
  /** The key is wiped; the number that went with the error is counted. */
  'sevGuest.wipe': object;
}>;
export type SevGuestAnswer = EventOf<{
  'sevGuest.locked': { granted: boolean };
  /** Whether the key is wiped, and the counter in the secrets page. */
  'sevGuest.key': { wiped: boolean; counter: number };
}>;

/** To the ratelimit_state that KVM has for a VM. */
export type RateLimitEvent = EventOf<{
  /** `over`: the interval is over, and the next one begins. */
  'ratelimit.pass?': { over: boolean };
}>;
export type RateLimitAnswer = EventOf<{ 'ratelimit.pass': { letThrough: boolean } }>;

declare module '../index.ts' {
  interface GuestEventsOf {
    sevGuest: SevGuestAnswer;
  }
  interface ThreadEventsOf {
    rateLimit: RateLimitAnswer;
  }
}

type Every = SevGuestEvent | SevGuestAnswer | RateLimitEvent | RateLimitAnswer;

export const GUEST_REQUEST_EVENTS = {
  'sevGuest.lock': 'bus',
  'sevGuest.unlock': 'bus',
  'sevGuest.key?': 'bus',
  'sevGuest.request': 'bus',
  'sevGuest.count': 'bus',
  'sevGuest.wipe': 'bus',
  'sevGuest.locked': 'bus',
  'sevGuest.key': 'bus',
  'ratelimit.pass?': 'bus',
  'ratelimit.pass': 'bus',
} as const satisfies Record<Every['type'], Delivery>;
