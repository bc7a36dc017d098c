/**
 * A monitor: an actor of the search's own that follows the world, so that a property can ask what
 * has happened before. Its state is part of the explored state.
 */
import type { ActorId } from '../../events/event.ts';
import type { ActorView, WorldView } from '../view.ts';

/** A choice as a monitor sees it: who acted, and the offer or the message that it took. @public */
export interface MonitorStep {
  readonly actor: ActorId;
  readonly event: { readonly type: string; readonly [key: string]: unknown };
}

/**
 * What a monitor follows: the whole world, each actor of a kind, or each ordered pair of two
 * different actors of two kinds.
 */
export type Follows = { readonly each: string } | { readonly pair: readonly [string, string] } | null;

/** What a property brings for its monitors. */
export interface Monitor {
  readonly follows: Follows;
  /** The state before the first look: plain data. */
  readonly start: unknown;
  /** The state after a look; `step` is null at the start of a run. */
  readonly next: (state: never, world: WorldView, who: readonly ActorView<never>[], step: MonitorStep | null) => unknown;
  /** Evidence in a state; `who` are the ids of the actors that are followed. */
  readonly says: (state: never, who: readonly ActorId[]) => string | null;
  /** Whether `next` looks at the step. */
  readonly seesStep: boolean;
  /** Kinds of actors that it looks at besides those that it follows. */
  readonly looksAt: readonly string[];
}

/** One monitor among the actors of a run. */
export interface Following {
  readonly property: string;
  readonly monitor: Monitor;
  readonly who: readonly ActorId[];
}

/** What a monitor remembers, as its actor has it. */
export interface MonitorContext {
  readonly who: readonly ActorId[];
  readonly state: unknown;
}

/** The kinds of actors that each of a property's monitors follows. */
export const followedKinds = (follows: Follows): readonly string[] =>
  follows === null ? [] : 'each' in follows ? [follows.each] : follows.pair;

/** The kind of a property's monitors. */
export const monitorKind = (property: string): string => `monitor ${property}`;

const PARTS: Readonly<Record<keyof Monitor, (value: unknown) => boolean>> = {
  follows: (value) => typeof value === 'object',
  start: (value) => value !== undefined,
  next: (value) => typeof value === 'function',
  says: (value) => typeof value === 'function',
  seesStep: (value) => typeof value === 'boolean',
  looksAt: (value) => Array.isArray(value),
};

/** Whether something has the shape of a monitor. */
export const isMonitor = (value: unknown): value is Monitor =>
  typeof value === 'object' &&
  value !== null &&
  Object.entries(PARTS).every(([key, fits]) => fits((value as Readonly<Record<string, unknown>>)[key]));
