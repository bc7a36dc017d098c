/**
 * Exact symmetry: actors that a model takes for interchangeable are permuted in every way, and of
 * all rows that come out the least one stands for the orbit. No sorting heuristic, so nothing can
 * be missed; the price is a permutation count that must stay small. That the model has the symmetry
 * is checked on every reaction and every offer that the search has met: see `verify()`.
 */
import type { ActorId } from '../../../events/event.ts';
import { canonical } from '../../canonical.ts';
import type { WorldStep } from '../../rows/world-step.ts';
import type { Bundle, Kind } from '../../store.ts';
import { Image, products } from './image.ts';
import { rowKey } from './row-key.ts';

/** Permutations tried for each state. */
const PERMUTATIONS_MAX = 5_040;

/**
 * The model has no symmetry, too many permutations to try, or not the symmetry that it declares.
 */
export class SymmetryError extends Error {
  override readonly name = 'SymmetryError';
}

export const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));

export class Symmetry {
  /** How many rows an orbit has at most. */
  readonly factor: number;
  readonly #world: WorldStep;
  /** One for each renaming, the one that changes nothing among them. */
  readonly images: readonly Image[];
  /** Reactions that have been compared with their renamings, and the renamings themselves. */
  readonly #verified = new Set<string>();
  /** By kind, how many local states have been. */
  readonly #offered: number[];
  #misses = 0;

  /** @throws SymmetryError */
  constructor(world: WorldStep, interchangeable: readonly (readonly (ActorId | Bundle)[])[]) {
    this.#world = world;
    const groups = interchangeable.map((group) => group.map((one): Bundle => (typeof one === 'string' ? [one] : one)));
    this.factor = groups.reduce((product, group) => product * factorial(group.length), 1);
    if (this.factor < 2) throw new SymmetryError('no two actors of the model are interchangeable (docs/large-spaces.md says which can be)');
    if (this.factor > PERMUTATIONS_MAX)
      throw new SymmetryError(`the model has ${this.factor} permutations, more than the ${PERMUTATIONS_MAX} that are tried for each state`);
    this.images = [...products(groups)].map((ids) => new Image(world, ids));
    this.#offered = world.store.kinds.map(() => 0);
  }

  /** The least image of a row: equal for all rows of an orbit. */
  leastOf(row: readonly number[]): string {
    let least = '';
    for (const [i, image] of this.images.entries()) {
      const key = rowKey(image.row(row), this.#world.actors);
      if (i === 0 || key < least) least = key;
    }
    return least;
  }

  /** Every image of a row, the row itself first. */
  *imagesOf(row: readonly number[]): Generator<readonly number[]> {
    for (const image of this.images) yield image.row(row);
  }

  /**
   * Compares every reaction and every offer that was met since the last call with its renaming: an
   * actor of another name, given the message with the names exchanged, does the same with the names
   * exchanged. So a step out of one state of an orbit is a step out of each.
   * @throws SymmetryError at the first that does not
   */
  verify(): void {
    const { engine, store } = this.#world;
    if (engine.misses === this.#misses) return;
    const met = engine.remembered();
    for (let at = 0; at < met.length; at += 3) {
      const [kind, local, event] = [met[at]!, met[at + 1]!, met[at + 2]!];
      if (this.#verified.has(`${kind},${local},${event}`)) continue;
      for (const image of this.images) this.#verifyReaction(image, store.kinds[kind]!, local, event);
    }
    for (const kind of store.kinds) {
      const { size } = kind.locals;
      for (let local = this.#offered[kind.index]!; local < size; local++)
        for (const image of this.images) this.#verifyOffers(image, kind, local);
      this.#offered[kind.index] = size;
    }
    this.#misses = engine.misses;
  }

  #verifyReaction(image: Image, kind: Kind, local: number, event: number): void {
    const { engine, store } = this.#world;
    const slot = store.kindOfSlot.indexOf(kind);
    const told = (to: readonly number[], name: (slot: number) => number, message: (event: number) => number) =>
      to.map((value, i) => (i % 2 === 0 ? name(value) : message(value)));
    const { next, sent } = engine.deliver(slot, local, event);
    const expected = {
      next: image.local(kind, next),
      sent: told(
        sent,
        (to) => image.slot(to),
        (one) => image.event(one),
      ),
    };
    const renamed = { local: image.local(kind, local), event: image.event(event) };
    const found = this.#delivered(image.slot(slot), renamed.local, renamed.event);
    this.#verified.add(`${kind.index},${renamed.local},${renamed.event}`);
    if (found !== null && canonical({ next: found.next, sent: found.sent }) === canonical(expected)) return;
    this.#refuse(image, `${kind.name} in ${canonical(kind.locals.values[local]!.value)} with ${store.events.texts[event]!}`);
  }

  /** Null where the actor has no answer. */
  #delivered(slot: number, local: number, event: number): { readonly next: number; readonly sent: readonly number[] } | null {
    try {
      return this.#world.engine.deliver(slot, local, event);
    } catch {
      return null;
    }
  }

  #verifyOffers(image: Image, kind: Kind, local: number): void {
    const { offers } = this.#world;
    const here = offers.of(kind, local);
    const there = offers.of(kind, image.local(kind, local));
    const sorted = (events: readonly number[]) => [...events].sort((one, other) => one - other).join();
    for (const which of ['exec', 'other'] as const)
      if (sorted(here[which].map((event) => image.event(event))) !== sorted(there[which]))
        this.#refuse(image, `what ${kind.name} offers in ${canonical(kind.locals.values[local]!.value)}`);
  }

  #refuse({ ids }: Image, what: string): never {
    const moved = [...ids].flatMap(([one, other]) => (one === other ? [] : [`${one} is called ${other}`]));
    throw new SymmetryError(
      `the model tells interchangeable actors apart, so no state can stand for others: ${what} is not the same where ${moved.join(', ')} (in a module of your own a list of ids keeps its order unless \`sets\` names it)`,
    );
  }
}
