/** Vocabulary of KVM's ASID bitmaps. */
import type { Delivery, EventOf } from '../event.ts';

/** What is asked of sev_asid_bitmap and sev_reclaim_asid_bitmap; their mutex is another actor. */
export type AsidEvent = EventOf<{
  /** find_next_zero_bit(), __set_bit(). */
  'asid.find': object;
  /** Whether there is anything to reclaim. */
  'asid.reclaimable?': object;
  /** bitmap_xor(), bitmap_zero(): what was to be reclaimed is free. */
  'asid.recycle': object;
  /** sev_asid_free(). */
  'asid.free': { asid: number };
}>;
export type AsidAnswer = EventOf<{
  'asid.found': { asid: number | null };
  'asid.reclaimable': { any: boolean };
}>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    asids: AsidAnswer;
  }
}

export const ASID_EVENTS = {
  'asid.find': 'bus',
  'asid.found': 'bus',
  'asid.reclaimable?': 'bus',
  'asid.reclaimable': 'bus',
  'asid.recycle': 'bus',
  'asid.free': 'bus',
} as const satisfies Record<(AsidEvent | AsidAnswer)['type'], Delivery>;
