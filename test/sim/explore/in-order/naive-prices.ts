/** Every price that a schedule can have, walked by the oracle without any dominance. */
import type { Topology } from '../../../../sim/store.ts';
import type { WorldView } from '../../../../sim/view.ts';
import { Naive, type NaiveState, type NaiveStep } from '../naive.ts';

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

/** What decides how the in-order run goes on, besides the state. */
interface Past {
  readonly running: number;
  readonly waiting: ReadonlySet<number>;
  /** Queues of the messages in flight, in order of arrival. */
  readonly arrived: readonly string[];
}

const pastOf = ({ running, waiting, arrived }: Past) => `${running} ${[...waiting].sort().join('+')} ${arrived.join('+')}`;

/** The past after a step. */
function then({ running, waiting, arrived }: Past, { kind, slot, queue, changed, yields, joined }: NaiveStep): Past {
  const wait = new Set(waiting);
  if (kind === 'exec' && (yields || !changed)) wait.add(slot);
  else if (kind === 'deliver') wait.delete(slot);
  else if (changed && !yields) wait.clear();
  const at = kind === 'deliver' ? arrived.indexOf(queue) : -1;
  const left = arrived.filter((_, i) => i !== at);
  return { running: kind === 'exec' ? slot : running, waiting: wait, arrived: changed ? [...left, ...joined] : left };
}

/** The step that the in-order run takes; null where only offers are left. */
function ordered(all: readonly NaiveStep[], past: Past): { step: NaiveStep | null; past: Past } {
  const moves = all.filter(({ kind }) => kind === 'exec').sort((a, b) => a.slot - b.slot);
  const free = moves.filter(({ slot }) => !past.waiting.has(slot));
  const goesOn = free.find(({ slot }) => slot === past.running);
  const message = all.find(({ kind, queue }) => kind === 'deliver' && queue === past.arrived[0]);
  const step = goesOn ?? message ?? free[0];
  if (step) return { step, past };
  const turn = moves.find(({ slot }) => slot > past.running) ?? moves[0] ?? null;
  return { step: turn, past: moves.length > 0 ? { ...past, waiting: new Set() } : past };
}

/**
 * The first step of the in-order run that changes something, and the past by then; null where it
 * polls forever.
 */
function inOrder(all: readonly NaiveStep[], start: Past): { step: NaiveStep | null; past: Past } {
  const met = new Map<string, Past>();
  let past = start;
  for (;;) {
    const at = ordered(all, past);
    if (at.step === null || at.step.changed) return at;
    past = then(at.past, at.step);
    if (met.has(pastOf(past))) break;
    met.set(pastOf(past), past);
  }
  // Which of the polls it stands at makes no difference: the one that reads first.
  const polls = [...met.keys()];
  return { step: null, past: met.get(polls.slice(polls.indexOf(pastOf(past))).sort()[0]!)! };
}

/** What a step costs against the one of the in-order run. */
function costOf(step: NaiveStep, next: NaiveStep | null): Price {
  const { kind, offer, slot, queue } = step;
  if (kind === 'offer') {
    return { disturbances: DISTURBANCES.includes(offer) ? 1 : 0, preemptions: PREEMPTIONS.includes(offer) ? 1 : 0, switches: 0 };
  }
  const same = next !== null && next.kind === kind && next.slot === slot && next.queue === queue;
  return { disturbances: 0, preemptions: 0, switches: same ? 0 : 1 };
}

interface Entry extends Priced {
  readonly state: NaiveState;
  readonly past: Past;
}

/**
 * Every price at which a bad state can be reached, up to `most` of each deviation, with the fewest
 * steps for it; and the states that cost nothing. Walks all combinations of state, past and price:
 * no dominance.
 */
export function pricesOf(
  topology: Topology,
  bad: (world: WorldView) => boolean,
  most: number,
): { prices: Priced[]; free: ReadonlySet<string> } {
  const naive = new Naive(topology);
  const past: Past = { running: -1, waiting: new Set(), arrived: [] };
  const first: Entry = { state: naive.start(), past, disturbances: 0, preemptions: 0, switches: 0, steps: 0 };
  const keyOf = (entry: Entry) =>
    `${naive.keyOf(entry.state)} | ${pastOf(entry.past)} | ${entry.disturbances} ${entry.preemptions} ${entry.switches}`;
  const met = new Set([keyOf(first)]);
  const queue = [first];
  const prices: Priced[] = [];
  const free = new Set<string>();
  for (const entry of queue) {
    const { state, disturbances, preemptions, switches, steps } = entry;
    if (disturbances + preemptions + switches === 0) free.add(naive.digestOf(state));
    if (bad(naive.viewOf(state))) prices.push({ disturbances, preemptions, switches, steps });
    if (bad(naive.viewOf(state))) continue;
    const all = naive.steps(state);
    const next = inOrder(all, entry.past);
    for (const step of all) {
      if (!step.changed) continue;
      const cost = costOf(step, next.step);
      const after: Entry = {
        state: step.next,
        past: then(next.past, step),
        disturbances: disturbances + cost.disturbances,
        preemptions: preemptions + cost.preemptions,
        switches: switches + cost.switches,
        steps: steps + 1,
      };
      if (Math.max(after.disturbances, after.preemptions, after.switches) > most || met.has(keyOf(after))) continue;
      met.add(keyOf(after));
      queue.push(after);
    }
  }
  return { prices, free };
}

/** The least in the order disturbances, preemptions, switches, steps. */
export const leastOf = (prices: readonly Priced[]): Priced | null =>
  [...prices].sort(
    (a, b) => a.disturbances - b.disturbances || a.preemptions - b.preemptions || a.switches - b.switches || a.steps - b.steps,
  )[0] ?? null;
