/**
 * States on their way to their owner, where several searches share one space: each owns the states
 * whose digest falls to it, and writes down for the others what it finds of theirs. Numbers in a
 * box are the sender's; a dictionary goes with it.
 */

import { SizeError } from './state-space.ts';

/** Integers before the first state of a box: how many are used, and columns of a state. */
export const BOX_HEAD = 2;
/** Integers before the row of a state: its lane and the flags of the step that led there. */
export const ENTRY_HEAD = 2;

/**
 * Which of several searches owns a state. Other bits of the lane choose its place in the table, or
 * most places would stay empty.
 */
export const ownerOf = (lane: number, peers: number): number => (Math.imul(lane, 0x9e3779b1) >>> 16) % peers;

/** What a search has found for each of the others since they last took it. */
export class Exchange {
  readonly me: number;
  readonly peers: number;
  /** By receiver; the search's own is never used. */
  boxes: readonly Int32Array[];
  /** Integers in use by receiver, the head among them. */
  readonly used: Int32Array;
  /**
   * Steps from the start to the states that are being expanded: those below `levelEnd`. Later ones
   * are a step further.
   */
  depth = 0;
  levelEnd = 0;

  constructor(me: number, boxes: readonly Int32Array[]) {
    this.me = me;
    this.peers = boxes.length;
    this.boxes = boxes;
    this.used = new Int32Array(boxes.length).fill(BOX_HEAD);
  }

  depthOf(state: number): number {
    return state < this.levelEnd ? this.depth : this.depth + 1;
  }

  get isEmpty(): boolean {
    return this.used.every((used) => used === BOX_HEAD);
  }

  /** Integers that the fullest box may use before a state with so many successors may not fit. */
  roomFor(successors: number, columns: number): number {
    return (this.boxes[this.me === 0 ? 1 : 0]?.length ?? 0) - successors * (columns + ENTRY_HEAD);
  }

  /** @throws SizeError if the successors of one state may not fit where boxes are empty */
  mustHold(successors: number, columns: number): void {
    if (this.peers === 1 || this.roomFor(successors, columns) > BOX_HEAD) return;
    throw new SizeError(
      `a state may have ${successors} successors, more than workers hand to each other at once; expected fewer CPUs or threads, or a search without --workers`,
    );
  }

  /** Writes the heads, so that others can read. @returns states in all boxes */
  seal(columns: number): number {
    let states = 0;
    for (const [to, box] of this.boxes.entries()) {
      if (to === this.me) continue;
      box[0] = this.used[to]!;
      box[1] = columns;
      states += (this.used[to]! - BOX_HEAD) / (columns + ENTRY_HEAD);
    }
    return states;
  }

  /** Starts over with other boxes: the ones before are being read. */
  turn(boxes: readonly Int32Array[]): void {
    this.boxes = boxes;
    this.used.fill(BOX_HEAD);
  }
}

/** A search that shares its space with no other. */
export const ALONE = new Exchange(0, [new Int32Array(0)]);
