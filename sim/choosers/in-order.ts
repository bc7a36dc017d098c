/**
 * The rule of the in-order run, which deviations are counted against: the lowest pCPU runs until it
 * blocks, messages are delivered in order of arrival. A CPU that only waits for others counts as
 * blocked until another one has moved.
 *
 * The rule is a function, so that the chooser which follows it and the search which counts what
 * departs from it cannot differ.
 */
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
 * Index of what comes next, and what is remembered from then on. There is at least one candidate.
 */
export function nextInOrder(memory: InOrder, all: readonly Candidate[]): { readonly index: number; readonly memory: InOrder } {
  const { running, waiting } = memory;
  const canMove = ({ kind, slot }: Candidate) => kind === 'exec' && !waiting.includes(slot);
  const goesOn = all.findIndex((candidate) => candidate.slot === running && canMove(candidate));
  if (goesOn >= 0) return { index: goesOn, memory };
  const delivery = earliest(all);
  if (delivery >= 0) return { index: delivery, memory };
  const lowest = all.findIndex(canMove);
  if (lowest >= 0) return { index: lowest, memory };
  // Everybody waits: poll them in turn.
  const after = all.findIndex(({ kind, slot }) => kind === 'exec' && slot > running);
  const index = after >= 0 ? after : all.findIndex(({ kind }) => kind === 'exec');
  return index < 0 ? { index: 0, memory } : { index, memory: { running, waiting: [] } };
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
