/**
 * The rule of the in-order run, which deviations are counted against: the lowest pCPU runs until it
 * blocks, messages are delivered in order of arrival. A CPU that only waits for others counts as
 * blocked until another one has moved.
 *
 * The rule is a function, so that the chooser which follows it and the search which counts what
 * departs from it cannot differ.
 */
import type { Line } from '../lineup.ts';
import type { Alternative, StepOutcome } from '../sequencer.ts';

/** What the rule remembers between two steps. */
export interface InOrder {
  /** Slot of the CPU stepped last; -1 at the start. */
  readonly running: number;
  /** Slots, ascending, of the CPUs that only wait. */
  readonly waiting: readonly number[];
}

export const AT_START: InOrder = { running: -1, waiting: [] };

/** What the rule looks at; in canonical order. */
export type Candidate = Pick<Alternative, 'kind' | 'slot' | 'arrival'>;

/**
 * Alternatives as the rule asks for them: indices of the canonical order, -1 where there is none.
 */
export interface Candidates {
  /** The first move of the processor in a slot. */
  moveOf(slot: number): number;
  /** The first move of the lowest processor that is not in `waiting`, whose slots ascend. */
  lowestMove(waiting: readonly number[]): number;
  /** The first move of the next processor above a slot. */
  moveAbove(slot: number): number;
  /** The message that was sent first. */
  earliest(): number;
}

/**
 * Index of what comes next, and what is remembered from then on. There is at least one candidate.
 */
export function nextOf(memory: InOrder, candidates: Candidates): { readonly index: number; readonly memory: InOrder } {
  const { running, waiting } = memory;
  const goesOn = waiting.includes(running) ? -1 : candidates.moveOf(running);
  if (goesOn >= 0) return { index: goesOn, memory };
  const delivery = candidates.earliest();
  if (delivery >= 0) return { index: delivery, memory };
  const lowest = candidates.lowestMove(waiting);
  if (lowest >= 0) return { index: lowest, memory };
  // Everybody waits: poll them in turn.
  const after = candidates.moveAbove(running);
  const index = after >= 0 ? after : candidates.moveAbove(-1);
  return index < 0 ? { index: 0, memory } : { index, memory: { running, waiting: [] } };
}

/** The same of alternatives that are listed. */
export function nextInOrder(memory: InOrder, all: readonly Candidate[]): { readonly index: number; readonly memory: InOrder } {
  const find = (fits: (slot: number) => boolean) => all.findIndex(({ kind, slot }) => kind === 'exec' && fits(slot));
  return nextOf(memory, {
    moveOf: (slot) => find((other) => other === slot),
    lowestMove: (waiting) => find((slot) => !waiting.includes(slot)),
    moveAbove: (slot) => find((other) => other > slot),
    earliest: () => earliest(all),
  });
}

/** The alternatives of a state by who can act in it: nothing is listed. */
export class InLine implements Candidates {
  readonly #line: Line;

  constructor(line: Line) {
    this.#line = line;
  }

  moveOf(slot: number): number {
    return slot >= 0 && this.#line.movesOf(slot) > 0 ? this.#line.firstMove(slot) : -1;
  }

  lowestMove(waiting: readonly number[]): number {
    let at = 0;
    for (let slot = this.#line.moverFrom(0); slot >= 0; slot = this.#line.moverFrom(slot + 1)) {
      while (at < waiting.length && waiting[at]! < slot) at++;
      if (waiting[at] !== slot) return this.#line.firstMove(slot);
    }
    return -1;
  }

  moveAbove(slot: number): number {
    const next = this.#line.moverFrom(slot + 1);
    return next < 0 ? -1 : this.#line.firstMove(next);
  }

  earliest(): number {
    let best = -1;
    for (let head = 0; head < this.#line.heads; head++)
      if (best < 0 || this.#line.arrivalOf(head) < this.#line.arrivalOf(best)) best = head;
    return best;
  }
}

/** What is remembered after a step, no matter which strategy chose it. */
export function afterStep(
  memory: InOrder,
  { kind, slot, changed, yields }: Pick<StepOutcome, 'kind' | 'slot' | 'changed' | 'yields'>,
): InOrder {
  const running = kind === 'exec' ? slot : memory.running;
  let { waiting } = memory;
  if (kind === 'exec' && yields && !waiting.includes(slot)) waiting = [...waiting, slot].sort((a, b) => a - b);
  // A message may be what its receiver waits for; another CPU's step may be what any thread waits
  // for.
  if (kind === 'deliver') waiting = waiting.filter((other) => other !== slot);
  else if (changed && !yields) waiting = [];
  return { running, waiting };
}

function earliest(all: readonly Candidate[]): number {
  let best = -1;
  all.forEach((candidate, index) => {
    if (candidate.kind === 'deliver' && (best < 0 || candidate.arrival < all[best]!.arrival)) best = index;
  });
  return best;
}
