/** One run: a scenario, an engine, a chooser; steps until a property breaks, nothing is left to do, or a bound is hit. */
import type { RunEnd } from '../events/journal.ts';
import type { Chooser } from './choosers/chooser.ts';
import { deadlockText } from './deadlock.ts';
import { DEADLOCK, endOf } from './end.ts';
import type { ActorEngine } from './engine/port.ts';
import { LivenessWatch, type Stuck } from './liveness.ts';
import { LookAhead } from './look-ahead.ts';
import { outcomesOf } from './outcomes.ts';
import { propertyOf } from './properties/index.ts';
import { PropertyWatch } from './property.ts';
import type { ResolvedScenario } from './scenario/types.ts';
import { type BlockSink, Sequencer, type StepOutcome } from './sequencer.ts';
import { WorldView } from './view.ts';

export interface RunOptions {
  readonly scenario: ResolvedScenario;
  readonly engine: ActorEngine;
  readonly chooser: Chooser;
  readonly sink?: BlockSink | null;
}

export class Run {
  readonly sequencer: Sequencer;
  readonly #options: RunOptions;
  readonly #always: readonly PropertyWatch[];
  readonly #sometimes: readonly PropertyWatch[];
  /** Null where nothing is owed in the end. */
  readonly #liveness: LivenessWatch | null;
  /** Evidence of each `sometimes` that came true, by id. */
  readonly #met = new Map<string, string>();
  readonly #ahead: LookAhead;
  #end: RunEnd | null = null;
  readonly #isDead = () => this.#ahead.isDead();
  readonly #owed = () => this.#liveness?.atEnd() ?? null;

  constructor(options: RunOptions) {
    this.#options = options;
    this.sequencer = new Sequencer(options.engine, options.sink ?? null);
    this.#ahead = new LookAhead(options.engine, this.sequencer);
    const watch = (ids: readonly string[]) => ids.map((id) => new PropertyWatch(propertyOf(id), this.sequencer.store));
    const { properties } = options.scenario;
    this.#always = watch(properties.always);
    this.#sometimes = watch(properties.sometimes);
    const { eventually } = properties;
    this.#liveness = eventually.length > 0 ? new LivenessWatch(this.sequencer, eventually.map(propertyOf)) : null;
  }

  /** Why and how the run ended; null while it goes on. */
  get end(): RunEnd | null {
    return this.#end;
  }

  /** Evidence of what came true, by property id. */
  get met(): ReadonlyMap<string, string> {
    return this.#met;
  }

  start(): void {
    this.sequencer.start();
    this.#check(null);
  }

  /** Carries out one step. False once the run has ended. */
  advance(): boolean {
    if (this.#end) return false;
    const { sequencer } = this;
    if (this.#hasEnded()) return false;
    if (sequencer.step >= this.#options.scenario.bounds.steps) {
      this.#finish('bound', null);
      return false;
    }
    const index = this.#options.chooser.choose(sequencer);
    const outcome = sequencer.take(index);
    this.#options.chooser.observe?.(outcome);
    this.#check(outcome);
    return this.#end === null;
  }

  /** Steps until the end, or until `step` has been carried out. */
  toEnd(step = Number.POSITIVE_INFINITY): RunEnd | null {
    while (this.sequencer.step < step && this.advance());
    return this.#end;
  }

  /** Ends a run before its end. */
  stop(): RunEnd {
    if (!this.#end) this.#finish('stopped', null);
    return this.#end!;
  }

  #check(outcome: StepOutcome | null): void {
    const { locals } = this.sequencer;
    const touched = outcome ? outcome.touched : null;
    for (const watch of this.#always) {
      const message = watch.look(locals, touched);
      if (message !== null && !this.#end) this.#finish('violation', { property: watch.property.id, message });
    }
    const stuck = this.#liveness?.look(outcome) ?? null;
    if (stuck && !this.#end) this.#finish('owed', stuck);
    for (const watch of this.#sometimes) {
      if (this.#met.has(watch.property.id)) continue;
      const evidence = watch.look(locals, touched);
      if (evidence !== null) this.#met.set(watch.property.id, evidence);
    }
  }

  /** Ends the run where nothing is left to do. */
  #hasEnded(): boolean {
    const { store, locals, count } = this.sequencer;
    const end = endOf(store, locals, { alternatives: count, isDead: this.#isDead, owed: this.#owed });
    if (end?.ended === 'deadlock') this.#deadlock();
    else if (end) this.#finish(end.ended, end.broken);
    return end !== null;
  }

  #deadlock(): void {
    const waits = this.#ahead.waits();
    this.#finish('deadlock', { property: DEADLOCK, message: deadlockText(waits), waits });
  }

  #finish(ended: RunEnd['ended'], broken: Stuck | null): void {
    const { step } = this.sequencer;
    this.#end = {
      verdict: broken ? 'violation' : 'clean',
      violation: broken && violationOf(broken, step),
      ended,
      outcomes: this.#outcomes(),
    };
  }

  #outcomes(): RunEnd['outcomes'] {
    return outcomesOf(new WorldView(this.sequencer.store, this.sequencer.locals), this.#options.scenario.host.arch);
  }
}

const violationOf = ({ property, message, kind, lasso, waits }: Stuck, step: number): NonNullable<RunEnd['violation']> => ({
  property,
  step,
  message,
  ...(kind && { kind }),
  ...(lasso && { lasso }),
  ...(waits && { waits }),
});
