/**
 * Canonical texts in short: of a long list, such as the CPUs of a big host, the text of each few
 * entries is kept once and referred to. A state that differs from another in one entry shares all
 * others with it, so that memory grows by what is new.
 */
import { canonical, fieldsOf, sortedKeys } from './canonical.ts';

/** Entries of a list that is written out. */
const LONG = 32;
/** Entries that one reference stands for. */
const FAN = 16;
/** Opens a reference: canonical texts are ASCII. */
const MARK = '\u00a7';
const REFERENCE = /\u00a7([0-9]+);/g;

/** Whether a short text refers to others. */
export const isShortened = (short: string): boolean => short.includes(MARK);

export class Fragments {
  readonly #ids = new Map<string, number>();
  readonly #shorts: string[] = [];
  /** Short texts of long lists by identity. */
  readonly #known = new WeakMap<object, string>();

  /** How many texts are referred to. */
  get size(): number {
    return this.#shorts.length;
  }

  /**
   * The canonical text of a value, in short: the same for equal values alone, and written out where
   * no list is long. The value is kept from change from then on, with all that is in it.
   * @throws NotPlainDataError as `canonical`
   */
  shortOf(value: unknown): string {
    return this.#short(value);
  }

  /** The canonical text that a short one stands for. */
  textOf(short: string): string {
    return isShortened(short) ? short.replace(REFERENCE, (_, id: string) => this.textOf(this.#shorts[Number(id)]!)) : short;
  }

  #short(value: unknown): string {
    if (typeof value !== 'object' || value === null) return canonical(value);
    const isList = Array.isArray(value);
    const keys = isList ? null : sortedKeys(fieldsOf(value));
    const isLong = (keys ?? (value as readonly unknown[])).length > LONG;
    const known = isLong ? this.#known.get(value) : undefined;
    if (known !== undefined) return known;
    const entries = keys === null ? this.#ofList(value as readonly unknown[]) : this.#ofFields(value, keys);
    const text = this.#grouped(entries);
    const short = isList ? `[${text}]` : `{${text}}`;
    Object.freeze(value);
    if (isLong) this.#known.set(value, short);
    return short;
  }

  #ofList(values: readonly unknown[]): string[] {
    const entries: string[] = [];
    for (let i = 0; i < values.length; i++) entries.push(this.#short(values[i]));
    return entries;
  }

  #ofFields(value: object, keys: readonly string[]): string[] {
    const fields = value as Readonly<Record<string, unknown>>;
    const entries: string[] = [];
    for (const key of keys) {
      const field = fields[key];
      if (field !== undefined) entries.push(`${canonical(key)}:${this.#short(field)}`);
    }
    return entries;
  }

  /** The entries of a list one after the other, those of a long one by references. */
  #grouped(entries: readonly string[]): string {
    let level = entries;
    while (level.length > LONG) {
      const groups: string[] = [];
      for (let at = 0; at < level.length; at += FAN) groups.push(this.#reference(level.slice(at, at + FAN).join(',')));
      level = groups;
    }
    return level.join(',');
  }

  #reference(short: string): string {
    let id = this.#ids.get(short);
    if (id === undefined) {
      id = this.#shorts.length;
      this.#ids.set(short, id);
      this.#shorts.push(short);
    }
    return `${MARK}${id};`;
  }
}
