/** Reads the payload of a record block into columns of integers, and shows single records of it. */
import { type Choice, type JournalRecord, RECORD_KINDS } from '../events/journal.ts';
import { CHANGE, CHOICE, SEND } from '../sim/records.ts';
import { decodePlain } from './codec-msgpack.ts';
import type { Definitions, Dictionary } from './dictionary.ts';
import { UndecodableError } from './errors.ts';
import { ColumnReader, readColumn } from './varint.ts';

const COLUMNS = 12;
const STEP_RECORDS_MAX = 2 ** 31 - 1;

/** A block as decoded. Columns by record (kind, slot, id, peer, back) and by step (the rest). */
export interface Block {
  readonly firstSeq: number;
  readonly firstStep: number;
  readonly records: number;
  readonly steps: number;
  readonly kind: Uint8Array;
  readonly slot: Int32Array;
  /** `choice`: label. `send`, `deliver`: event. `change`: local state. Ids of the file. */
  readonly id: Int32Array;
  /** `send`: slot of the receiver; else -1. */
  readonly peer: Int32Array;
  /** seq - cause; 0 where nothing caused it. */
  readonly back: Float64Array;
  /** Where each step's records start; one more than there are steps. */
  readonly stepStart: Int32Array;
  /** vtime at which each step starts; one more than there are steps. */
  readonly vtime: Float64Array;
  readonly laneA: Int32Array;
  readonly laneB: Int32Array;
  readonly choiceIndex: Int32Array;
  readonly choiceCount: Int32Array;
}

/** What the frame header says about a block. */
export interface BlockFacts {
  readonly firstSeq: number;
  readonly firstStep: number;
  readonly records: number;
  readonly steps: number;
}

/** A payload taken apart, its columns not yet read. */
export interface BlockParts {
  readonly vtime: number;
  readonly definitions: Definitions;
  readonly columns: readonly Uint8Array[];
}

const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;
const isNatural = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((piece) => typeof piece === 'string');

/** @throws UndecodableError unless the payload has the shape of a record block */
export function partsOf(payload: Uint8Array): BlockParts {
  const value = decodePlain(payload);
  if (!Array.isArray(value) || value.length < COLUMNS) throw new UndecodableError(`a record block is an array of ${COLUMNS} columns`);
  const [vtime, pieces, ...columns] = value as readonly unknown[];
  if (!isNatural(vtime)) throw new UndecodableError(`a record block starts with its vtime, not with ${String(vtime)}`);
  if (!isTexts(pieces)) throw new UndecodableError('the pieces of a record block are strings');
  const known = columns.slice(0, COLUMNS - 2);
  if (!known.every(isBytes)) throw new UndecodableError('a column of a record block is not binary');
  const [labels, events, locals, ...rest] = known;
  return { vtime, definitions: { pieces, texts: [labels!, events!, locals!] }, columns: rest };
}

/**
 * @throws UndecodableError unless the columns agree with the header, the dictionaries and each
 * other
 */
export function blockOf(facts: BlockFacts, parts: BlockParts, dictionary: Dictionary, actors: number): Block {
  const { records, steps } = facts;
  const [heads, ids, backs, peers, stepBytes, digests, choices] = parts.columns as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  // Every record takes at least a byte of a column, so that what is allocated is bounded by what
  // was read.
  if (records > heads.length || 8 * steps !== digests.length)
    throw new UndecodableError(`its columns do not hold ${records} records and ${steps} steps`);
  const slot = readColumn(heads, new Int32Array(records), records, 4 * actors - 1, 'heads');
  const kind = new Uint8Array(records);
  for (let at = 0; at < records; at++) {
    const head = slot[at]!;
    kind[at] = head & 3;
    slot[at] = head >>> 2;
  }
  const times = readSteps(stepBytes, parts.vtime, records, steps);
  checkChoices(facts.firstStep, kind, times.stepStart);
  return {
    ...facts,
    kind,
    slot,
    id: readIds(ids, kind, dictionary.sizes),
    peer: readPeers(peers, kind, actors),
    back: readBacks(backs, records, facts.firstSeq),
    ...times,
    ...readDigests(digests, steps),
    ...readChoices(choices, steps),
  };
}

function readSteps(bytes: Uint8Array, vtimeStart: number, records: number, steps: number): Pick<Block, 'stepStart' | 'vtime'> {
  const stepStart = new Int32Array(steps + 1);
  const vtime = new Float64Array(steps + 1);
  vtime[0] = vtimeStart;
  const column = new ColumnReader(bytes, 'steps');
  for (let step = 0; step < steps; step++) {
    const length = column.next(STEP_RECORDS_MAX);
    if (length === 0 || length > records - stepStart[step]!)
      throw new UndecodableError(`step ${step} of the block has ${length} records, which does not fit`);
    stepStart[step + 1] = stepStart[step]! + length;
    vtime[step + 1] = vtime[step]! + column.next(Number.MAX_SAFE_INTEGER);
  }
  column.end();
  if (stepStart[steps] !== records) throw new UndecodableError(`its steps have ${stepStart[steps]} records, its header says ${records}`);
  if (!Number.isSafeInteger(vtime[steps])) throw new UndecodableError('its vtime passes 2^53 - 1');
  return { stepStart, vtime };
}

/** Step 0 has no choice; every later step opens with its only one. */
function checkChoices(firstStep: number, kind: Uint8Array, stepStart: Int32Array): void {
  let choices = 0;
  for (let at = 0; at < kind.length; at++) if (kind[at] === CHOICE) choices++;
  const steps = stepStart.length - 1;
  const from = firstStep === 0 ? 1 : 0;
  for (let step = from; step < steps; step++) {
    if (kind[stepStart[step]!] !== CHOICE) throw new UndecodableError(`step ${firstStep + step} does not open with a choice`);
  }
  if (choices !== Math.max(steps - from, 0)) throw new UndecodableError(`its ${steps} steps hold ${choices} choices`);
}

function readIds(bytes: Uint8Array, kind: Uint8Array, [labels, events, locals]: readonly [number, number, number]): Int32Array {
  const id = readColumn(bytes, new Int32Array(kind.length), kind.length, STEP_RECORDS_MAX, 'ids');
  for (let at = 0; at < id.length; at++) {
    const size = kind[at] === CHOICE ? labels : kind[at] === CHANGE ? locals : events;
    if (id[at]! >= size) throw new UndecodableError(`record ${at} of the block has the id ${id[at]}, but only ${size} are defined`);
  }
  return id;
}

function readPeers(bytes: Uint8Array, kind: Uint8Array, actors: number): Int32Array {
  const peer = new Int32Array(kind.length).fill(-1);
  const column = new ColumnReader(bytes, 'peers');
  for (let at = 0; at < kind.length; at++) if (kind[at] === SEND) peer[at] = column.next(actors - 1);
  column.end();
  return peer;
}

function readBacks(bytes: Uint8Array, records: number, firstSeq: number): Float64Array {
  const back = readColumn(bytes, new Float64Array(records), records, Number.MAX_SAFE_INTEGER, 'backs');
  for (let at = 0; at < records; at++) {
    if (back[at]! >= firstSeq + at) throw new UndecodableError(`record ${firstSeq + at} has a cause before the first record`);
  }
  return back;
}

function readDigests(bytes: Uint8Array, steps: number): Pick<Block, 'laneA' | 'laneB'> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const laneA = new Int32Array(steps);
  const laneB = new Int32Array(steps);
  for (let step = 0; step < steps; step++) {
    laneA[step] = view.getInt32(8 * step, true);
    laneB[step] = view.getInt32(8 * step + 4, true);
  }
  return { laneA, laneB };
}

function readChoices(bytes: Uint8Array, steps: number): Pick<Block, 'choiceIndex' | 'choiceCount'> {
  const choiceIndex = new Int32Array(steps);
  const choiceCount = new Int32Array(steps);
  const column = new ColumnReader(bytes, 'choices');
  for (let step = 0; step < steps; step++) {
    const count = column.next(STEP_RECORDS_MAX);
    choiceCount[step] = count;
    if (count > 1) choiceIndex[step] = column.next(count - 1);
  }
  column.end();
  return { choiceIndex, choiceCount };
}

/** The choice of a step of the block; for step 0 of the file there is none. */
export const choiceAt = (block: Block, step: number, dictionary: Dictionary): Choice => ({
  index: block.choiceIndex[step]!,
  count: block.choiceCount[step]!,
  label: dictionary.label(block.id[block.stepStart[step]!]!),
});

/** Record `at` of the block, which belongs to its step number `step`; both count from 0. */
export function recordOf(block: Block, at: number, step: number, dictionary: Dictionary, actors: readonly string[]): JournalRecord {
  const code = block.kind[at]!;
  const id = block.id[at]!;
  const back = block.back[at]!;
  const seq = block.firstSeq + at;
  const kind = RECORD_KINDS[code]!;
  const actor = actors[block.slot[at]!]!;
  const vtime = block.vtime[step]!;
  const cause = back === 0 ? 0 : seq - back;
  // Literals, one for each kind: spreading a common part costs ten times as much, and this runs
  // once for each record.
  if (code === CHANGE) {
    return { seq, step: block.firstStep + step, vtime, actor, kind, type: 'state', payload: dictionary.local(id), peer: null, cause };
  }
  if (code === CHOICE) {
    const { index, count, label } = choiceAt(block, step, dictionary);
    const payload = { index, count, label };
    return { seq, step: block.firstStep + step, vtime, actor, kind, type: dictionary.offer(id), payload, peer: null, cause };
  }
  const { type, from, payload } = dictionary.event(id);
  const peer = code === SEND ? actors[block.peer[at]!]! : from;
  return { seq, step: block.firstStep + step, vtime, actor, kind, type, payload, peer, cause };
}
