/**
 * The texts of one kind that a journal defines, as the pieces that they are made of: joined when
 * asked for, as pieces are shared and a small file can ask for much memory.
 */
import { type Place, UndecodableError } from './errors.ts';
import { lastNotAfter } from './last-not-after.ts';
import { REFERENCES_MAX, TEXTS_MAX } from './limits.ts';
import { ColumnReader } from './varint.ts';

const TEXT_CHARS_MAX = 1 << 20;

export class TextTable {
  readonly #name: string;
  /** The pieces of all texts, one after the other, and where each text ends among them. */
  #references = new Int32Array(1024);
  #ends = new Int32Array(256);
  #size = 0;
  /** Where texts were defined: the first of each place, and the place. */
  readonly #firsts: number[] = [];
  readonly #places: Place[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  get size(): number {
    return this.#size;
  }
  get references(): number {
    return this.#size === 0 ? 0 : this.#ends[this.#size - 1]!;
  }

  /** @returns how many characters the texts of the column have */
  load(place: Place, bytes: Uint8Array, pieces: readonly string[]): number {
    if (bytes.length > 0) {
      this.#firsts.push(this.#size);
      this.#places.push(place);
    }
    let chars = 0;
    for (const column = new ColumnReader(bytes, this.#name); !column.done; ) {
      if (this.#size === TEXTS_MAX) throw new UndecodableError(`the file defines more than ${TEXTS_MAX} texts`);
      chars += this.#add(column, pieces);
    }
    return chars;
  }

  #add(column: ColumnReader, pieces: readonly string[]): number {
    const from = this.references;
    const count = column.next(Number.MAX_SAFE_INTEGER);
    if (count > column.left) throw new UndecodableError(`column ${this.#name}: a text of ${count} pieces reaches past its end`);
    if (from + count > REFERENCES_MAX) throw new UndecodableError(`the texts of the file have more than ${REFERENCES_MAX} pieces`);
    this.#references = withRoom(this.#references, from + count);
    this.#ends = withRoom(this.#ends, this.#size + 1);
    let chars = 0;
    for (let at = from; at < from + count; at++) {
      const piece = column.next(pieces.length - 1);
      this.#references[at] = piece;
      chars += pieces[piece]!.length;
    }
    if (chars > TEXT_CHARS_MAX) throw new UndecodableError(`a text has more than ${TEXT_CHARS_MAX} characters`);
    this.#ends[this.#size++] = from + count;
    return chars;
  }

  text(id: number, pieces: readonly string[]): string {
    let text = '';
    for (let at = id === 0 ? 0 : this.#ends[id - 1]!; at < this.#ends[id]!; at++) text += pieces[this.#references[at]!]!;
    return text;
  }

  placeOf(id: number): Place {
    return this.#places[lastNotAfter(this.#firsts, id, (first) => first)]!;
  }
}

/** The array itself, or a longer copy. */
function withRoom(array: Int32Array<ArrayBuffer>, size: number): Int32Array<ArrayBuffer> {
  if (size <= array.length) return array;
  const grown = new Int32Array(Math.max(2 * array.length, size));
  grown.set(array);
  return grown;
}
