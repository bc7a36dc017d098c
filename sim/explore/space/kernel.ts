/**
 * The inner loop of the search: integers and typed arrays, no calls, no cold branches. It stops
 * with a reason whenever something is missing; the driver provides it and goes on at the same
 * place. No step is ever applied in part.
 */

import { LOOK, MUST_CHANGE, PERHAPS_NO_PROGRESS, SENDS, type StepTrie, UNCHANGED } from '../../rows/step-trie.ts';
import type { Exchange } from './exchange.ts';
import type { StateSpace } from './state-space.ts';
import { LOAD_MAX, NO_STEP_PROGRESSES, RUN_ENDS } from './state-space.ts';

export const DONE = 0;
/** The alternatives of `column` in its present value are not known. */
export const NEED_ROOT = 1;
/** The step of `column`, `alternative` is not known. */
export const NEED_STEP = 2;
/** The list that follows when `message` joins `list` is not known. */
export const NEED_PUSH = 3;
/**
 * A new state, in `row`, in which perhaps one thing only can happen: local steps run on from there.
 * The step that led to it is counted.
 */
export const NEED_RUN = 4;

/**
 * Where the search stands, and what it counted. All fields are written once at construction, so
 * that none is taken for a constant.
 */
export class Cursor {
  head = 0;
  column = 0;
  alternative = 0;
  /** Alternatives of the present state so far. */
  out = 0;
  /** Those of them that are progress. */
  progressing = 0;
  /** States below this index are to be expanded. */
  end = 0;
  transitions = 0;
  unchanged = 0;
  deliveries = 0;
  list = 0;
  message = 0;
  /** 1 where local steps run on. */
  local = 0;
  /**
   * States that a property has to look at, and states without alternatives (negated, minus one).
   */
  pending = new Int32Array(1 << 14);
  pendingCount = 0;
  readonly row: Int32Array;

  /** Makes room for what is pending of a state with so many successors. */
  fitPending(successors: number): void {
    if (this.pending.length >= 4 * successors) return;
    const wider = new Int32Array(8 * successors);
    wider.set(this.pending);
    this.pending = wider;
  }

  constructor(columns: number) {
    this.row = new Int32Array(columns);
    for (const key of [
      'head',
      'column',
      'alternative',
      'out',
      'progressing',
      'end',
      'transitions',
      'unchanged',
      'deliveries',
      'list',
      'message',
      'local',
    ] as const) {
      this[key] = 1;
      this[key] = 0;
    }
  }
}

/** Expands states until `end`, or until something is missing. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: calls in this loop would cost more than all it does
export function expandStates(cursor: Cursor, space: StateSpace, trie: StepTrie, exchange: Exchange): number {
  const columns = space.columns;
  const { rows, rowBase, exact, table, mask, parent, via, ends, onward } = space;
  const { prog, base, root, laneA, laneB, push, messages } = trie;
  const { row, pending, end } = cursor;
  const { me, peers, boxes, used } = exchange;
  const most = trie.successors;
  const room = Math.min(space.capacity, rowBase + space.rowCapacity, ((mask + 1) * LOAD_MAX) | 0) - most;
  const pendingRoom = pending.length - most - 1;
  const boxRoom = peers > 1 ? exchange.roomFor(most, columns) : 1;
  let fullest = 0;
  if (peers > 1) for (let to = 0; to < peers; to++) if (used[to]! > fullest) fullest = used[to]!;
  let head = cursor.head;
  let count = space.count;
  let column = cursor.column;
  let alternative = cursor.alternative;
  let out = cursor.out;
  let progressing = cursor.progressing;
  let transitions = cursor.transitions;
  let unchanged = cursor.unchanged;
  let deliveries = cursor.deliveries;
  let waiting = cursor.pendingCount;
  let noted = space.onwardCount;
  const notes = space.notesOnward;
  const local = cursor.local === 1;
  let why = DONE;
  run: for (; head < end && count < room && waiting < pendingRoom && fullest < boxRoom; head++) {
    if (ends[head] === RUN_ENDS) continue;
    const from = (head - rowBase) * columns;
    let beyond = head;
    let lane = 0;
    let lane2 = 0;
    for (let i = 0; i < columns; i++) {
      const value = rows[from + i]!;
      row[i] = value;
      lane = (lane + laneA[base[i]! + value]!) | 0;
      if (!exact) lane2 = (lane2 + laneB[base[i]! + value]!) | 0;
    }
    for (; column < columns; column++) {
      const at = root[base[column]! + row[column]!]!;
      if (at === 0) {
        why = NEED_ROOT;
        break run;
      }
      const n = prog[at]!;
      for (; alternative < n; alternative++) {
        let node = prog[at + 1 + alternative]!;
        let read = 0;
        while (node !== 0) {
          read = prog[node]!;
          if (read < 0) break;
          node = prog[node + 1 + row[read]!]!;
        }
        if (node === 0) {
          why = NEED_STEP;
          break run;
        }
        const flags = prog[node + 3]!;
        deliveries += prog[node + 4]!;
        out++;
        if ((flags & PERHAPS_NO_PROGRESS) === 0) progressing++;
        if ((flags & UNCHANGED) !== 0) {
          unchanged++;
          continue;
        }
        let next = (lane + prog[node + 1]!) | 0;
        let next2 = exact ? 0 : (lane2 + prog[node + 2]!) | 0;
        let q = node + 5;
        const writes = q - 2 * (1 + read);
        for (; q < writes; q += 2) row[prog[q]!] = prog[q + 1]!;
        if ((flags & SENDS) !== 0) {
          let missing = false;
          for (let left = prog[q++]!; left > 0; left--, q += 2) {
            const channel = prog[q]!;
            const list = row[channel]!;
            const message = prog[q + 1]!;
            const at2 = list * messages + message;
            const after = at2 < push.length ? push[at2]! : 0;
            if (after === 0) {
              cursor.list = list;
              cursor.message = message;
              missing = true;
              break;
            }
            next = (next + laneA[base[channel]! + after]! - laneA[base[channel]! + list]!) | 0;
            if (!exact) next2 = (next2 + laneB[base[channel]! + after]! - laneB[base[channel]! + list]!) | 0;
            row[channel] = after;
          }
          if (missing) {
            why = NEED_PUSH;
            deliveries -= prog[node + 4]!;
            out--;
            if ((flags & PERHAPS_NO_PROGRESS) === 0) progressing--;
            break run;
          }
          // Perhaps it has changed nothing: what it sends is latched and in flight, or is what it
          // delivers.
          if (next === lane) {
            let i = 0;
            while (i < columns && row[i] === rows[from + i]) i++;
            if (i === columns) {
              if ((flags & MUST_CHANGE) !== 0) {
                // The step must change something: to learn it again raises the error.
                why = NEED_STEP;
                break run;
              }
              unchanged++;
              continue;
            }
          }
        }
        transitions++;
        if (peers > 1) {
          // As ownerOf() has it.
          const owner = (Math.imul(next, 0x9e3779b1) >>> 16) % peers;
          if (owner !== me) {
            const box = boxes[owner]!;
            let to = used[owner]!;
            box[to++] = next;
            box[to++] = flags;
            for (let i = 0; i < columns; i++) {
              box[to++] = row[i]!;
              row[i] = rows[from + i]!;
            }
            used[owner] = to;
            if (to > fullest) fullest = to;
            continue;
          }
        }
        // 0 says that a place is free.
        if (!exact && next2 === 0) next2 = 1;
        let place = next & mask;
        let known = table[2 * place]!;
        for (; known !== 0; known = table[2 * place]!) {
          if (table[2 * place + 1] === next) {
            if (!exact) {
              if (known === next2) break;
              place = (place + 1) & mask;
              continue;
            }
            const other = (known - 1) * columns;
            let i = 0;
            while (i < columns && rows[other + i] === row[i]) i++;
            if (i === columns) break;
          }
          place = (place + 1) & mask;
        }
        if (known === 0) {
          if (local && (flags & LOOK) === 0) {
            let ways = 0;
            for (let i = 0; i < columns && ways < 2; i++) {
              const known2 = root[base[i]! + row[i]!]!;
              // What is not known yet is for the driver to find out.
              if (known2 !== 0) ways += prog[known2]!;
            }
            if (ways < 2) {
              why = NEED_RUN;
              break run;
            }
          }
          table[2 * place] = exact ? count + 1 : next2;
          table[2 * place + 1] = next;
          const to = (count - rowBase) * columns;
          for (let i = 0; i < columns; i++) rows[to + i] = row[i]!;
          parent[count] = head;
          via[count] = (column << 12) | alternative;
          if ((flags & LOOK) !== 0) pending[waiting++] = count;
          known = ++count;
        }
        // The farthest state that it leads to, or one that is known to have a way out.
        if (progressing === 0 && beyond >= head && (known > head ? known > beyond : ends[known - 1] === 0)) beyond = known - 1;
        // The step is taken back.
        for (let at2 = node + 5; at2 < writes; at2 += 2) row[prog[at2]!] = rows[from + prog[at2]!]!;
        for (let at2 = writes + 1; at2 < q; at2 += 2) row[prog[at2]!] = rows[from + prog[at2]!]!;
      }
      alternative = 0;
    }
    if (out === 0) pending[waiting++] = -1 - head;
    if (progressing === 0) {
      ends[head] = NO_STEP_PROGRESSES;
      if (notes) onward[noted++] = beyond;
    }
    column = 0;
    out = 0;
    progressing = 0;
  }
  cursor.head = head;
  cursor.column = column;
  cursor.alternative = alternative;
  cursor.out = out;
  cursor.progressing = progressing;
  cursor.transitions = transitions;
  cursor.unchanged = unchanged;
  cursor.deliveries = deliveries;
  cursor.pendingCount = waiting;
  space.count = count;
  space.onwardCount = noted;
  return why;
}
