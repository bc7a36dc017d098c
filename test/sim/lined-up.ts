/** Alternatives that a test makes up, as a chooser sees them. */
import { Lineup } from '../../sim/lineup.ts';
import type { Alternative } from '../../sim/sequencer.ts';

const SLOTS = 64;
const RANKS = ['deliver', 'exec', 'offer'];

/** Heads of queues, then moves, then offers, each by slot. */
export const inCanonicalOrder = (all: readonly Alternative[]): readonly Alternative[] =>
  [...all].sort((a, b) => RANKS.indexOf(a.kind) - RANKS.indexOf(b.kind) || a.slot - b.slot);

/** Who can act, where each actor has `shares` of a draw by its offers. */
export function lineupOf(alternatives: readonly Alternative[], shares = 1): Lineup {
  const heads = alternatives.filter(({ kind }) => kind === 'deliver').map(({ arrival }) => ({ seqs: [arrival] }));
  const lineup = new Lineup(SLOTS, heads);
  const count = (kind: Alternative['kind'], slot: number) => alternatives.filter((each) => each.kind === kind && each.slot === slot).length;
  for (let slot = 0; slot < SLOTS; slot++) lineup.set(slot, count('exec', slot), count('offer', slot), shares);
  return lineup;
}
