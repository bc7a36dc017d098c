/** Vocabulary between host threads and the page allocator, as far as private pages come from it. */
import type { Delivery, EventOf } from '../event.ts';

export type FramesEvent = EventOf<{
  'frames.alloc?': object;
  /** The frame could not be made private, and its guest does without. */
  'frames.refused': { vm: string; pfn: number };
}>;
/** Null: no frame is free. */
export type FramesAnswer = EventOf<{ 'frames.alloc': { pfn: number | null } }>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    frames: FramesAnswer;
  }
}

export const FRAMES_EVENTS = {
  'frames.alloc?': 'bus',
  'frames.alloc': 'bus',
  'frames.refused': 'bus',
} as const satisfies Record<(FramesEvent | FramesAnswer)['type'], Delivery>;
