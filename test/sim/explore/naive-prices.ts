/** Every price that a schedule can have, walked by the oracle without any dominance. */
import type { Topology } from '../../../sim/store.ts';
import type { WorldView } from '../../../sim/view.ts';
import { halted, Naive } from './naive.ts';

/** What a schedule has cost so far. */
export interface Price {
  readonly disturbances: number;
  readonly preemptions: number;
  readonly switches: number;
}

export interface Priced extends Price {
  readonly steps: number;
}

const PREEMPTIONS = ['preempt', 'migrate', 'tick'];
const DISTURBANCES = ['interrupt', 'psp-error', 'spurious-exit'];

/**
 * Every price at which a bad state can be reached, up to `most` of each deviation, with the fewest steps for it; and how many states,
 * told apart by the processor stepped last, cost nothing. Walks all combinations of state, last processor and price: no dominance.
 */
export function pricesOf(topology: Topology, bad: (world: WorldView) => boolean, most: number): { prices: Priced[]; free: number } {
  const naive = new Naive(topology);
  const first = { state: naive.start(), last: -1, disturbances: 0, preemptions: 0, switches: 0, steps: 0 };
  type Entry = typeof first;
  const keyOf = ({ state, last, disturbances, preemptions, switches }: Entry) =>
    `${naive.keyOf(state)} ${last} ${disturbances} ${preemptions} ${switches}`;
  const met = new Set([keyOf(first)]);
  const queue = [first];
  const prices: Priced[] = [];
  let free = 0;
  for (const entry of queue) {
    const { state, last, disturbances, preemptions, switches, steps } = entry;
    if (disturbances + preemptions + switches === 0) free++;
    if (bad(naive.viewOf(state))) prices.push({ disturbances, preemptions, switches, steps });
    if (bad(naive.viewOf(state)) || halted(state)) continue;
    const all = naive.steps(state);
    const goesOn = all.some(({ kind, slot, changed }) => kind === 'exec' && slot === last && changed);
    for (const { kind, offer, slot, next, changed, yields } of all) {
      if (!changed) continue;
      const isSwitch = kind !== 'offer' && goesOn && !(kind === 'exec' && slot === last);
      const then: Entry = {
        state: next,
        last: kind !== 'exec' ? last : yields ? -1 : slot,
        disturbances: disturbances + (kind === 'offer' && DISTURBANCES.includes(offer) ? 1 : 0),
        preemptions: preemptions + (kind === 'offer' && PREEMPTIONS.includes(offer) ? 1 : 0),
        switches: switches + (isSwitch ? 1 : 0),
        steps: steps + 1,
      };
      if (Math.max(then.disturbances, then.preemptions, then.switches) > most || met.has(keyOf(then))) continue;
      met.add(keyOf(then));
      queue.push(then);
    }
  }
  return { prices, free };
}

/** The least in the order disturbances, preemptions, switches, steps. */
export const leastOf = (prices: readonly Priced[]): Priced | null =>
  [...prices].sort(
    (a, b) => a.disturbances - b.disturbances || a.preemptions - b.preemptions || a.switches - b.switches || a.steps - b.steps,
  )[0] ?? null;
