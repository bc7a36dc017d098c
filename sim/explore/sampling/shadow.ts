/**
 * A sampling strategy as the chooser of one run: a walk takes the same steps beside the run,
 * because strategies look at what each alternative would read and change. So `run` shows the very
 * schedule that a sample drew.
 */
import type { ChoiceView, Chooser } from '../../choosers/chooser.ts';
import type { Strategy } from '../../choosers/strategy.ts';
import { MemoEngine } from '../../engine/memo.ts';
import { ModelError } from '../../engine/port.ts';
import { topologyOf } from '../../host/topology.ts';
import { UNCHANGED_OR_YIELDS, Walk } from '../../rows/walk.ts';
import { WorldStep } from '../../rows/world-step.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import { DEPTH_DEFAULT, STEPS_DEFAULT, StrategyMaker, type StrategyName } from './strategies.ts';
import { WalkView } from './walk-view.ts';
import { Watching } from './watching.ts';

export interface ShadowSpec {
  readonly name: Exclude<StrategyName, 'random'>;
  readonly seed: number;
  /** `pct`: orderings that a bug may take. */
  readonly depth?: number | undefined;
  /** `pct`: decisions among which its places are drawn. */
  readonly horizon?: number | undefined;
  /** Steps before a schedule of the sample is cut: profiling runs are cut there, too. */
  readonly stepsMax?: number | undefined;
}

export class ShadowChooser implements Chooser {
  readonly name: string;
  readonly #walk: Walk;
  readonly #view: WalkView;
  readonly #strategy: Strategy;

  constructor(scenario: ResolvedScenario, { name, seed, depth = DEPTH_DEFAULT, horizon, stepsMax = STEPS_DEFAULT }: ShadowSpec) {
    this.name = name;
    const world = new WorldStep(new MemoEngine(topologyOf(scenario)));
    const watching = new Watching(world, scenario);
    this.#walk = new Walk(world, watching.wants);
    this.#view = new WalkView(this.#walk);
    this.#strategy = new StrategyMaker(this.#walk, { depth, horizon, stepsMax, watching }).make(name, seed);
  }

  choose(view: ChoiceView): number {
    const index = this.#strategy.choose(this.#view);
    const label = this.#walk.label(index);
    if (view.count !== this.#walk.count || view.alternative(index).label !== label)
      throw new ModelError(
        `${this.name} walks beside another run: alternative ${index} is ${label} there, not ${view.alternative(index).label}`,
      );
    const flags = this.#walk.take(index);
    this.#strategy.observe?.((flags & UNCHANGED_OR_YIELDS) !== 0);
    return index;
  }
}
