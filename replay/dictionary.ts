/**
 * The texts of a journal, each once: labels, events and local states, written as lists of pieces
 * that many of them share.
 */
import type { JsonObject } from '../events/journal.ts';
import { canonical } from '../sim/canonical.ts';
import { sizeOfJson } from '../sim/json-text.ts';
import { DEPTH_MAX } from './codec-msgpack.ts';
import { decodedAt, type Place, UndecodableError } from './errors.ts';
import { PIECES_MAX, REFERENCES_MAX, TEXTS_MAX } from './limits.ts';
import { cut, keyOf, LONG_CHARS, PIECE_CHARS_MAX } from './pieces.ts';
import { TextTable } from './text-table.ts';
import { Column } from './varint.ts';

export const LABELS = 0;
export const EVENTS = 1;
export const LOCALS = 2;
const TABLES = ['labels', 'events', 'locals'] as const;
type TableIndex = typeof LABELS | typeof EVENTS | typeof LOCALS;

/**
 * All texts of a file together. Pieces are shared, so a small file can ask for much: beyond the
 * first characters, it may have so many for each of its bytes that define texts.
 */
const TOTAL_CHARS_MAX = 1 << 28;
const FIRST_CHARS = 1 << 24;
const CHARS_OF_A_BYTE = 64;

/** What a record block adds to the dictionaries. */
export interface Definitions {
  readonly pieces: readonly string[];
  /** By table: for each new text the number of its pieces, then their ids. */
  readonly texts: readonly [Uint8Array, Uint8Array, Uint8Array];
}

/** Numbers texts by first appearance, and keeps what the present block has to define. */
export class DictionaryWriter {
  readonly #pieces = new Map<string, number>();
  readonly #ids = TABLES.map(() => new Map<string, number>());
  /** Entries so far. More than the maps hold where another writer defined a text twice. */
  readonly #sizes = [0, 0, 0];
  #pieceCount = 0;
  #newPieces: string[] = [];
  readonly #newTexts = TABLES.map(() => new Column());
  /** Texts that the present block defines, and the bytes of their pieces. */
  defined = 0;
  pieceBytes = 0;

  add(table: TableIndex, text: string): number {
    const ids = this.#ids[table]!;
    const pieces = text.length > LONG_CHARS ? this.#piecesOf(text) : null;
    const key = pieces === null ? text : keyOf(pieces);
    const known = ids.get(key);
    if (known !== undefined) return known;
    const id = this.#sizes[table]!++;
    ids.set(key, id);
    this.defined++;
    const column = this.#newTexts[table]!;
    const all = pieces ?? this.#piecesOf(text);
    column.push(all.length);
    for (const piece of all) column.push(piece);
    return id;
  }

  #piecesOf(text: string): number[] {
    return cut(text).map((piece) => this.#piece(piece));
  }

  #piece(text: string): number {
    const known = this.#pieces.get(text);
    if (known !== undefined) return known;
    const id = this.#pieceCount++;
    this.#pieces.set(text, id);
    this.#newPieces.push(text);
    this.pieceBytes += text.length + 2;
    return id;
  }

  get definitions(): Definitions {
    const [labels, events, locals] = this.#newTexts;
    return { pieces: this.#newPieces, texts: [labels!.view(), events!.view(), locals!.view()] };
  }

  get bytes(): number {
    return this.pieceBytes + this.#newTexts[0]!.length + this.#newTexts[1]!.length + this.#newTexts[2]!.length;
  }

  /** Starts the next block: what is numbered so far stays. */
  next(): void {
    this.#newPieces = [];
    for (const column of this.#newTexts) column.length = 0;
    this.defined = 0;
    this.pieceBytes = 0;
  }

  /** Takes over what a file defines, to go on writing it. */
  resume(read: Dictionary): void {
    for (const piece of read.pieces) this.#pieces.set(piece, this.#pieceCount++);
    for (const table of [LABELS, EVENTS, LOCALS] as const)
      for (let id = 0; id < read.sizes[table]; id++) {
        const key = this.#known(read.text(table, id));
        if (key !== null) this.#ids[table]!.set(key, this.#sizes[table]!);
        this.#sizes[table]!++;
      }
  }

  /** What tells a text of the file apart; null for a long one that another writer has cut. */
  #known(text: string): string | null {
    if (text.length <= LONG_CHARS) return text;
    const pieces = cut(text).map((piece) => this.#pieces.get(piece));
    return pieces.includes(undefined) ? null : keyOf(pieces as number[]);
  }
}

export interface EventEntry {
  readonly type: string;
  readonly from: string | null;
  readonly payload: JsonObject;
}

interface LabelEntry {
  readonly label: string;
  /** The part before its operands. */
  readonly offer: string;
}

/** What the values that are kept may weigh, in bytes, roughly: then they are parsed again. */
const KEPT_BYTES_MAX = 1 << 26;
/** An empty map, with its place in another. */
const VALUE_BYTES = 64;

/**
 * The dictionaries as far as they have been read. Values are parsed when first asked for, and
 * frozen: records share them.
 */
export class Dictionary {
  readonly pieces: string[] = [];
  readonly #tables = TABLES.map((name) => new TextTable(name));
  readonly #labels: (LabelEntry | undefined)[] = [];
  readonly #events: (EventEntry | undefined)[] = [];
  readonly #locals: (JsonObject | undefined)[] = [];
  /** What the entries of these three weigh. */
  #kept = 0;
  #chars = 0;
  /** How many bytes define them, pieces included. */
  #bytes = 0;

  get sizes(): readonly [number, number, number] {
    return [this.#tables[LABELS]!.size, this.#tables[EVENTS]!.size, this.#tables[LOCALS]!.size];
  }

  /** @throws UndecodableError if a text refers to a piece that is not there, or passes a limit */
  load(place: Place, definitions: Definitions): void {
    if (definitions.pieces.length > PIECES_MAX - this.pieces.length)
      throw new UndecodableError(`the file defines more than ${PIECES_MAX} pieces of text`);
    for (const piece of definitions.pieces) {
      if (piece.length > PIECE_CHARS_MAX)
        throw new UndecodableError(`a piece of text has ${piece.length} characters, over ${PIECE_CHARS_MAX}`);
      this.pieces.push(piece);
      this.#bytes += piece.length;
    }
    // Filled in front: an array that grows at a random place turns into a slow one.
    const values = [this.#labels, this.#events, this.#locals];
    for (const [table, bytes] of definitions.texts.entries()) {
      const texts = this.#tables[table]!;
      this.#chars += texts.load(place, bytes, this.pieces);
      this.#bytes += bytes.length;
      while (values[table]!.length < texts.size) values[table]!.push(undefined);
    }
    const total = (of: (table: TextTable) => number) => this.#tables.reduce((sum, table) => sum + of(table), 0);
    if (total(({ size }) => size) > TEXTS_MAX) throw new UndecodableError(`the file defines more than ${TEXTS_MAX} texts`);
    if (total(({ references }) => references) > REFERENCES_MAX)
      throw new UndecodableError(`the texts of the file have more than ${REFERENCES_MAX} pieces`);
    const charsMax = Math.min(TOTAL_CHARS_MAX, FIRST_CHARS + CHARS_OF_A_BYTE * this.#bytes);
    if (this.#chars > charsMax) throw new UndecodableError(`the texts of the file have more than ${charsMax} characters`);
  }

  text(table: TableIndex, id: number): string {
    return this.#tables[table]!.text(id, this.pieces);
  }

  label(id: number): string {
    return this.#label(id).label;
  }

  /** What a label offers: the part before its operands. */
  offer(id: number): string {
    return this.#label(id).offer;
  }

  #label(id: number): LabelEntry {
    const known = this.#labels[id];
    if (known) return known;
    const label = this.text(LABELS, id);
    const end = label.indexOf('(');
    this.#keep(label, 1);
    const entry = { label, offer: end < 0 ? label : label.slice(0, end) };
    this.#labels[id] = entry;
    return entry;
  }

  /** @throws JournalDamagedError if the text is no event in canonical form */
  event(id: number): EventEntry {
    const known = this.#events[id];
    if (known) return known;
    const { type, from, ...payload } = this.#parse(EVENTS, id);
    if (typeof type !== 'string' || !(from === undefined || typeof from === 'string')) {
      return this.#refuse(EVENTS, id, 'has no type, or a sender that is no address');
    }
    const entry = { type, from: from ?? null, payload: Object.freeze(payload) };
    this.#events[id] = entry;
    return entry;
  }

  /**
   * `{value, context}`.
   * @throws JournalDamagedError if the text is no local state in canonical form
   */
  local(id: number): JsonObject {
    const known = this.#locals[id];
    if (known) return known;
    const { context, value, ...rest } = this.#parse(LOCALS, id);
    if (context === undefined || value === undefined || Object.keys(rest).length > 0)
      return this.#refuse(LOCALS, id, 'is not {context, value}');
    const entry = Object.freeze({ value, context });
    this.#locals[id] = entry;
    return entry;
  }

  #parse(table: TableIndex, id: number): JsonObject {
    const text = this.text(table, id);
    const { value, values } = decodedAt(this.#tables[table]!.placeOf(id), () =>
      parseCanonical(text, `entry ${id} of the ${TABLES[table]}`),
    );
    this.#keep(text, values);
    return value;
  }

  /** Forgets what was kept where another value would be too much. */
  #keep(text: string, values: number): void {
    this.#kept += text.length + VALUE_BYTES * values;
    if (this.#kept <= KEPT_BYTES_MAX) return;
    for (const entries of [this.#labels, this.#events, this.#locals]) entries.fill(undefined);
    this.#kept = text.length + VALUE_BYTES * values;
  }

  #refuse(table: TableIndex, id: number, reason: string): never {
    return decodedAt(this.#tables[table]!.placeOf(id), () => {
      throw new UndecodableError(`entry ${id} of the ${TABLES[table]} ${reason}`);
    });
  }
}

/**
 * An object from its canonical JSON, and how many values it holds; any other spelling of it is
 * refused, because digests are over the text.
 */
function parseCanonical(text: string, what: string): { readonly value: JsonObject; readonly values: number } {
  const { depth, values } = sizeOfJson(text);
  if (depth > DEPTH_MAX) throw new UndecodableError(`${what} nests deeper than ${DEPTH_MAX}`);
  let value: unknown;
  let again: string;
  try {
    value = JSON.parse(text);
    again = canonical(value);
  } catch (error) {
    throw new UndecodableError(`${what} is not canonical JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (again !== text) throw new UndecodableError(`${what} is not in canonical form`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new UndecodableError(`${what} is not an object`);
  freeze(value);
  return { value: value as JsonObject, values };
}

/** Records share what is parsed once, so no caller may change it. */
function freeze(value: object): void {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) freeze(part);
  Object.freeze(value);
}
