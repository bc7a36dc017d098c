/**
 * Journals of up to 100 MB whose checksums are right and whose counts ask for far more memory or
 * time than a reader has: each is made from a journal of a real run.
 */
import { encodeShared } from '../../replay/codec-msgpack.ts';
import { CHECKPOINT, FRAME_HEADER_BYTES, INDEX, RECORDS, SEAL, START } from '../../replay/frame.ts';
import { encodeHeader, HEADER_BYTES } from '../../replay/header.ts';
import { BLOCK_RECORDS_MAX } from '../../replay/limits.ts';
import { decodeStart, encodeStart } from '../../replay/payloads.ts';
import { assembled, framesOf, joined, type Piece, rewritten } from './surgery.ts';

const MB = 1_000_000;

const packed = (value: unknown): Uint8Array => encodeShared(value).slice();

/** The pattern over and over, in so many bytes. */
function repeated(pattern: readonly number[], bytes: number): Uint8Array {
  const column = new Uint8Array(bytes - (bytes % pattern.length));
  column.set(pattern);
  for (let filled = pattern.length; filled < column.length; filled *= 2) column.copyWithin(filled, 0, filled);
  return column;
}

const NONE = new Uint8Array(0);

/** The parts of a record block; what is not given is empty. */
interface Columns {
  readonly pieces?: readonly string[];
  readonly labels?: Uint8Array;
  readonly events?: Uint8Array;
  readonly locals?: Uint8Array;
  readonly heads?: Uint8Array;
  readonly ids?: Uint8Array;
  readonly backs?: Uint8Array;
  readonly peers?: Uint8Array;
  readonly steps?: Uint8Array;
  readonly digests?: Uint8Array;
  readonly choices?: Uint8Array;
}

const block = (columns: Columns): Uint8Array => {
  const { pieces = [], labels = NONE, events = NONE, locals = NONE, heads = NONE, ids = NONE, backs = NONE } = columns;
  const { peers = NONE, steps = NONE, digests = NONE, choices = NONE } = columns;
  return packed([0, pieces, labels, events, locals, heads, ids, backs, peers, steps, digests, choices]);
};

/** An integer as a varint. */
const varint = (value: number): number[] => (value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]);

/** The journal up to its first block, with these pieces behind it. */
function from(base: Uint8Array, pieces: readonly Piece[]): Uint8Array {
  const { header, payload } = framesOf(base)[0]!;
  return assembled(base.slice(0, HEADER_BYTES), [{ ...header, payload }, ...pieces]);
}

const BLOCK = { type: RECORDS, firstSeq: 1, firstStep: 0, records: 1, steps: 1 };
const first = (payload: Uint8Array, facts: Partial<Piece> = {}): Piece => ({ ...BLOCK, ...facts, payload });

/** The journal with the payload of its first frame of a type replaced. */
function replaced(base: Uint8Array, type: number, payload: Uint8Array): Uint8Array {
  let done = false;
  return rewritten(base, (piece) => {
    if (done || piece.type !== type) return piece;
    done = true;
    return { ...piece, payload };
  });
}

/** The journal with another scenario in its start frame, and a file header that fits. */
function restarted(base: Uint8Array, change: (scenario: Record<string, unknown>) => object): Uint8Array {
  const start = decodeStart(framesOf(base)[0]!.payload);
  const changed = { ...start, scenario: change({ ...start.scenario }) as typeof start.scenario };
  const restart = (piece: Piece): Piece => (piece.type === START ? { ...piece, payload: encodeStart(changed).slice() } : piece);
  return rewritten(base, restart, encodeHeader(changed));
}

/** Many frames behind each other. */
function chained(base: Uint8Array, make: (at: number) => Piece, bytes: number): Uint8Array {
  const pieces: Piece[] = [];
  for (let size = 0, at = 0; size < bytes; at++) {
    const piece = make(at);
    pieces.push(piece);
    size += piece.payload.length + FRAME_HEADER_BYTES + 4;
  }
  return from(base, pieces);
}

/** The columns of a step with one change. */
const ONE_CHANGE = {
  heads: Uint8Array.of(3),
  ids: Uint8Array.of(0),
  backs: Uint8Array.of(0),
  steps: Uint8Array.of(1, 0),
  digests: new Uint8Array(8),
  choices: Uint8Array.of(0),
};

/** The second frame of the file: one whose header is good, wherever it stands. */
const framed = (base: Uint8Array): Uint8Array => base.slice(framesOf(base)[1]!.offset, framesOf(base)[1]!.end);

/** Texts of so many pieces, the first of the file each time. */
const textsOf = (pieces: number, bytes: number): Uint8Array =>
  repeated([...varint(pieces), ...Array.from({ length: pieces }, () => 0)], bytes);

/** A block of messages that one step sends and no step delivers. */
function sends(at: number): Piece {
  const records = BLOCK_RECORDS_MAX;
  const heads = new Uint8Array(records).fill(1);
  if (at > 0) heads[0] = 0;
  const defined = at === 0 ? { pieces: ['{"type":"x"}'], labels: Uint8Array.of(1, 0), events: Uint8Array.of(1, 0) } : {};
  const column = new Uint8Array(records);
  const steps = Uint8Array.from([...varint(records), 0]);
  const peers = column.subarray(at > 0 ? 1 : 0);
  const one = { digests: new Uint8Array(8), choices: Uint8Array.of(0) };
  return first(block({ ...defined, heads, ids: column, backs: column, peers, steps, ...one }), {
    records,
    firstSeq: 1 + at * records,
    firstStep: at,
  });
}

interface Hostile {
  readonly make: (base: Uint8Array) => Uint8Array;
  /** What a reader says about it. */
  readonly says: string;
}

const keys = (count: number): Record<string, null> => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, null]));

/** By what is hostile in it. */
export const HOSTILE: Readonly<Record<string, Hostile>> = {
  'texts of no pieces': {
    make: (base) => from(base, [first(block({ labels: new Uint8Array(60 * MB) }))]),
    says: 'the file defines more than 4194304 texts',
  },
  'texts of one piece': {
    make: (base) => from(base, [first(block({ pieces: ['x'], locals: repeated([1, 0], 12 * MB) }))]),
    says: 'the file defines more than 4194304 texts',
  },
  'texts of empty pieces': {
    make: (base) => from(base, [first(block({ pieces: [''], labels: textsOf(100_000, 20 * MB) }))]),
    says: 'the texts of the file have more than 16777216 pieces',
  },
  'texts of 13 characters a piece': {
    make: (base) => from(base, [first(block({ pieces: ['x'.repeat(13)], events: textsOf(80_000, 20 * MB) }))]),
    says: 'the texts of the file have more than 16777216 pieces',
  },
  'texts of a few long pieces': {
    make: (base) => from(base, [first(block({ pieces: ['x'.repeat(4096)], labels: textsOf(250, 100_000) }))]),
    says: 'characters',
  },
  'a text that is longer than its column': {
    make: (base) => from(base, [first(block({ pieces: ['x'], labels: Uint8Array.from([...varint(16_000_000), 0]) }))]),
    says: 'a text of 16000000 pieces reaches past its end',
  },
  'a text of two million characters': {
    make: (base) => from(base, [first(block({ pieces: ['x'.repeat(4096)], labels: textsOf(500, 502) }))]),
    says: 'a text has more than 1048576 characters',
  },
  'pieces of two characters': {
    make: (base) => {
      const pieces = Array.from({ length: 1_000_000 }, () => 'xy');
      const payload = block({ pieces, locals: Uint8Array.of(1, 0), ...ONE_CHANGE });
      const change = block({ pieces, labels: Uint8Array.of(1, 0), ...ONE_CHANGE, heads: Uint8Array.of(0) });
      return chained(base, (at) => first(at === 0 ? payload : change, { firstSeq: 1 + at, firstStep: at }), 20 * MB);
    },
    says: 'the file defines more than 4194304 pieces of text',
  },
  'more index entries for blocks than frames': {
    make: (base) => replaced(base, INDEX, packed([repeated([1, 1, 1, 0], 60 * MB), NONE])),
    says: 'an entry of the index is about a frame at byte 1, where none fits',
  },
  'more index entries for checkpoints than frames': {
    make: (base) => replaced(base, INDEX, packed([NONE, repeated([1, 1, 1], 10 * MB)])),
    says: 'an entry of the index is about a frame at byte 1, where none fits',
  },
  'messages in a checkpoint': {
    make: (base) => {
      const { actors } = decodeStart(framesOf(base)[0]!.payload);
      return replaced(base, CHECKPOINT, packed([0, new Uint8Array(8), new Uint8Array(actors.length), repeated([1, 0, 0, 0], 60 * MB)]));
    },
    says: 'a checkpoint has more than 1048576 messages in flight',
  },
  'records of one step': {
    make: (base) => {
      const records = 3 * MB;
      const ids = new Uint8Array(records);
      const steps = Uint8Array.from([...varint(records), 0]);
      const columns = { ...ONE_CHANGE, heads: ids.slice().fill(3), ids, backs: ids, steps };
      return from(base, [first(block({ pieces: ['{}'], locals: Uint8Array.of(1, 0), ...columns }), { records })]);
    },
    says: 'it holds 3000000 records; at most 1048576 are allowed',
  },
  'messages that none takes': { make: (base) => chained(base, sends, 10 * MB), says: 'more than 1048576 messages are in flight' },
  'a scenario with a text of 60 MB': {
    make: (base) => replaced(base, START, packed({ scenario: { summary: 'x'.repeat(60 * MB) } })),
    says: 'over 8388608',
  },
  'a scenario of a million entries': {
    make: (base) => restarted(base, (scenario) => ({ ...scenario, claims: Array.from({ length: 1_000_000 }, () => ({})) })),
    says: 'the index is not about the blocks',
  },
  'a scenario with maps of half a million keys': {
    make: (base) => restarted(base, (scenario) => ({ ...scenario, claims: Array.from({ length: 127 }, () => keys(4096)) })),
    says: 'the index is not about the blocks',
  },
  'a map of 5,000 keys': {
    make: (base) => restarted(base, (scenario) => ({ ...scenario, params: keys(5000) })),
    says: 'a map of more than 4096 keys',
  },
  'a seal with many notes': {
    make: (base) => {
      const also = Array.from({ length: 170_000 }, () => ({ property: 'x', message: 'x' }));
      const violation = { property: 'x', step: 1, message: 'x', also };
      const end = { verdict: 'violation', ended: 'done', outcomes: {}, violation };
      return replaced(base, SEAL, packed({ end, records: 1, steps: 1, vtime: 0, digest: new Uint8Array(8), chain: new Uint8Array(32) }));
    },
    says: 'the seal counts 1 records and 1 steps',
  },
  'starts of headers behind a sector of zeros, and damage': {
    make: (base) => joined(base.slice(0, framesOf(base)[0]!.end), new Uint8Array(1024), repeated([0x57], 90 * MB), framed(base)),
    says: 'there is no valid frame header',
  },
  'magic numbers behind a sector of zeros, and damage': {
    make: (base) => {
      const magic = repeated([0x57, 0x53, 0x4a, 0x46, 9, 0, 0, 0, 1, 0, 0, 0], 90 * MB);
      return joined(base.slice(0, framesOf(base)[0]!.end), new Uint8Array(1024), magic, framed(base));
    },
    says: 'there is no valid frame header',
  },
  'frames of a type that this reader skips, and damage': {
    make: (base) => {
      const skipped = chained(base, () => first(Uint8Array.of(0), { type: 9, records: 0, steps: 0 }), 3 * MB);
      return joined(skipped, Uint8Array.of(1));
    },
    says: 'there is no valid frame header',
  },
};
