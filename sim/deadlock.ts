/** What can be told of a deadlock: who waits, for what, and who holds it, as far as it is known. */
import type { Deadlocked } from '../events/journal.ts';
import { stateName } from './engine/reaction.ts';
import { hangIn, isAtRest, type Store } from './store.ts';

/**
 * Who changed each actor by a message, the last one first. The scheduler is left out: it only steps
 * others. So is who has only answered: what was asked holds nothing of the one that asked.
 */
export class Changers {
  readonly #of: number[][] = [];

  note(slot: number, from: number): void {
    this.#of[slot] ??= [];
    const known = this.#of[slot]!;
    if (known[0] === from) return;
    const at = known.indexOf(from);
    if (at > 0) known.splice(at, 1);
    known.unshift(from);
  }

  of(slot: number): readonly number[] {
    return this.#of[slot] ?? [];
  }
}

/** Whom each actor asks in its waits: slots by slot. */
export type Asked = ReadonlyMap<number, ReadonlySet<number>>;

/** Every wait of a dead state. */
export function waitsIn(store: Store, locals: readonly number[], asked: Asked, changers: Changers): Deadlocked[] {
  const rests = (slot: number) => isAtRest(store.kindOfSlot[slot]!, locals[slot]!);
  const objects = new Set([...asked.values()].flatMap((slots) => [...slots]));
  const isObject = (slot: number) => objects.has(slot) && !asked.has(slot);
  const stuck = locals.flatMap((_, slot) => (store.kindOfSlot[slot]!.schedules || rests(slot) || isObject(slot) ? [] : [slot]));
  // Where only an object or the scheduler is not at rest, that is all there is to tell.
  const told = stuck.length > 0 ? stuck : locals.flatMap((_, slot) => (rests(slot) ? [] : [slot]));
  return told.flatMap((slot): Deadlocked[] => {
    const actor = store.ids[slot]!;
    const kind = store.kindOfSlot[slot]!;
    const state = hangIn(kind, locals[slot]!) ?? placeOf(kind.locals.values[locals[slot]!]!.value);
    const things = [...(asked.get(slot) ?? [])].sort((a, b) => a - b);
    if (things.length === 0) return [{ actor, state, asleep: isAsleep(store, locals, actor), for: null, heldBy: null }];
    return things.map((thing) => {
      const holder = changers.of(thing).find((other) => asked.get(other)?.has(thing) !== true);
      return { actor, state, asleep: false, for: store.ids[thing]!, heldBy: holder === undefined ? null : store.ids[holder]! };
    });
  });
}

/**
 * Of parallel regions only a thread's code: what the context switch does to it is not where it
 * waits.
 */
function placeOf(value: unknown): string {
  const code = typeof value === 'object' && value !== null ? (value as { readonly code?: unknown }).code : undefined;
  return stateName(code ?? value);
}

function isAsleep(store: Store, locals: readonly number[], actor: string): boolean {
  return locals.some((local, slot) => {
    const kind = store.kindOfSlot[slot]!;
    const { asleep } = kind.locals.values[local]!.context as { readonly asleep?: Readonly<Record<string, unknown>> };
    return kind.schedules && asleep?.[actor] !== undefined;
  });
}

/** The waits as a sentence. */
export const deadlockText = (waits: readonly Deadlocked[]): string =>
  waits
    .map(({ actor, state, asleep, for: thing, heldBy }) =>
      thing === null
        ? `${actor} ${asleep ? 'sleeps' : 'stands'} in ${state}`
        : `${actor} waits for ${thing}${heldBy === null ? '' : `, held by ${heldBy}`}`,
    )
    .join('; ');
