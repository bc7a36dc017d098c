/**
 * Writes a search into a file that appears whole under its name, and reads it back; no part is used
 * before its checksum is verified.
 */
import { z } from 'zod';
import { crc32c } from '../../replay/crc32c.ts';
import { fileSource } from '../../replay/file-source.ts';
import type { JournalSource } from '../../replay/source.ts';
import { canonical } from '../../sim/canonical.ts';
import type { Dictionary } from '../../sim/explore/space/dictionary.ts';
import type { SearchImage } from '../../sim/explore/space/image.ts';
import { parseJson } from '../../sim/json-text.ts';
import type { PlainWorld } from '../../sim/restore.ts';
import { shortened } from '../../sim/scenario/issues.ts';
import { validateResolved } from '../../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import {
  DICTIONARY,
  DICTIONARY_BYTES_MAX,
  ENTRIES_MAX,
  FORMAT_VERSION,
  ForeignSearchError,
  FRAME,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  HEADER,
  HEADER_BYTES_MAX,
  type Header,
  MAGIC,
  PIECE_BYTES,
  PREAMBLE_BYTES,
  SearchFileError,
} from './image-format.ts';
import { foreignSearch, modelOf } from './same-model.ts';

/** What is searched. */
export interface SearchSubject {
  readonly scenario: ResolvedScenario;
  readonly from: PlainWorld | null;
  /** Choices that lead from the start of the scenario to where the search begins. */
  readonly prefix: readonly string[];
}

export interface StoredSearch extends SearchSubject {
  readonly image: SearchImage;
}

const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const bytesOf = (array: Uint8Array | Uint16Array | Int32Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Typed arrays lie in memory as in the file. */
function refuseBigEndian(): void {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1)
    throw new SearchFileError('a search is written and read on machines that put the low byte first; this one does not');
}

const plainOf = ({ actors, inFlight, step, seq, vtime }: PlainWorld): NonNullable<Header['from']> => ({
  actors: [...actors],
  inFlight: inFlight.map(({ seq, from, to, type, payload }) => ({ seq, from, to, type, payload: { ...payload } })),
  step,
  seq,
  vtime,
});

function headerOf(
  { scenario, from, prefix }: SearchSubject,
  { counts, rows, reactions, ends, ended, findings, reached }: SearchImage,
): Header {
  return {
    ...modelOf(scenario),
    scenario,
    from: from && plainOf(from),
    prefix: [...prefix],
    counts,
    width: rows.BYTES_PER_ELEMENT as 1 | 2 | 4,
    sizes: { reactions: reactions.length, ends: ends.length, ended: ended.length },
    findings: [...findings],
    reached: reached.map(([id, first]) => [id, first]),
  };
}

function* framesOf(type: number, payload: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < payload.length; at += PIECE_BYTES) {
    const piece = payload.subarray(at, Math.min(at + PIECE_BYTES, payload.length));
    yield frameHeader(type, piece);
    yield piece;
  }
}

/** Ends with a piece that is not full, so that a reader knows the last one. */
function* dictionaryFrames(text: Uint8Array): Generator<Uint8Array> {
  yield* framesOf(FRAME.dictionary, text);
  if (text.length % PIECE_BYTES === 0) yield frameHeader(FRAME.dictionary, new Uint8Array(0));
}

function frameHeader(type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, payload.length, true);
  view.setUint32(8, crc32c(payload), true);
  view.setUint32(12, crc32c(bytes, 0, 12), true);
  return bytes;
}

/** The bytes of the file, in pieces. */
export function* encodeSearch(subject: SearchSubject, image: SearchImage): Generator<Uint8Array> {
  refuseBigEndian();
  const header = ascii(canonical(headerOf(subject, image)));
  const preamble = new Uint8Array(PREAMBLE_BYTES);
  const view = new DataView(preamble.buffer);
  preamble.set(ascii(MAGIC));
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, header.length, true);
  view.setUint32(16, crc32c(header), true);
  view.setUint32(20, crc32c(preamble, 0, 20), true);
  yield preamble;
  yield header;
  yield* dictionaryFrames(ascii(canonical(image.dictionary)));
  yield* framesOf(FRAME.reactions, bytesOf(image.reactions));
  yield* framesOf(FRAME.rows, bytesOf(image.rows));
  yield* framesOf(FRAME.parent, bytesOf(image.parent));
  yield* framesOf(FRAME.via, bytesOf(image.via));
  yield* framesOf(FRAME.ends, bytesOf(image.ends));
  yield* framesOf(FRAME.ended, bytesOf(image.ended));
  yield frameHeader(FRAME.end, new Uint8Array(0));
}

/** Reads frames one after the other. */
class FrameReader {
  readonly #source: JournalSource;
  #at = 0;

  constructor(source: JournalSource) {
    this.#source = source;
  }

  get left(): number {
    return this.#source.size - this.#at;
  }

  take(length: number, what: string): Uint8Array {
    if (length > this.left) throw new SearchFileError(`it ends after ${this.#source.size} bytes, within ${what}`);
    const bytes = this.#source.read(this.#at, length);
    this.#at += length;
    return bytes;
  }

  /** The payload of the next frame, which must be of this type. */
  frame(type: number, what: string): Uint8Array {
    const at = this.#at;
    const bytes = this.take(FRAME_HEADER_BYTES, what);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const length = view.getUint32(4, true);
    if (view.getUint32(12, true) !== crc32c(bytes, 0, 12) || view.getUint32(0, true) !== type || length > FRAME_BYTES_MAX)
      throw new SearchFileError(`byte ${at} does not begin ${what}`);
    const payload = this.take(length, what);
    if (view.getUint32(8, true) !== crc32c(payload)) throw new SearchFileError(`${what}, from byte ${at} on, is damaged`);
    return payload;
  }

  /** As many bytes as there must be, from as many frames as they take. */
  column(type: number, size: number, what: string): Uint8Array {
    if (size > this.left) throw new SearchFileError(`it ends after ${this.#source.size} bytes, within ${what}`);
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const piece = this.frame(type, what);
      if (piece.length === 0 || piece.length > size - at)
        throw new SearchFileError(`${what} has not the ${size} bytes that its header says`);
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }
}

function readHeader(reader: FrameReader): Header {
  const bytes = reader.take(PREAMBLE_BYTES, 'its first bytes');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (Buffer.from(bytes.subarray(0, 8)).toString('latin1') !== MAGIC) throw new SearchFileError('it is not a stored search');
  if (view.getUint32(20, true) !== crc32c(bytes, 0, 20)) throw new SearchFileError('its first bytes are damaged');
  const version = view.getUint32(8, true);
  if (version !== FORMAT_VERSION)
    throw new SearchFileError(`it has format ${version}; this version of worldswitch reads format ${FORMAT_VERSION}`);
  const length = view.getUint32(12, true);
  if (length > HEADER_BYTES_MAX) throw new SearchFileError(`its header would have ${length} bytes, more than ${HEADER_BYTES_MAX}`);
  const text = reader.take(length, 'its header');
  if (view.getUint32(16, true) !== crc32c(text)) throw new SearchFileError('its header is damaged');
  return HEADER.parse(parseJson(Buffer.from(text).toString('latin1')));
}

/** Pieces of a JSON text, up to the frame that completes it. */
function readDictionary(reader: FrameReader): Dictionary {
  let text = '';
  for (;;) {
    const piece = reader.frame(FRAME.dictionary, 'its dictionary');
    text += Buffer.from(piece).toString('latin1');
    if (text.length > DICTIONARY_BYTES_MAX) throw new SearchFileError(`its dictionary has more than ${DICTIONARY_BYTES_MAX} bytes`);
    // All pieces but the last are full.
    if (piece.length < PIECE_BYTES) return DICTIONARY.parse(parseJson(text, ENTRIES_MAX));
  }
}

const WIDTHS = { 1: Uint8Array, 2: Uint16Array, 4: Int32Array } as const;
const integers = (bytes: Uint8Array): Int32Array => new Int32Array(bytes.buffer);

/** @throws SearchFileError, ForeignSearchError, ResolvedScenarioError */
export function decodeSearch(source: JournalSource): StoredSearch {
  refuseBigEndian();
  const reader = new FrameReader(source);
  try {
    const header = readHeader(reader);
    const foreign = foreignSearch(header, header.scenario);
    if (foreign !== null) throw new ForeignSearchError(foreign);
    const { counts, width, sizes, findings, reached, from, prefix } = header;
    const scenario = validateResolved(header.scenario);
    const dictionary = readDictionary(reader);
    const reactions = integers(reader.column(FRAME.reactions, 4 * sizes.reactions, 'its list of reactions'));
    const rows = new WIDTHS[width](reader.column(FRAME.rows, counts.states * counts.columns * width, 'its states').buffer as ArrayBuffer);
    const parent = integers(reader.column(FRAME.parent, 4 * counts.states, 'its links'));
    const via = integers(reader.column(FRAME.via, 4 * counts.states, 'its alternatives'));
    const ends = integers(reader.column(FRAME.ends, 4 * sizes.ends, 'its ends of runs'));
    const ended = integers(reader.column(FRAME.ended, 4 * sizes.ended, 'its ends of runs'));
    reader.frame(FRAME.end, 'its last frame');
    if (reader.left > 0) throw new SearchFileError(`${reader.left} bytes follow its last frame`);
    const image = { counts, dictionary, reactions, findings, reached, rows, parent, via, ends, ended };
    return { scenario, from: from && ({ ...from, actors: new Map(from.actors) } as PlainWorld), prefix, image };
  } catch (error) {
    // What does not parse is damage that the checksums did not find.
    if (error instanceof z.ZodError || error instanceof SyntaxError)
      throw new SearchFileError(
        error instanceof SyntaxError
          ? `its header or its dictionary is no JSON of a search: ${shortened(error.message)}`
          : 'its header or its dictionary says nothing that a search has',
      );
    throw error;
  }
}

/** @throws the system's error, SearchFileError, ForeignSearchError, ResolvedScenarioError */
export function readSearch(path: string): StoredSearch {
  const source = fileSource(path);
  try {
    return decodeSearch(source);
  } finally {
    source.close();
  }
}
