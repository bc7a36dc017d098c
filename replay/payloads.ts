/** The payloads of the frames around the records: start, checkpoint, index and seal. */
import type { RunEnd, RunStart } from '../events/journal.ts';
import type { FlightEntry, StateInIds } from './block-encoder.ts';
import { decodePlain, encodeShared } from './codec-msgpack.ts';
import { UndecodableError } from './errors.ts';
import { frameBytes } from './frame.ts';
import { HASH_BYTES } from './identity.ts';
import { FACTS_BYTES_MAX, IN_FLIGHT_MAX } from './limits.ts';
import { isBytes, isNatural, isObject, isText, jsonObject, must } from './plain-values.ts';
import { endOf } from './run-end.ts';
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

/** The value of a start frame or of a seal. */
function decodeFacts(payload: Uint8Array, what: string): Record<string, unknown> {
  must(payload.length <= FACTS_BYTES_MAX, `${what} has ${payload.length} bytes, over ${FACTS_BYTES_MAX}`);
  const value = decodePlain(payload);
  must(isObject(value), `${what} is not a map`);
  return value;
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
