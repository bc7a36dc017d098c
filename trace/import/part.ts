/** What those who follow a recording go by, and what is known of each vCPU's thread. */
import type { TraceEvent } from '../event.ts';
import type { Exit } from './exits.ts';
import type { Act, Need } from './need.ts';
import type { Places } from './places.ts';
import type { Troupe } from './troupe.ts';
import type { World } from './world.ts';

/** What is known of a vCPU's thread. */
export interface Turn {
  /** Number of the first of its exits that was not told. */
  readonly next: number;
  /** The exit of its present turn was told. */
  readonly isTold: boolean;
  /** It has lost its CPU between its exit and the line that tells the exit. */
  readonly isLate: boolean;
  /** It has told where it is. */
  readonly isAligned: boolean;
}
export type Turns = readonly Turn[];

export interface Part {
  readonly world: World;
  readonly troupe: Troupe;
  readonly places: Places;
  readonly exits: readonly (readonly Exit[])[];
  readonly needs: readonly Need[];
  readonly has: ReadonlySet<TraceEvent['type']>;
}

/** The acts of some types. */
export type Of<T extends Act['type']> = Extract<Act, { readonly type: T }>;
