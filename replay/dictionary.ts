/**
 * The texts of a journal, each once: labels, events and local states, written as lists of pieces
 * that many of them share.
 */
import type { JsonObject } from '../events/journal.ts';
import { canonical } from '../sim/canonical.ts';
import { DEPTH_MAX } from './codec-msgpack.ts';
import { decodedAt, type Place, UndecodableError } from './errors.ts';
import { Column, ColumnReader } from './varint.ts';

export const LABELS = 0;
export const EVENTS = 1;
export const LOCALS = 2;
const TABLES = ['labels', 'events', 'locals'] as const;
type TableIndex = typeof LABELS | typeof EVENTS | typeof LOCALS;

const PIECE_CHARS_MAX = 4096;
const TEXT_CHARS_MAX = 1 << 20;
/** All texts of a file together. Pieces are shared, so a small file can ask for much memory. */
const TOTAL_CHARS_MAX = 1 << 28;

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
    const known = ids.get(text);
    if (known !== undefined) return known;
    const id = this.#sizes[table]!++;
    ids.set(text, id);
    this.defined++;
    const pieces = cut(text);
    const column = this.#newTexts[table]!;
    column.push(pieces.length);
    for (const piece of pieces) column.push(this.#piece(piece));
    return id;
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
    for (const [table, texts] of read.texts.entries()) for (const text of texts) this.#ids[table]!.set(text, this.#sizes[table]!++);
  }
}

/**
 * Where a text is cut is the writer's business: after commas, because fields recur where whole
 * texts do not.
 */
function cut(text: string): string[] {
  const pieces: string[] = [];
  let from = 0;
  while (from < text.length) {
    const comma = text.indexOf(',', from);
    const end = Math.min(comma < 0 ? text.length : comma + 1, from + PIECE_CHARS_MAX);
    pieces.push(text.slice(from, end));
    from = end;
  }
  return pieces;
}

export interface EventEntry {
  readonly type: string;
  readonly from: string | null;
  readonly payload: JsonObject;
}

/**
 * The dictionaries as far as they have been read. Values are parsed when first asked for, and
 * frozen: records share them.
 */
export class Dictionary {
  readonly pieces: string[] = [];
  readonly texts: readonly string[][] = TABLES.map(() => []);
  readonly #places: Place[][] = TABLES.map(() => []);
  readonly #offers: (string | undefined)[] = [];
  readonly #events: (EventEntry | undefined)[] = [];
  readonly #locals: (JsonObject | undefined)[] = [];
  #chars = 0;

  get sizes(): readonly [number, number, number] {
    return [this.texts[LABELS]!.length, this.texts[EVENTS]!.length, this.texts[LOCALS]!.length];
  }

  /** @throws UndecodableError if a text refers to a piece that is not there, or passes a limit */
  load(place: Place, definitions: Definitions): void {
    for (const piece of definitions.pieces) {
      if (piece.length > PIECE_CHARS_MAX)
        throw new UndecodableError(`a piece of text has ${piece.length} characters, over ${PIECE_CHARS_MAX}`);
      this.pieces.push(piece);
    }
    // Filled in front: an array that grows at a random place turns into a slow one.
    const values = [this.#offers, this.#events, this.#locals];
    for (const [table, bytes] of definitions.texts.entries()) {
      const column = new ColumnReader(bytes, TABLES[table]!);
      while (!column.done) {
        this.texts[table]!.push(this.#text(column));
        this.#places[table]!.push(place);
        values[table]!.push(undefined);
      }
    }
  }

  #text(column: ColumnReader): string {
    let text = '';
    for (let left = column.next(TEXT_CHARS_MAX); left > 0; left--) {
      text += this.pieces[column.next(this.pieces.length - 1)]!;
      if (text.length > TEXT_CHARS_MAX) throw new UndecodableError(`a text has more than ${TEXT_CHARS_MAX} characters`);
    }
    this.#chars += text.length;
    if (this.#chars > TOTAL_CHARS_MAX) throw new UndecodableError(`the texts of the file have more than ${TOTAL_CHARS_MAX} characters`);
    return text;
  }

  label(id: number): string {
    return this.texts[LABELS]![id]!;
  }

  /** What a label offers: the part before its operands. */
  offer(id: number): string {
    const known = this.#offers[id];
    if (known !== undefined) return known;
    const label = this.label(id);
    const end = label.indexOf('(');
    const offer = end < 0 ? label : label.slice(0, end);
    this.#offers[id] = offer;
    return offer;
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
    const text = this.texts[table]![id]!;
    return decodedAt(this.#places[table]![id]!, () => parseCanonical(text, `entry ${id} of the ${TABLES[table]}`));
  }

  #refuse(table: TableIndex, id: number, reason: string): never {
    return decodedAt(this.#places[table]![id]!, () => {
      throw new UndecodableError(`entry ${id} of the ${TABLES[table]} ${reason}`);
    });
  }
}

/**
 * An object from its canonical JSON; any other spelling of it is refused, because digests are over
 * the text.
 */
function parseCanonical(text: string, what: string): JsonObject {
  if (depthOf(text) > DEPTH_MAX) throw new UndecodableError(`${what} nests deeper than ${DEPTH_MAX}`);
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
  return value as JsonObject;
}

/** Records share what is parsed once, so no caller may change it. */
function freeze(value: object): void {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) freeze(part);
  Object.freeze(value);
}

/** How deep the JSON nests. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (quoted) {
      if (c === 0x5c) at++;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x7b || c === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (c === 0x7d || c === 0x5d) depth--;
  }
  return deepest;
}
