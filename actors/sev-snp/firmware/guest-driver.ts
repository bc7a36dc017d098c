/**
 * What a guest's driver keeps between two messages, and its rules: numbers, refusal at the limit,
 * and when it forgets its key.
 *
 * The counter in the secrets page has 32 bits and is even: a request has the next number, and its
 * response the one after it. A message that was once given to the host is sent again as it is, or
 * its key is never used again: another payload under the same number would use a nonce twice.
 *
 * @see kernel drivers/virt/coco/sev-guest/sev-guest.c, handle_guest_request(),
 * snp_get_msg_seqno(), verify_and_dec_payload(), snp_disable_vmpck(); domain snp f.10
 */
import { HEADER_BYTES, headerOf, type MessageHeader, openMessage, PAYLOAD_BYTES_MAX, sealMessage } from './guest-message.ts';
import { FirmwareFormatError } from './layout.ts';

/** UINT_MAX: no request has this number, or a larger one. */
const SEQUENCE_LIMIT = 0xffffffff;

export interface GuestDriver {
  /** Null once it was wiped. */
  readonly key: Uint8Array | null;
  /** Which VMPCK the key is. */
  readonly vmpck: number;
  /** The counter in the OS area of the secrets page. */
  readonly stored: number;
}

/** A message that the host has been given, and its driver has to finish. */
export interface Request {
  readonly header: MessageHeader;
  readonly message: Uint8Array;
}

/** Why a driver sends nothing. */
export type Refusal = 'no key' | 'no number left';

/** The next request of a driver. The driver stays as it is until `finish`. */
export function begin({ key, vmpck, stored }: GuestDriver, type: number, version: number, payload: Uint8Array): Request | Refusal {
  if (key === null) return 'no key';
  const sequence = stored + 1;
  if (sequence >= SEQUENCE_LIMIT) return 'no number left';
  const header = { sequence: BigInt(sequence), type, version, vmpck };
  return { header, message: sealMessage(header, payload, key) };
}

/**
 * What came back: a response, an error of the host or of the firmware, or that the buffer for
 * certificates is too small, upon which the driver asks again without one.
 */
export type Reply = { readonly is: 'response'; readonly message: Uint8Array } | { readonly is: 'error' } | { readonly is: 'short-buffer' };

/** What a driver does next. */
export type Finished =
  | { readonly is: 'answered'; readonly driver: GuestDriver; readonly payload: Uint8Array }
  /** The very same message, as a plain guest request. */
  | { readonly is: 'again'; readonly driver: GuestDriver; readonly message: Uint8Array }
  | { readonly is: 'wiped'; readonly driver: GuestDriver; readonly why: string };

/**
 * Takes the reply to a request.
 * @param room the bytes that the driver has for the payload
 */
export function finish(driver: GuestDriver, request: Request, reply: Reply, room = PAYLOAD_BYTES_MAX): Finished {
  if (reply.is === 'short-buffer') return { is: 'again', driver, message: request.message };
  // Counted before the response is looked at: if it is bad, the key goes, and the number with it.
  const counted = { ...driver, stored: driver.stored + 2 };
  const wiped = (why: string): Finished => ({ is: 'wiped', driver: { ...counted, key: null }, why });
  if (reply.is === 'error') return wiped('the request failed');
  const opened = payloadIn(driver, request, reply.message, room);
  return typeof opened === 'string' ? wiped(opened) : { is: 'answered', driver: counted, payload: opened };
}

/** The payload of a response; what is wrong with it, in words. */
function payloadIn({ key, vmpck }: GuestDriver, { header }: Request, message: Uint8Array, room: number): Uint8Array | string {
  if (key === null) return 'the key is gone';
  try {
    const { sequence, type, version } = headerOf(message);
    if (sequence !== header.sequence + 1n) return `the response has number ${sequence}; expected ${header.sequence + 1n}`;
    if (type !== header.type + 1) return `the response has type ${type}; expected ${header.type + 1}`;
    if (version !== header.version) return `the response has version ${version}; expected ${header.version}`;
    if (message.length - HEADER_BYTES > room) return `the response has ${message.length - HEADER_BYTES} bytes; there is room for ${room}`;
    return openMessage(message, key) ?? `the response is not sealed with VMPCK${vmpck}`;
  } catch (error) {
    if (error instanceof FirmwareFormatError) return error.message;
    throw error;
  }
}
