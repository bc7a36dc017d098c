/**
 * The memory of whole steps: a tree over exactly the columns that a step read, in reading order,
 * whose leaf says what it wrote. It is a cache: it may be dropped at any time and fills again from
 * the memory of reactions, without XState.
 *
 * `prog` holds everything. Alternatives of a value: `[n, child x n, event x n]`. Inner node:
 * `[column, child by value]`. Leaf: `[-1 - writes, laneA delta, laneB delta, flags, deliveries,
 * (column, value) x writes, sends, (column, message) x sends]`.
 */
import type { StepTrace, WorldStep } from './world-step.ts';

/** The step changes nothing. */
export const UNCHANGED = 1;
/** A property has to look at the state it leads to. */
export const LOOK = 2;
/** It sends queued messages. */
export const SENDS = 4;
/** The CPU only waits for others. */
export const YIELDS = 8;

/**
 * It breaks a rule if it changes nothing, which depends on queues where all it does is to send
 * latched messages.
 */
export const MUST_CHANGE = 16;
/** It is no progress: the scheduler's own, or a wait. */
const NO_PROGRESS = 32;
/** It is progress if a message that it sends was not in flight, else a wait. */
export const PROGRESS_IF_SENT = 64;
/** No program ran in it: the scheduler or the environment did something of its own. */
export const NEUTRAL = 128;
/** A step with neither of these flags is progress. */
export const PERHAPS_NO_PROGRESS = NO_PROGRESS | PROGRESS_IF_SENT;

/** Integers of the tree before it is dropped: 512 MiB. */
const PROG_MAX = 1 << 27;

export type DropReason =
  | 'a first message between two actors'
  | 'its bound'
  | 'more values than there was room for'
  | 'more messages than there was room for'
  | 'a property came true'
  | 'the search begins again';

export class StepTrie {
  readonly world: WorldStep;
  prog = new Int32Array(1 << 16);
  #used = 1;
  /** Where each column's part of the tables below starts, and how many values it has room for. */
  base: Int32Array;
  room: Int32Array;
  /** Alternatives by `base[column] + value`; 0 where not known yet. */
  root = new Int32Array(0);
  /** What the value adds to the digest, by `base[column] + value`. */
  laneA = new Int32Array(0);
  laneB = new Int32Array(0);
  /**
   * List that follows when message `m` joins list `l`: `push[l * messages + m]`; 0 where not known
   * yet.
   */
  push = new Int32Array(0);
  messages = 8;
  /** Most alternatives of a state, as far as is known: the sum of the most of each column. */
  successors = 0;
  /** Most alternatives, by column. */
  readonly #widest: number[] = [];
  clears = 0;
  /** How often it was dropped, by reason. */
  readonly drops: Partial<Record<DropReason, number>> = {};
  misses = 0;
  readonly #messageOf = new Map<number, number>();
  readonly #messageEvents: number[] = [];
  readonly #filled: number[] = [];
  /**
   * What the world had met when all of it was last seen to have room, and when the digests of all
   * of it were last filled in.
   */
  #roomy = -1;
  #full = -1;
  /**
   * Whether a property wants to look at a state in which a column has gone from one value to
   * another.
   */
  readonly #wants: (column: number, value: number, before: number) => boolean;

  constructor(world: WorldStep, wants: (column: number, value: number, before: number) => boolean) {
    this.world = world;
    this.#wants = wants;
    this.base = new Int32Array(0);
    this.room = new Int32Array(0);
    this.clear();
  }

  get integers(): number {
    return this.#used;
  }

  /** Bytes that the tree takes more when it next grows, if that is soon. */
  get growth(): number {
    return 16 * this.#used > 15 * this.prog.length ? this.prog.byteLength : 0;
  }

  /**
   * Why the tree has to be dropped before going on: a table has outgrown its room, or the tree its
   * bound. Null if it need not.
   */
  get mustClear(): DropReason | null {
    if (this.room.length !== this.world.columns) return 'a first message between two actors';
    if (this.#used > PROG_MAX) return 'its bound';
    const { met } = this.world;
    if (met !== this.#roomy) {
      for (let column = 0; column < this.room.length; column++)
        if (this.world.sizeOf(column) > this.room[column]!) return 'more values than there was room for';
      this.#roomy = met;
    }
    return this.#messageEvents.length > this.messages ? 'more messages than there was room for' : null;
  }

  /** Drops the tree and makes room for twice as many values as there are. */
  clear(why: DropReason | null = null): void {
    if (why !== null) this.drops[why] = (this.drops[why] ?? 0) + 1;
    const { columns } = this.world;
    this.clears++;
    this.base = new Int32Array(columns);
    this.room = new Int32Array(columns);
    let size = 0;
    for (let column = 0; column < columns; column++) {
      this.base[column] = size;
      this.room[column] = powerAbove(2 * this.world.sizeOf(column));
      size += this.room[column]!;
    }
    this.root = new Int32Array(size);
    this.laneA = new Int32Array(size);
    this.laneB = new Int32Array(size);
    this.#filled.length = 0;
    this.#roomy = -1;
    this.#full = -1;
    this.#used = 1;
    if (this.prog.length > 1 << 22) this.prog = new Int32Array(1 << 20);
    while (this.messages < this.#messageEvents.length) this.messages *= 2;
    this.push = new Int32Array(powerAbove(2 * this.world.lists.size) * this.messages);
    this.fillLanes();
  }

  /** Digests of values that appeared since the last call. */
  fillLanes(): void {
    const { met } = this.world;
    if (met === this.#full) return;
    this.#full = met;
    for (let column = 0; column < this.room.length; column++) {
      const size = Math.min(this.world.sizeOf(column), this.room[column]!);
      for (let value = this.#filled[column] ?? 0; value < size; value++) {
        this.laneA[this.base[column]! + value] = this.world.laneA(column, value);
        this.laneB[this.base[column]! + value] = this.world.laneB(column, value);
      }
      this.#filled[column] = size;
    }
  }

  /** Fills the alternatives of a value in. */
  expand(column: number, value: number): number {
    const events = this.world.alternatives(column, value);
    const at = this.#alloc(1 + 2 * events.length);
    this.prog[at] = events.length;
    for (const [i, event] of events.entries()) {
      this.prog[at + 1 + i] = 0;
      this.prog[at + 1 + events.length + i] = event;
    }
    const before = this.#widest[column] ?? 0;
    if (events.length > before) {
      this.#widest[column] = events.length;
      this.successors += events.length - before;
    }
    this.root[this.base[column]! + value] = at;
    return at;
  }

  eventAt(column: number, value: number, alternative: number): number {
    const at = this.root[this.base[column]! + value] || this.expand(column, value);
    return this.prog[at + 1 + this.prog[at]! + alternative]!;
  }

  /**
   * Computes the step and hangs its leaf into the tree, unless a value or column is new: then the
   * tree must be cleared first.
   */
  learn(row: ArrayLike<number>, column: number, alternative: number): void {
    this.misses++;
    const at = this.root[this.base[column]! + row[column]!]!;
    const trace = this.world.run(row, column, this.prog[at + 1 + this.prog[at]! + alternative]!);
    if (this.mustClear) return;
    this.fillLanes();
    let link = at + 1 + alternative;
    for (let i = 2; i < trace.reads.length; i += 2) {
      let node = this.prog[link]!;
      if (node === 0) {
        const read = trace.reads[i]!;
        node = this.#alloc(1 + this.room[read]!);
        this.prog.fill(0, node, node + 1 + this.room[read]!);
        this.prog[node] = read;
        this.prog[link] = node;
      }
      link = node + 1 + trace.reads[i + 1]!;
    }
    const leaf = this.#leaf(row, trace);
    if (leaf > 0) this.prog[link] = leaf;
  }

  /** The list that follows when a message joins another; remembers it. */
  learnPush(list: number, message: number): void {
    const { lists } = this.world;
    const next = lists.join(list, this.#messageEvents[message]!);
    if ((list + 1) * this.messages <= this.push.length) this.push[list * this.messages + message] = next;
    if (!this.mustClear) this.fillLanes();
  }

  /** The list that follows when a message of a leaf joins another. */
  joined(list: number, message: number): number {
    const at = list * this.messages + message;
    if (at >= this.push.length || this.push[at] === 0) this.learnPush(list, message);
    return at < this.push.length && this.push[at] !== 0 ? this.push[at]! : this.world.lists.join(list, this.#messageEvents[message]!);
  }

  #leaf(row: ArrayLike<number>, { writes, sends, deliveries, yields, mustChange, stepClass }: StepTrace): number {
    let changed = 0;
    for (const [column, value] of writes) if (row[column] !== value) changed++;
    for (let i = 1; i < sends.length; i += 2) this.#message(sends[i]!);
    if (this.mustClear) return 0;
    let flags = sends.length > 0 ? SENDS : changed === 0 ? UNCHANGED : 0;
    if (yields) flags |= YIELDS;
    if (stepClass === 'neutral') flags |= NO_PROGRESS | NEUTRAL;
    if (stepClass === 'wait') flags |= NO_PROGRESS;
    if (stepClass === 'progress-if-sent') flags |= PROGRESS_IF_SENT;
    if (mustChange) flags |= MUST_CHANGE;
    let a = 0;
    let b = 0;
    const leaf = this.#alloc(6 + 2 * changed + sends.length);
    const { prog } = this;
    let at = leaf + 5;
    for (const [column, value] of writes) {
      const before = row[column]!;
      if (before === value) continue;
      const base = this.base[column]!;
      a = (a + this.laneA[base + value]! - this.laneA[base + before]!) | 0;
      b = (b + this.laneB[base + value]! - this.laneB[base + before]!) | 0;
      if (this.#wants(column, value, before)) flags |= LOOK;
      prog[at++] = column;
      prog[at++] = value;
    }
    prog[at++] = sends.length / 2;
    for (let i = 0; i < sends.length; i += 2) {
      prog[at++] = sends[i]!;
      prog[at++] = this.#message(sends[i + 1]!);
    }
    prog[leaf] = -1 - changed;
    prog[leaf + 1] = a;
    prog[leaf + 2] = b;
    prog[leaf + 3] = flags;
    prog[leaf + 4] = deliveries;
    return leaf;
  }

  #message(event: number): number {
    let message = this.#messageOf.get(event);
    if (message === undefined) {
      message = this.#messageEvents.push(event) - 1;
      this.#messageOf.set(event, message);
    }
    return message;
  }

  #alloc(size: number): number {
    const at = this.#used;
    this.#used += size;
    if (this.#used > this.prog.length) {
      const grown = new Int32Array(Math.max(2 * this.prog.length, 2 * this.#used));
      grown.set(this.prog);
      this.prog = grown;
    }
    return at;
  }
}

const powerAbove = (value: number): number => {
  let power = 8;
  while (power < value) power *= 2;
  return power;
};
