/**
 * Traffic: how often each transition of each machine was taken over all steps of a search, and what
 * was sent. It is counted when the search is over, over the states that it has kept.
 */
import type { AnyTransitionDefinition } from 'xstate';
import type { Kind } from '../../store.ts';
import type { Traffic } from '../covered/inspection.ts';
import type { Search, Searched } from '../request.ts';
import { Successors } from '../space/successors.ts';

/** States that are gone through between two turns. */
const CHUNK = 1 << 13;

/** What one actor does with one event in one local state. */
interface Reacted {
  readonly definitions: readonly AnyTransitionDefinition[];
  readonly next: number;
  readonly sent: readonly string[];
}

/** Steps that do the same. */
interface Alike {
  readonly reactions: readonly Reacted[];
  count: number;
}

class Counter {
  readonly taken = new Map<AnyTransitionDefinition, number>();
  readonly sent = new Map<AnyTransitionDefinition, Map<string, number>>();
  readonly #searched: Searched;
  /** By kind: `event`, by local state. */
  readonly #reacted: Map<number, Reacted>[][];

  constructor(searched: Searched) {
    this.#searched = searched;
    this.#reacted = searched.world.store.kinds.map(() => []);
  }

  /** What happens in a step over `row`, reaction by reaction. */
  alike(row: ArrayLike<number>, column: number, alternative: number): Alike {
    const { world } = this.#searched;
    const event = world.alternatives(column, row[column]!)[alternative]!;
    const { given } = world.run(row, column, event);
    const isQueue = column >= world.actors;
    const first = isQueue ? [world.channels[column - world.actors]!.to, world.lists.values[row[column]!]![0]!] : [column, event];
    const locals = new Map<number, number>();
    const reactions: Reacted[] = [];
    const all = [...first, ...given];
    for (let i = 0; i < all.length; i += 2) {
      const slot = all[i]!;
      const reaction = this.#react(slot, locals.get(slot) ?? row[slot]!, all[i + 1]!);
      locals.set(slot, reaction.next);
      reactions.push(reaction);
    }
    return { reactions, count: 0 };
  }

  #react(slot: number, local: number, event: number): Reacted {
    const { engine, store } = this.#searched.world;
    const kind = store.kindOfSlot[slot]!;
    const byLocal = this.#reacted[kind.index]!;
    byLocal[local] ??= new Map();
    const known = byLocal[local].get(event);
    if (known) return known;
    const { next, sent } = engine.deliver(slot, local, event);
    const texts: string[] = [];
    for (let i = 0; i < sent.length; i += 2)
      texts.push(`${store.events.values[sent[i + 1]!]!.type} to ${store.kindOfSlot[sent[i]!]!.name}`);
    const reacted = { definitions: definitionsOf(kind, local, store.events.values[event]!), next, sent: texts };
    byLocal[local].set(event, reacted);
    return reacted;
  }

  /** Adds what was counted to what each transition was taken. */
  add({ reactions, count }: Alike): void {
    for (const { definitions, sent } of reactions) {
      for (const definition of definitions) {
        this.taken.set(definition, (this.taken.get(definition) ?? 0) + count);
        if (sent.length === 0) continue;
        const counts = this.sent.get(definition) ?? new Map<string, number>();
        for (const text of sent) counts.set(text, (counts.get(text) ?? 0) + count);
        this.sent.set(definition, counts);
      }
    }
  }
}

const definitionsOf = ({ machine, locals }: Kind, local: number, event: { readonly type: string }): readonly AnyTransitionDefinition[] =>
  machine.getTransitionData(locals.values[local]! as never, event as never) as readonly AnyTransitionDefinition[];

/** Counts over all states that a search has expanded; null where it was stopped. */
export function* trafficOf(searched: Searched): Search<Traffic | null> {
  const { world, space, expanded } = searched;
  const counter = new Counter(searched);
  const successors = new Successors(world, space, expanded);
  const known = new Map<number, Alike>();
  const settle = (): void => {
    for (const alike of known.values()) counter.add(alike);
    known.clear();
  };
  let steps = 0;
  let clearings = 0;
  const countIn = (state: number): void => {
    if (!successors.isOpen(state)) return;
    successors.read(state);
    for (let column = 0; column < space.columns; column++) {
      const alternatives = successors.alternativesOf(column);
      for (let alternative = 0; alternative < alternatives; alternative++) {
        successors.target(state, column, alternative);
        if (successors.clearings !== clearings) settle();
        clearings = successors.clearings;
        let alike = known.get(successors.leaf);
        if (alike === undefined) {
          alike = counter.alike(successors.row, column, alternative);
          known.set(successors.leaf, alike);
        }
        alike.count++;
        steps++;
      }
    }
  };
  for (let state = 0; state < expanded; state++) {
    // What is met here was met in the search: nothing of it is taken once more.
    world.engine.lookAhead(() => countIn(state));
    if (state % CHUNK !== CHUNK - 1) continue;
    if (yield { states: space.count, frontier: expanded - state, transitions: steps, bytes: 0, closing: true }) return null;
  }
  settle();
  return { topology: world.engine.topology, steps, states: space.count, taken: counter.taken, sent: counter.sent };
}
