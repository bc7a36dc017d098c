/**
 * Sampling: schedule after schedule from the start, each drawn by a strategy from a seed of its
 * own, until the budget is used up. What it meets is real and can be replayed; what it does not
 * meet may exist.
 */

import type { RunEnd } from '../../../events/journal.ts';
import { PctStrategy } from '../../choosers/pct.ts';
import type { Strategy } from '../../choosers/strategy.ts';
import { type Broken, endOf } from '../../end.ts';
import { MemoEngine } from '../../engine/memo.ts';
import { topologyOf } from '../../host/topology.ts';
import { Prng, splitSeed } from '../../prng.ts';
import { DeadEnds, deadlockAfter } from '../../rows/dead-ends.ts';
import { LOOK, PERHAPS_NO_PROGRESS } from '../../rows/step-trie.ts';
import { UNCHANGED_OR_YIELDS, Walk } from '../../rows/walk.ts';
import { WorldStep } from '../../rows/world-step.ts';
import type { Progress, Search } from '../request.ts';
import { reexecuted } from '../turns.ts';
import { Corpus, changed, GuidedStrategy } from './corpus.ts';
import { cycleIn } from './cycle.ts';
import { Digests } from './digests.ts';
import type { DrawnBy, SampleFinding, SampleReport, SampleRequest, StrategyCount } from './request.ts';
import { RandomStrategy, STRATEGIES, StrategyMaker } from './strategies.ts';
import { WalkView } from './walk-view.ts';
import { Watching } from './watching.ts';

interface Drawn {
  readonly by: DrawnBy;
  readonly strategy: Strategy;
  readonly depth: number | null;
}

/**
 * The strategies that the portfolio takes in turn. Bugs of small depth are the most common, and
 * changed schedules need others before them.
 */
const ROUND: readonly { readonly by: DrawnBy; readonly depth?: number }[] = [
  { by: 'random' },
  { by: 'pct', depth: 2 },
  { by: 'mutate' },
  { by: 'pos' },
  { by: 'surw' },
  { by: 'mutate' },
  { by: 'starve' },
  { by: 'pct', depth: 3 },
  { by: 'mutate' },
];
/** Steps without progress after which a schedule is first checked for a dead end. */
const PATIENCE = 64;
/** The most cut schedules that are searched for a cycle: each is walked again by the sequencer. */
const CYCLES_MAX = 20;
/** Steps between two turns of the caller, which may stop the sample. */
const TURN_STEPS = 1 << 15;
/** What the memory of steps grows by between two turns within a schedule. */
const TURN_INTEGERS = 1 << 20;

export class Sampler {
  readonly world: WorldStep;
  readonly #request: SampleRequest;
  readonly #walk: Walk;
  readonly #view: WalkView;
  readonly #maker: StrategyMaker;
  readonly #corpus: Corpus | null;
  readonly #watching: Watching;
  readonly #findings = new Map<string, SampleFinding>();
  readonly #digests = new Digests();
  readonly #strategies: Partial<Record<DrawnBy, StrategyCount>> = {};
  #broken: Broken | null = null;
  /** The labels of a schedule that ends before where it was cut. */
  #shortened: readonly string[] | null = null;
  #cycles = 0;
  /** After how many steps of the present schedule the last one that was progress. */
  #progressedAt = 0;
  /** Size of the memory of steps at the last turn within a schedule. */
  #metAt = 0;
  #looksAtStart = true;
  readonly #deadEnds: DeadEnds;
  #steps = 0;
  #cut = 0;
  #longest = 0;
  #entities = 0;
  #decisions = 0;
  #beyond = 0;

  constructor(request: SampleRequest) {
    const { scenario, depth, horizon, stepsMax, strategy, from, world } = request;
    this.#request = request;
    this.world = world ?? new WorldStep(new MemoEngine(topologyOf(scenario)), from ?? null);
    this.#watching = new Watching(this.world, scenario);
    this.#deadEnds = new DeadEnds(this.world);
    this.#walk = new Walk(this.world, this.#watching.wants);
    this.#view = new WalkView(this.#walk);
    // What a profiling run meets is not met by the sample.
    this.#maker = new StrategyMaker(this.#walk, { depth, horizon, stepsMax, watching: new Watching(this.world, scenario) });
    this.#corpus = strategy === 'portfolio' ? new Corpus(this.#walk, this.#view) : null;
  }

  /** Draws schedules until the budget is used up, or the caller answers true. */
  *run(): Search<SampleReport> {
    const { schedules, strategy, until } = this.#request;
    for (const name of STRATEGIES) if (strategy === name || strategy === 'portfolio') this.#maker.prepare(name);
    let drawn = 0;
    let seen = 0;
    let stop = false;
    while (drawn < schedules && !stop) {
      if (!(yield* this.#draw(drawn))) break;
      drawn++;
      if (until !== undefined && this.#findings.has(until)) break;
      if (this.#steps - seen < TURN_STEPS) continue;
      seen = this.#steps;
      const frontier = Number.isFinite(schedules) ? schedules - drawn : 0;
      stop = (yield this.#progress(frontier)) === true;
    }
    const unverified = this.#request.verify === false ? 0 : yield* reexecuted(this.world.engine);
    return this.#report(drawn, drawn >= schedules && unverified === 0 ? 'schedules' : 'stopped', unverified);
  }

  #report(schedules: number, limit: SampleReport['limit'], unverified: number): SampleReport {
    const { depth } = this.#request;
    const measured = { entities: this.#entities, decisions: this.#decisions, beyond: this.#beyond };
    return {
      limit,
      schedules,
      steps: this.#steps,
      states: this.#digests.size,
      cut: this.#cut,
      longest: this.#longest,
      findings: [...this.#findings.values()],
      missed: this.#watching.missed,
      reactions: this.#request.verify === false ? 0 : this.world.engine.reactions,
      unverified,
      stepMisses: this.#walk.trie.misses,
      strategies: this.#strategies,
      pct: this.#request.strategy === 'pct' ? { depth, horizon: this.#maker.horizon(), ...measured } : null,
      corpus: this.#corpus?.size ?? null,
    };
  }

  #progress(frontier: number): Progress {
    return { states: this.#digests.size ?? 0, frontier, transitions: this.#steps, bytes: 4 * this.#walk.trie.integers };
  }

  /** @returns whether it was not stopped on the way */
  *#draw(schedule: number): Search<boolean> {
    const seed = splitSeed(this.#request.seed, schedule);
    const drawn = this.#strategyOf(schedule, seed);
    const walked = yield* this.#walkOnce(drawn.strategy);
    if (walked === null) {
      this.#steps += this.#walk.steps;
      return false;
    }
    let ended: RunEnd['ended'] = walked;
    ended = this.#deadEnd(ended) ?? ended;
    const { steps } = this.#walk;
    this.#strategies[drawn.by] ??= { schedules: 0, steps: 0, violations: 0, news: 0 };
    const count = this.#strategies[drawn.by]!;
    count.schedules++;
    count.steps += steps;
    this.#steps += steps;
    this.#longest = Math.max(this.#longest, steps);
    if (ended === 'bound' && this.#isCycle()) ended = 'owed';
    if (ended === 'bound') this.#cut++;
    if (this.#corpus?.end()) count.news++;
    if (drawn.strategy instanceof PctStrategy) this.#measure(drawn.strategy, this.#maker.horizon(drawn.depth!));
    if (this.#broken !== null) {
      count.violations++;
      this.#keep(schedule, seed, drawn);
    }
    return true;
  }

  /**
   * How a schedule ends in the first state that it met in which it can only wait; null where it met
   * none.
   */
  #deadEnd(ended: RunEnd['ended']): RunEnd['ended'] | null {
    const walk = this.#walk;
    const { steps } = walk;
    // What breaks in the first such state is told before.
    const isTold = ended === 'violation';
    if ((isTold && this.#progressedAt === steps) || !this.#deadEnds.isDead(walk.row)) return null;
    const trail = walk.trail.slice(0, steps);
    walk.reset();
    for (let at = 0; at < steps && !(at >= this.#progressedAt && this.#deadEnds.isDead(walk.row)); at++) walk.take(trail[at]!);
    if (isTold && walk.steps === steps) return null;
    const end = endOf(this.world.store, walk.locals, { alternatives: 0 })!;
    this.#broken = end.broken;
    if (end.broken) this.#broken = { ...end.broken, ...deadlockAfter(this.#deadEnds, this.#labels()) };
    return end.ended;
  }

  #isCycle(): boolean {
    const { scenario, from } = this.#request;
    if (scenario.properties.eventually.length === 0 || from || this.#cycles === CYCLES_MAX) return false;
    this.#cycles++;
    const labels = this.#labels();
    const violation = cycleIn(scenario, this.world.engine, labels);
    if (!violation) return false;
    this.#broken = violation;
    this.#shortened = labels.slice(0, violation.step);
    return true;
  }

  #measure({ entities, decisions }: PctStrategy, horizon: number): void {
    this.#entities = Math.max(this.#entities, entities);
    this.#decisions = Math.max(this.#decisions, decisions);
    if (decisions > horizon) this.#beyond++;
  }

  #strategyOf(schedule: number, seed: number): Drawn {
    const { strategy, depth } = this.#request;
    const next = strategy === 'portfolio' ? ROUND[schedule % ROUND.length]! : { by: strategy };
    if (next.by === 'mutate') {
      const prng = new Prng(seed);
      // Where every schedule ends before its first step, none is there to change.
      const [keys, other] = [this.#corpus!.draw(prng) ?? [], this.#corpus!.draw(prng) ?? []];
      const guided = new GuidedStrategy(changed(keys, other, prng), new RandomStrategy(splitSeed(seed, 0)));
      return { by: 'mutate', strategy: guided, depth: null };
    }
    const deep = next.by === 'pct' ? (next.depth ?? depth) : null;
    return { by: next.by, strategy: this.#maker.make(next.by, seed, deep ?? depth), depth: deep };
  }

  /**
   * One schedule, to where a run ends, or to where it is cut. Null where it was stopped: on a big
   * host one schedule takes minutes.
   */
  *#walkOnce(strategy: Strategy): Search<RunEnd['ended'] | null> {
    const walk = this.#walk;
    const view = this.#view;
    const { stepsMax } = this.#request;
    walk.reset();
    this.#broken = null;
    this.#shortened = null;
    this.#watching.begin();
    this.#corpus?.begin();
    this.#progressedAt = 0;
    for (let looks = this.#looksAtStart, patience = PATIENCE; ; ) {
      this.#digests.add(walk.laneA, walk.laneB);
      if (looks) {
        this.#broken = this.#watching.look(walk.locals);
        if (this.#broken !== null) return 'violation';
        // The first state says the same each time, unless something has to come true in each
        // schedule.
        if (walk.steps === 0) this.#looksAtStart = this.#request.scenario.properties.eventually.length > 0;
      }
      const end = this.#watching.endOf(walk.present, walk.count);
      if (end) {
        this.#broken = end.broken;
        return end.ended;
      }
      if (walk.steps >= stepsMax) return 'bound';
      if (walk.steps - this.#progressedAt > patience) {
        if (this.#deadEnds.isDead(walk.row)) return 'bound';
        patience *= 2;
      }
      if (Math.abs(walk.trie.integers - this.#metAt) > TURN_INTEGERS) {
        this.#metAt = walk.trie.integers;
        if ((yield this.#progress(0)) === true) return null;
      }
      const index = strategy.choose(view);
      this.#corpus?.see(index);
      const flags = walk.take(index);
      strategy.observe?.((flags & UNCHANGED_OR_YIELDS) !== 0);
      looks = (flags & LOOK) !== 0;
      if ((flags & PERHAPS_NO_PROGRESS) === 0) this.#progressedAt = walk.steps;
    }
  }

  #keep(schedule: number, seed: number, { by, depth }: Drawn): void {
    const { property, message } = this.#broken!;
    const known = this.#findings.get(property);
    if (known) known.broke++;
    else
      this.#findings.set(property, { property, message, labels: this.#shortened ?? this.#labels(), schedule, seed, by, depth, broke: 1 });
  }

  /** The labels of the present schedule: it is walked again, as labels cost more than steps. */
  #labels(): string[] {
    const walk = this.#walk;
    const trail = walk.trail.slice(0, walk.steps);
    walk.reset();
    return Array.from(trail, (index) => {
      const label = walk.label(index);
      walk.take(index);
      return label;
    });
  }
}
