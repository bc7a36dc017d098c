/**
 * The state that records lead to, in ids of the file: no text is read until a caller asks for it.
 */
import { CHANGE, DELIVER, SEND } from '../sim/records.ts';
import type { FlightEntry, StateInIds } from './block-encoder.ts';
import type { Block } from './codec.ts';
import { UndecodableError } from './errors.ts';
import { IN_FLIGHT_MAX } from './limits.ts';

export class StateTracker implements StateInIds {
  vtime = 0;
  laneA = 0;
  laneB = 0;
  readonly locals: number[];
  readonly #inFlight = new Map<number, FlightEntry>();

  /** Starts before the first record, or where a checkpoint stands. */
  constructor(actors: number, from?: StateInIds) {
    this.locals = from ? [...from.locals] : Array.from({ length: actors }, () => -1);
    for (const entry of from?.inFlight ?? []) this.#inFlight.set(entry.seq, entry);
  }

  get inFlight(): readonly FlightEntry[] {
    return [...this.#inFlight.values()];
  }

  /**
   * Applies the first `steps` steps of a block, which must follow what was applied before.
   * @throws UndecodableError if more messages are in flight than a reader takes
   */
  apply(block: Block, steps: number): void {
    const { firstSeq, kind, slot, id, peer, back } = block;
    const records = block.stepStart[steps]!;
    for (let at = 0; at < records; at++) {
      const seq = firstSeq + at;
      if (kind[at] === CHANGE) this.locals[slot[at]!] = id[at]!;
      else if (kind[at] === DELIVER) this.#inFlight.delete(seq - back[at]!);
      else if (kind[at] === SEND) {
        this.#inFlight.set(seq, { seq, from: slot[at]!, to: peer[at]!, event: id[at]! });
        if (this.#inFlight.size > IN_FLIGHT_MAX)
          throw new UndecodableError(`after record ${seq}, more than ${IN_FLIGHT_MAX} messages are in flight`);
      }
    }
    this.vtime = block.vtime[steps]!;
    this.laneA = block.laneA[steps - 1]!;
    this.laneB = block.laneB[steps - 1]!;
  }
}
