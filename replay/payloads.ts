/** The payloads of the frames around the records: start, checkpoint, index and seal. */
import {
  type ComesBack,
  type Deadlocked,
  type JsonObject,
  RUN_ENDS,
  type RunEnd,
  type RunStart,
  STUCK_KINDS,
  type StuckKind,
} from '../events/journal.ts';
import { canonical } from '../sim/canonical.ts';
import type { FlightEntry, StateInIds } from './block-encoder.ts';
import { decodePlain, encodeShared } from './codec-msgpack.ts';
import { UndecodableError } from './errors.ts';
import { frameBytes } from './frame.ts';
import { HASH_BYTES } from './identity.ts';
import { FACTS_BYTES_MAX, IN_FLIGHT_MAX } from './limits.ts';
import { Column, ColumnReader } from './varint.ts';

const ACTORS_MAX = 1 << 16;
const SAFE = Number.MAX_SAFE_INTEGER;

export type Checkpoint = StateInIds;

export interface BlockEntry {
  readonly offset: number;
  readonly firstSeq: number;
  readonly firstStep: number;
  readonly records: number;
  readonly steps: number;
  /** How many texts it adds to the dictionaries. */
  readonly defines: number;
}

export interface CheckpointEntry {
  readonly offset: number;
  readonly nextSeq: number;
  readonly nextStep: number;
}

export interface Index {
  readonly blocks: readonly BlockEntry[];
  readonly checkpoints: readonly CheckpointEntry[];
}

export interface Seal {
  readonly end: RunEnd;
  readonly records: number;
  /** Number of the last step: how many choices were made. */
  readonly steps: number;
  readonly vtime: number;
  readonly laneA: number;
  readonly laneB: number;
  /** The chain before the seal, whole: with it the root follows from the seal alone. */
  readonly chain: Uint8Array;
}

const lanesBytes = (a: number, b: number): Uint8Array => {
  const column = new Column();
  column.reserve(8);
  column.putInt32(a);
  column.putInt32(b);
  return column.view();
};

function lanesOf(value: unknown): { laneA: number; laneB: number } {
  if (!(value instanceof Uint8Array) || value.length !== 8) throw new UndecodableError('a digest has 8 bytes');
  const view = new DataView(value.buffer, value.byteOffset, 8);
  return { laneA: view.getInt32(0, true), laneB: view.getInt32(4, true) };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isBytes(value);
const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;
const isNatural = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isText = (value: unknown): value is string => typeof value === 'string';

function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new UndecodableError(what);
}

/** The value of a start frame or of a seal. */
function decodeFacts(payload: Uint8Array, what: string): Record<string, unknown> {
  must(payload.length <= FACTS_BYTES_MAX, `${what} has ${payload.length} bytes, over ${FACTS_BYTES_MAX}`);
  const value = decodePlain(payload);
  must(isObject(value), `${what} is not a map`);
  return value;
}

/** @throws UndecodableError unless the value is what canonical JSON can hold */
function jsonObject(value: unknown, what: string): JsonObject {
  must(isObject(value), `${what} is not an object`);
  try {
    canonical(value);
  } catch (error) {
    throw new UndecodableError(`${what} is not plain data: ${error instanceof Error ? error.message : String(error)}`);
  }
  return value as JsonObject;
}

export function encodeStart(start: RunStart): Uint8Array {
  const { scenario, modelId, modelVersion, chooser, seed, schedule, actors, modules } = start;
  return encodeShared({ scenario, modelId, modelVersion, chooser, seed, schedule, actors, modules });
}

/** @throws UndecodableError */
export function decodeStart(payload: Uint8Array): RunStart {
  const value = decodeFacts(payload, 'the start frame');
  const { scenario, modelId, modelVersion, chooser, seed, schedule, actors, modules } = value;
  must(isText(modelId) && isText(chooser) && isText(schedule), 'modelId, chooser and schedule of the start frame are texts');
  must(isNatural(modelVersion) && isNatural(seed), 'modelVersion and seed of the start frame are whole numbers');
  must(Array.isArray(actors) && actors.length <= ACTORS_MAX, `the start frame lists at most ${ACTORS_MAX} actors`);
  must(Array.isArray(modules), 'modules of the start frame is a list');
  const pairs = <A extends string, B extends string>(list: readonly unknown[], a: A, b: B) =>
    list.map((entry) => {
      must(isObject(entry) && isText(entry[a]) && isText(entry[b]), `an entry of the start frame has no ${a} or no ${b}`);
      return { [a]: entry[a], [b]: entry[b] } as Record<A | B, string>;
    });
  const named = pairs(actors, 'id', 'kind');
  must(new Set(named.map(({ id }) => id)).size === named.length, 'two actors of the start frame have the same id');
  return {
    scenario: jsonObject(scenario, 'the scenario'),
    modelId,
    modelVersion,
    chooser,
    seed,
    schedule,
    actors: named,
    modules: pairs(modules, 'name', 'sha256'),
  };
}

export function encodeCheckpoint({ vtime, laneA, laneB, locals, inFlight }: Checkpoint): Uint8Array {
  const ids = new Column();
  for (const id of locals) ids.push(id);
  const flight = new Column();
  let seq = 0;
  for (const entry of inFlight) {
    flight.push(entry.seq - seq);
    flight.push(entry.from);
    flight.push(entry.to);
    flight.push(entry.event);
    seq = entry.seq;
  }
  return encodeShared([vtime, lanesBytes(laneA, laneB), ids.view(), flight.view()]);
}

/**
 * @throws UndecodableError if the payload is no checkpoint, or names an actor or a text that is not
 * there
 */
export function decodeCheckpoint(payload: Uint8Array, actors: number, events: number, locals: number): Checkpoint {
  const value = decodePlain(payload);
  must(Array.isArray(value) && value.length >= 4, 'a checkpoint is an array of 4 columns');
  const [vtime, lanes, ids, flight] = value as readonly unknown[];
  must(isNatural(vtime) && isBytes(ids) && isBytes(flight), 'a checkpoint is its vtime and three columns');
  const idColumn = new ColumnReader(ids, 'locals');
  const slots: number[] = [];
  for (let slot = 0; slot < actors; slot++) slots.push(idColumn.next(locals - 1));
  idColumn.end();
  const flightColumn = new ColumnReader(flight, 'in flight');
  const inFlight: FlightEntry[] = [];
  let seq = 0;
  while (!flightColumn.done) {
    const ahead = flightColumn.next(SAFE);
    must(ahead > 0, 'the messages in flight of a checkpoint are not in order');
    must(inFlight.length < IN_FLIGHT_MAX, `a checkpoint has more than ${IN_FLIGHT_MAX} messages in flight`);
    seq += ahead;
    inFlight.push({ seq, from: flightColumn.next(actors - 1), to: flightColumn.next(actors - 1), event: flightColumn.next(events - 1) });
  }
  return { vtime, ...lanesOf(lanes), locals: slots, inFlight };
}

export function encodeIndex({ blocks, checkpoints }: Index): Uint8Array {
  const blockColumn = new Column();
  let offset = 0;
  for (const block of blocks) {
    for (const part of [block.offset - offset, block.records, block.steps, block.defines]) blockColumn.push(part);
    offset = block.offset;
  }
  const checkpointColumn = new Column();
  let last: CheckpointEntry = { offset: 0, nextSeq: 0, nextStep: 0 };
  for (const entry of checkpoints) {
    for (const part of [entry.offset - last.offset, entry.nextSeq - last.nextSeq, entry.nextStep - last.nextStep])
      checkpointColumn.push(part);
    last = entry;
  }
  return encodeShared([blockColumn.view(), checkpointColumn.view()]);
}

/**
 * `end`: where the index itself stands. The frames that it lists lie before it, each behind the one
 * before, so that there are no more entries than such frames.
 * @throws UndecodableError
 */
export function decodeIndex(payload: Uint8Array, end: number): Index {
  const value = decodePlain(payload);
  must(Array.isArray(value) && value.length >= 2, 'an index is an array of 2 columns');
  const [blockBytes, checkpointBytes] = value as readonly unknown[];
  must(isBytes(blockBytes) && isBytes(checkpointBytes), 'a column of the index is not binary');
  const blocks: BlockEntry[] = [];
  let next = { offset: 0, firstSeq: 1, firstStep: 0 };
  for (const column = new ColumnReader(blockBytes, 'blocks'); !column.done; ) {
    const offset = next.offset + column.next(SAFE);
    checkOffset(offset, next.offset, end);
    const block = { ...next, offset, records: column.next(SAFE), steps: column.next(SAFE), defines: column.next(SAFE) };
    must(block.records > 0 && block.steps > 0, 'a block of the index is empty');
    blocks.push(block);
    next = { offset, firstSeq: block.firstSeq + block.records, firstStep: block.firstStep + block.steps };
  }
  const checkpoints: CheckpointEntry[] = [];
  let last: CheckpointEntry = { offset: 0, nextSeq: 0, nextStep: 0 };
  for (const column = new ColumnReader(checkpointBytes, 'checkpoints'); !column.done; ) {
    last = {
      offset: last.offset + column.next(SAFE),
      nextSeq: last.nextSeq + column.next(SAFE),
      nextStep: last.nextStep + column.next(SAFE),
    };
    checkOffset(last.offset, checkpoints[checkpoints.length - 1]?.offset ?? 0, end);
    checkpoints.push(last);
  }
  return { blocks, checkpoints };
}

function checkOffset(offset: number, before: number, end: number): void {
  const fits = offset >= before + frameBytes(1) && offset + frameBytes(1) <= end;
  must(fits, `an entry of the index is about a frame at byte ${offset}, where none fits between byte ${before} and the index`);
}

export const encodeSeal = ({ end, records, steps, vtime, laneA, laneB, chain }: Seal): Uint8Array =>
  encodeShared({ end, records, steps, vtime, digest: lanesBytes(laneA, laneB), chain });

/** @throws UndecodableError */
export function decodeSeal(payload: Uint8Array): Seal {
  const value = decodeFacts(payload, 'the seal');
  const { end, records, steps, vtime, digest, chain } = value;
  must(isNatural(records) && isNatural(steps) && isNatural(vtime), 'records, steps and vtime of the seal are whole numbers');
  must(isBytes(chain) && chain.length === HASH_BYTES, `the chain of the seal has ${HASH_BYTES} bytes`);
  return { end: endOf(end, steps), records, steps, vtime, ...lanesOf(digest), chain };
}

/** A cycle that ends with step `step`. */
function cycleOf(value: unknown, what: string, step: number): ComesBack {
  must(isObject(value), `${what} of the seal is not a map`);
  const { from, length } = value;
  must(isNatural(from) && isNatural(length) && from + length === step, `${what} of the seal does not end with step ${step}`);
  return { from, length };
}

function waitsOf(value: unknown): readonly Deadlocked[] {
  must(Array.isArray(value), 'the waits of the seal are not a list');
  return value.map((wait: unknown) => {
    must(isObject(wait), 'a wait of the seal is not a map');
    const { actor, state, asleep, for: thing, heldBy } = wait;
    must(isText(actor) && isText(state) && typeof asleep === 'boolean', 'a wait of the seal has no actor, state or asleep');
    must((thing === null || isText(thing)) && (heldBy === null || isText(heldBy)), 'a wait of the seal is for or held by no actor');
    return { actor, state, asleep, for: thing, heldBy };
  });
}

function alsoOf(value: unknown): NonNullable<NonNullable<RunEnd['violation']>['also']> {
  must(Array.isArray(value), 'what the seal says to be broken also is not a list');
  return value.map((one: unknown) => {
    must(isObject(one), 'what the seal says to be broken also is not a map');
    const { property, message } = one;
    must(isText(property) && isText(message), 'what the seal says to be broken also has no property or message');
    return { property, message };
  });
}

const isStuckKind = (value: unknown): value is StuckKind => STUCK_KINDS.some((kind) => kind === value);
const isRunEnd = (value: unknown): value is RunEnd['ended'] => RUN_ENDS.some((ended) => ended === value);

function endOf(value: unknown, steps: number): RunEnd {
  must(isObject(value), 'the end of the run is not a map');
  const { verdict, violation, ended, comesBack, outcomes } = value;
  must(verdict === 'clean' || verdict === 'violation', `the verdict of the seal is ${String(verdict)}`);
  must(isRunEnd(ended), `the seal says that the run ended by ${String(ended)}`);
  const how: Omit<RunEnd, 'violation'> = {
    verdict,
    ended,
    ...(comesBack !== undefined && { comesBack: cycleOf(comesBack, 'what comes back', steps) }),
    outcomes: jsonObject(outcomes, 'the outcomes'),
  };
  if (violation === null) return { ...how, violation };
  must(isObject(violation), 'the violation of the seal is not a map');
  const { property, step, message, kind, lasso, waits, also } = violation;
  must(isText(property) && isNatural(step) && isText(message), 'the violation of the seal has no property, step or message');
  must(kind === undefined || isStuckKind(kind), `the violation of the seal is of the kind ${String(kind)}`);
  const back = lasso === undefined ? {} : { lasso: cycleOf(lasso, 'the lasso', step) };
  return {
    ...how,
    violation: {
      property,
      step,
      message,
      ...(kind && { kind }),
      ...back,
      ...(waits !== undefined && { waits: waitsOf(waits) }),
      ...(also !== undefined && { also: alsoOf(also) }),
    },
  };
}
