/** Draws and changes plain data at random: the same seed gives the same input on every machine. */
import { Prng } from '../../sim/prng.ts';

const ODD: readonly unknown[] = [
  ...[null, true, false, 0, 1, -1, 2, 63, 64, 65, 255, 4096, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, -0, 0.5, 1e300],
  ...['', 'x', '0', '-', '..', '$n', '__proto__', 'constructor', '\u0000', '\ud800', 'é', 'a'.repeat(300), '0x10', '1/2', 'vm0/0'],
  ...[[], {}, [[]], [{}], [null]],
];

export class Draw {
  readonly #prng: Prng;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  below(count: number): number {
    return this.#prng.uint32() % count;
  }
  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
  chance(of: number): boolean {
    return this.below(of) === 0;
  }
  odd(): unknown {
    return structuredClone(this.one(ODD));
  }

  /** The bytes with a few of them changed, left out or repeated. */
  bytes(content: Uint8Array): Uint8Array {
    const changed = [...content];
    for (let left = 1 + this.below(4); left > 0; left--) {
      const at = this.below(changed.length + 1);
      const how = this.below(3);
      if (how === 0) changed[at] = this.one([0, 1, 0x7f, 0x80, 0xc1, 0xdd, 0xff, this.below(256)]);
      else if (how === 1) changed.splice(at, 1 + this.below(3));
      else changed.splice(at, 0, ...changed.slice(at, at + 1 + this.below(8)));
    }
    return Uint8Array.from(changed);
  }

  /** The value with a few of its parts changed: left out, repeated, exchanged, or odd. */
  plain(value: unknown): unknown {
    let changed = structuredClone(value);
    for (let left = 1 + this.below(3); left > 0; left--) {
      const places = placesIn(changed);
      if (places.length === 0) return this.odd();
      changed = this.#changed(changed, places);
    }
    return changed;
  }

  #changed(root: unknown, places: readonly PlaceIn[]): unknown {
    const { holder, key } = this.one(places);
    const other = this.one(places);
    const how = this.below(5);
    if (how === 0 && Array.isArray(holder)) holder.splice(Number(key), 1);
    else if (how === 0) delete holder[key];
    else if (how === 1 && Array.isArray(holder)) holder.splice(Number(key), 0, structuredClone(holder[key]));
    else if (how === 1) holder[other.key] = structuredClone(holder[key]);
    else if (how === 2) holder[key] = structuredClone(other.holder[other.key]);
    else if (how === 3 && typeof holder[key] === 'number') holder[key] = (holder[key] as number) + this.one([-1, 1, 1000]);
    else holder[key] = this.odd();
    return root;
  }
}

/** A list, or a map: indices are keys. */
type Holder = Record<string, unknown>;

interface PlaceIn {
  readonly holder: Holder;
  readonly key: string;
}

/** Every place of the value, inside lists and maps. */
function placesIn(value: unknown): PlaceIn[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  const holder = value as Holder;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...placesIn(holder[key])]);
}
