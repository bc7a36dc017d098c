/** Vocabulary of the GHCB: what the host writes there for a vCPU. */
import type { Delivery, EventOf } from '../event.ts';
import type { GuestMessage } from './psp.ts';

export type GhcbEvent = EventOf<{
  /**
   * SW_EXITINFO2: the result of the exit that the guest has asked for; `response` is what the host
   * has put into the page of a guest request's response.
   */
  'ghcb.result': { ok: boolean; response?: GuestMessage };
}>;

declare module '../index.ts' {
  interface GuestEventsOf {
    ghcb: GhcbEvent;
  }
}

export const GHCB_EVENTS = { 'ghcb.result': 'bus' } as const satisfies Record<GhcbEvent['type'], Delivery>;
