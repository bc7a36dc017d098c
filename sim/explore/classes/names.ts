/**
 * CPUs renamed: of the classes over a program part that differ by the names of CPUs one is kept.
 * What a renaming makes of a configuration is found out once; most program parts name no CPU.
 */
import type { ActorId } from '../../../events/event.ts';
import type { PropertyWatch } from '../../property.ts';
import type { Bundle } from '../../store.ts';
import type { Image } from '../reduce/image.ts';
import { factorial, Symmetry, SymmetryError } from '../reduce/symmetry.ts';
import { type Parts, SCHEDULES, TASK } from './parts.ts';

const FIXED = 1;
const CHANGED = 2;

/** Renamings tried for each class. */
const RENAMINGS_MAX = 120;

type Interchangeable = readonly (readonly (ActorId | Bundle)[])[];

/** The groups of actors that schedule, if there are not too many of them. */
export function renameable(parts: Parts, interchangeable: Interchangeable): Interchangeable {
  const { store } = parts.world;
  const schedules = (id: ActorId): boolean => parts.roles[store.slotOf.get(id)!] === SCHEDULES;
  const groups = interchangeable.filter((group) => group.every((one) => (typeof one === 'string' ? [one] : one).some(schedules)));
  return groups.reduce((product, group) => product * factorial(group.length), 1) <= RENAMINGS_MAX ? groups : [];
}

export class Names {
  readonly symmetry: Symmetry;
  /** Renamings that change something. */
  readonly images: readonly Image[];
  readonly #parts: Parts;
  /** Places of the program part in which a renaming has changed some value, in order. */
  readonly places: number[] = [];
  /** By place and value: whether every renaming leaves both as they are; 0 where not known. */
  readonly #fixed: Uint8Array[] = [];
  /** By renaming, place and value. */
  readonly #values: number[][][];
  #placed = 0;
  #allInPlace = true;
  /** By renaming and kind: what programs of tasks become. */
  readonly #programs: number[][][];

  /** @throws SymmetryError */
  constructor(parts: Parts, interchangeable: Interchangeable) {
    this.#parts = parts;
    this.symmetry = new Symmetry(parts.world, interchangeable);
    this.images = this.symmetry.images.filter(({ ids }) => [...ids].some(([one, other]) => one !== other));
    this.#values = this.images.map(() => []);
    this.#programs = this.images.map(() => parts.world.store.kinds.map(() => []));
  }

  /** Whether no renaming changes what stands in a place of the program part. */
  isFixed(place: number, value: number): boolean {
    const known = this.#fixed[place]?.[value];
    return known ? known === FIXED : this.#findFixed(place, value);
  }

  #findFixed(place: number, value: number): boolean {
    const isFixed = this.images.every((_, at) => {
      const [to, image] = this.#imageOf(at, place, value);
      return to === place && image === value;
    });
    const known = this.#fixed[place] ?? new Uint8Array(8);
    const roomy = value < known.length ? known : new Uint8Array(2 * value);
    roomy.set(known);
    roomy[value] = isFixed ? FIXED : CHANGED;
    this.#fixed[place] = roomy;
    if (!isFixed && !this.places.includes(place)) this.places.splice(this.places.filter((each) => each < place).length, 0, place);
    return isFixed;
  }

  /** Whether renamings leave every value in its place. */
  get isInPlace(): boolean {
    const { program, world } = this.#parts;
    while (this.#placed < program.length && this.#allInPlace) {
      const column = program[this.#placed]!;
      const slots = column < world.actors ? [column] : Object.values(world.channels[column - world.actors]!);
      this.#allInPlace = slots.every((slot) => this.images.every((image) => image.slot(slot) === slot));
      this.#placed++;
    }
    return this.#allInPlace;
  }

  /** What a renaming makes of the value of a place that it leaves there. */
  value(at: number, place: number, value: number): number {
    this.#values[at]![place] ??= [];
    const known = this.#values[at]![place]!;
    known[value] ??= this.#imageOf(at, place, value)[1];
    return known[value];
  }

  /** What a renaming makes of a program part. */
  program(at: number, program: ArrayLike<number>): number[] {
    const image: number[] = [];
    for (let place = 0; place < program.length; place++) {
      const value = program[place]!;
      // Another queue may come to stand where an empty one was.
      if (value === 0 && this.#parts.program[place]! >= this.#parts.world.actors) continue;
      const [to, renamed] = this.#imageOf(at, place, value);
      image[to] = renamed;
    }
    return Array.from(image, (value) => value ?? 0);
  }

  /** What a renaming makes of a configuration, met with this program part. */
  row(at: number, row: readonly number[]): number[] {
    return this.images[at]!.row(row);
  }

  #imageOf(at: number, place: number, value: number): readonly [number, number] {
    const { world, program, inProgram } = this.#parts;
    const image = this.images[at]!;
    const column = program[place]!;
    if (column >= world.actors) {
      if (value === 0) return [place, 0];
      const { from, to } = world.channels[column - world.actors]!;
      const target = world.channel(image.slot(from), image.slot(to));
      this.#parts.fit();
      return [inProgram[target]!, image.list(value)];
    }
    const kind = world.kindOf(column)!;
    const to = inProgram[image.slot(column)]!;
    if (this.#parts.roles[column] !== TASK) return [to, image.local(kind, value)];
    const known = this.#programs[at]![kind.index]!;
    const halves = this.#parts.halvesOf(column);
    known[value] ??= this.#parts.programOf(column, image.local(kind, halves.someLocal(value)));
    return [to, known[value]];
  }

  /**
   * @throws SymmetryError if the model is not the same with other names for what the search has met
   */
  verify(watches: readonly PropertyWatch[]): void {
    this.symmetry.verify();
    for (const watch of watches) for (const image of this.images) this.#verifySight(watch, image);
  }

  /**
   * What a property sees of one actor must tell local states apart as it does under other names.
   */
  #verifySight(watch: PropertyWatch, image: Image): void {
    const { store } = this.#parts.world;
    for (const [slot, kind] of store.kindOfSlot.entries()) {
      if (!watch.isOf(slot)) continue;
      const there = new Map<number, number>();
      const here = new Map<number, number>();
      for (let local = 0; local < kind.locals.size; local++) {
        const [one, other] = [watch.sight(slot, local), watch.sight(image.slot(slot), image.local(kind, local))];
        const same = watch.isEach ? one === other : (there.get(one) ?? other) === other && (here.get(other) ?? one) === one;
        if (!same) this.refuse(watch);
        there.set(one, other);
        here.set(other, one);
      }
    }
  }

  /** Lets a property look at all images of a state. @throws SymmetryError if it tells them apart */
  look(watches: readonly PropertyWatch[], row: readonly number[]): void {
    const { actors } = this.#parts.world;
    // One actor that is evidence by itself is looked at in `verify`.
    const those = watches.filter((watch) => !watch.isEach && !this.#seesNoName(watch, row));
    if (those.length === 0) return;
    const images = this.images.map((image) => image.row(row).slice(0, actors));
    const locals = row.slice(0, actors);
    for (const watch of those) {
      const isEvidence = watch.look(locals, null) !== null;
      if (images.some((image) => (watch.look(image, null) !== null) !== isEvidence)) this.refuse(watch);
    }
  }

  /** Whether nothing that a property sees in a row has another name. */
  #seesNoName(watch: PropertyWatch, row: readonly number[]): boolean {
    const { world } = this.#parts;
    for (let slot = 0; slot < world.actors; slot++) if (watch.isOf(slot) && !this.#isNameless(watch, slot, row[slot]!)) return false;
    return true;
  }

  readonly #nameless = new Map<PropertyWatch, boolean[][]>();

  #isNameless(watch: PropertyWatch, slot: number, local: number): boolean {
    let bySlot = this.#nameless.get(watch);
    if (bySlot === undefined) {
      bySlot = [];
      this.#nameless.set(watch, bySlot);
    }
    bySlot[slot] ??= [];
    const known = bySlot[slot]!;
    const kind = this.#parts.world.kindOf(slot)!;
    known[local] ??= this.images.every(
      (image) => image.slot(slot) === slot && watch.sight(slot, local) === watch.sight(slot, image.local(kind, local)),
    );
    return known[local];
  }

  refuseFirst(): never {
    throw new SymmetryError(
      'the first state is not the same under other names, and the scheduler does not lead from one to the other, so that no state can stand for others by renaming',
    );
  }

  refuse({ property }: PropertyWatch): never {
    throw new SymmetryError(`${property.id} tells CPUs apart by their names`);
  }
}
