/**
 * Shrinking: the least deviating schedule that breaks the same property, and the pair of steps on
 * whose order the verdict hangs.
 *
 * The search in order of deviations gives the optimum as long as its budget lasts; beyond it,
 * choices are taken out of the recorded schedule one chunk after the other for as long as the
 * property still breaks.
 */

import type { ChoiceView } from '../sim/choosers/chooser.ts';
import { FifoChooser } from '../sim/choosers/fifo.ts';
import { MemoEngine } from '../sim/engine/memo.ts';
import { Explorer } from '../sim/explore/breadth/explorer.ts';
import { explore } from '../sim/explore/explore.ts';
import { BoundedSearch } from '../sim/explore/in-order/bounded.ts';
import { Pricing } from '../sim/explore/in-order/pricing.ts';
import type { Deviations, Search } from '../sim/explore/request.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { WorldStep } from '../sim/rows/world-step.ts';
import { Run } from '../sim/run.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';

/** The journal shows no violation, so there is nothing to keep while shrinking. */
export class ShrinkError extends Error {
  override readonly name = 'ShrinkError';
}

export interface Size extends Deviations {
  readonly steps: number;
}

/** Two neighbouring steps: in this order the property breaks, in the other it does not. */
export interface CriticalPair {
  readonly step: number;
  readonly first: string;
  readonly second: string;
  /**
   * The schedule in which they are neighbours: the shrunk one, or else one with the fewest steps.
   */
  readonly labels: readonly string[];
}

export interface Shrunk {
  readonly before: Size;
  readonly after: Size;
  readonly labels: readonly string[];
  /** Whether no schedule is smaller in the order disturbances, preemptions, switches, steps. */
  readonly optimal: boolean;
  readonly critical: CriticalPair | null;
}

/** States of the search for the optimum. */
const STATES_MAX = 200_000;
/** States of the search for a run with the fewest steps. */
const SHORTEST_STATES_MAX = 2_000_000;

/**
 * A schedule by labels played as far as it fits; what does not fit is left out, and the rest goes
 * in order.
 */
interface Played {
  readonly labels: readonly string[];
  readonly property: string | null;
  readonly size: Size;
}

/** Plays schedules of one scenario again and again with one memory. */
class Player {
  readonly #scenario: ResolvedScenario;
  readonly #sought: string;
  readonly #engine: MemoEngine;
  readonly #pricing: Pricing;

  /** `sought`: the property that schedules are to break. */
  constructor(scenario: ResolvedScenario, sought: string) {
    this.#scenario = scenario;
    this.#sought = sought;
    this.#engine = new MemoEngine(topologyOf(scenario));
    this.#pricing = new Pricing(new WorldStep(this.#engine));
  }

  /** `strict`: null as soon as a label does not fit. */
  play(labels: readonly string[], { strict = false, steps = 2 * labels.length + 400 } = {}): Played | null {
    const taken: string[] = [];
    const fifo = new FifoChooser();
    let at = 0;
    let misfit = false;
    const choose = (view: ChoiceView): number => {
      const all = view.alternatives();
      let index = -1;
      for (; at < labels.length && index < 0; at++) {
        index = all.findIndex(({ label }) => label === labels[at]);
        if (index < 0 && strict) misfit = true;
      }
      const inOrder = fifo.choose(view);
      const chosen = index < 0 ? inOrder : index;
      taken.push(all[chosen]!.label);
      return chosen;
    };
    const run = new Run({
      scenario: { ...this.#scenario, bounds: { ...this.#scenario.bounds, steps } },
      engine: this.#engine,
      sought: this.#sought,
      chooser: { name: 'shrink', choose, observe: (outcome) => fifo.observe(outcome) },
    });
    run.start();
    while (!misfit && run.advance());
    if (misfit) return null;
    // A run that has come into a deadlock ends where it did, some steps back.
    taken.length = run.sequencer.step;
    const size = { ...this.#pricing.priceOf(taken), steps: taken.length };
    return { labels: taken, property: run.end?.violation?.property ?? null, size };
  }
}

const isSmaller = (a: Size, b: Size): boolean => {
  for (const key of ['disturbances', 'preemptions', 'switches', 'steps'] as const) if (a[key] !== b[key]) return a[key] < b[key];
  return false;
};

/**
 * Shrinks a schedule that breaks `property`.
 * @throws ShrinkError if it does not break it
 */
export function* shrink(scenario: ResolvedScenario, labels: readonly string[], property: string): Search<Shrunk> {
  const player = new Player(scenario, property);
  const start = player.play(labels);
  if (!start || start.property !== property) throw new ShrinkError(`the schedule does not break ${property} under this model`);
  if (scenario.properties.eventually.includes(property)) return yield* shrinkLasso(scenario, player, start, property);
  const search = new BoundedSearch({ scenario, limits: {}, states: STATES_MAX, until: [property] });
  const report = yield* search.run();
  const found = report.findings.find((finding) => finding.property === property);
  const played = found ? player.play(found.labels, { strict: true }) : null;
  const optimum = played?.property === property ? played : null;
  const best = optimum ?? removeChunks(player, start, property);
  const critical = criticalPair(player, best.labels, property) ?? (yield* criticalElsewhere(scenario, player, property));
  return { before: start.size, after: best.size, labels: best.labels, optimal: optimum !== null, critical };
}

/**
 * A run that never ends: the lasso of the whole search with the least way to it, or what is left of
 * the recorded one without the choices that it does not need, whichever is smaller. The search
 * looks for short cycles, not for the shortest.
 */
function* shrinkLasso(scenario: ResolvedScenario, player: Player, start: Played, property: string): Search<Shrunk> {
  const asked = { ...scenario, properties: { ...scenario.properties, eventually: [property] } };
  const { violations } = yield* explore({ scenario: asked, maxStates: SHORTEST_STATES_MAX });
  const found = violations.find((violation) => violation.property === property);
  const played = found ? player.play(found.labels, { strict: true }) : null;
  const without = removeChunks(player, start, property);
  const best = played?.property === property && isSmaller(played.size, without.size) ? played : without;
  const critical = criticalPair(player, best.labels, property);
  return { before: start.size, after: best.size, labels: best.labels, optimal: false, critical };
}

/**
 * In a run with few switches the two steps are far apart, because each CPU runs as long as it can.
 * With the fewest steps CPUs take turns, and the two come next to each other.
 */
function* criticalElsewhere(scenario: ResolvedScenario, player: Player, property: string): Search<CriticalPair | null> {
  const explorer = new Explorer({ scenario, budget: { states: SHORTEST_STATES_MAX }, until: property });
  const { findings } = yield* explorer.run();
  const finding = findings.find((candidate) => candidate.property === property);
  return finding ? criticalPair(player, explorer.labelsTo(finding.state), property) : null;
}

/**
 * Takes chunks out, halves after halves, as long as what is left is smaller and still breaks the
 * property.
 */
function removeChunks(player: Player, start: Played, property: string): Played {
  let best = start;
  for (let chunk = best.labels.length >> 1; chunk >= 1; ) {
    let shrunk = false;
    for (let at = 0; at < best.labels.length; at += chunk) {
      const tried = player.play([...best.labels.slice(0, at), ...best.labels.slice(at + chunk)]);
      if (tried && tried.property === property && isSmaller(tried.size, best.size)) {
        best = tried;
        shrunk = true;
      }
    }
    if (!shrunk) chunk >>= 1;
  }
  return best;
}

/**
 * The last two neighbours that can change places, after which the same property no longer breaks.
 */
function criticalPair(player: Player, labels: readonly string[], property: string): CriticalPair | null {
  for (let at = labels.length - 2; at >= 0; at--) {
    const [first, second] = [labels[at]!, labels[at + 1]!];
    if (first === second) continue;
    const swapped = [...labels.slice(0, at), second, first, ...labels.slice(at + 2)];
    const played = player.play(swapped, { strict: true });
    if (played && played.property !== property) return { step: at + 1, first, second, labels };
  }
  return null;
}
