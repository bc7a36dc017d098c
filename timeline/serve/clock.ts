/**
 * The one clock of the server: heartbeats, pauses and patience ask it, and tests bring their own.
 */

/** What tells the server that time has passed. @public */
export interface Clock {
  /** Calls back once after `ms` milliseconds. Returns a function that cancels the call. */
  after(ms: number, then: () => void): () => void;
}

export const systemClock: Clock = {
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
