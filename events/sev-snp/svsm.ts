/** Vocabulary between vCPUs in an SVSM and its lock around PVALIDATE and CREATE_VCPU. */
import type { Delivery, EventOf } from '../event.ts';

export type SvsmEvent = EventOf<{
  /** A lock of readers and a writer; the vCPU that is refused spins. */
  'svsm.lock': { write: boolean };
  'svsm.unlock': object;
}>;
export type SvsmAnswer = EventOf<{ 'svsm.locked': { granted: boolean } }>;

declare module '../index.ts' {
  interface GuestEventsOf {
    svsm: SvsmAnswer;
  }
}

export const SVSM_EVENTS = {
  'svsm.lock': 'bus',
  'svsm.unlock': 'bus',
  'svsm.locked': 'bus',
} as const satisfies Record<(SvsmEvent | SvsmAnswer)['type'], Delivery>;
