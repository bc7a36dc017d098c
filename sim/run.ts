/**
 * One run: a scenario, an engine, a chooser; steps until a property breaks, nothing is left to do,
 * or a bound is hit.
 */
import type { RunEnd } from '../events/journal.ts';
import type { Chooser } from './choosers/chooser.ts';
import { deadlockText } from './deadlock.ts';
import { awakeIn, DEADLOCK, endOf, hasHalted, isWhole, toldOf } from './end.ts';
import type { ActorEngine } from './engine/port.ts';
import { outcomesOf } from './host/outcomes.ts';
import { LivenessWatch, type Stuck } from './liveness.ts';
import { propertyOf } from './properties/index.ts';
import { PropertyWatch } from './property.ts';
import { Repeats } from './repeats.ts';
import { LookAhead } from './rows/look-ahead.ts';
import type { ResolvedScenario } from './scenario/types.ts';
import { type BlockSink, Sequencer, type StepOutcome } from './sequencer.ts';
import { WorldView } from './view.ts';
import { Visited } from './visited.ts';

export interface RunOptions {
  readonly scenario: ResolvedScenario;
  readonly engine: ActorEngine;
  readonly chooser: Chooser;
  readonly sink?: BlockSink | null;
  /** Which property is told of several that break at once; else the first of the scenario's. */
  readonly sought?: string;
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
  /** The step after which each of them did. */
  readonly #metAt = new Map<string, number>();
  readonly #ahead: LookAhead;
  readonly #visited = new Visited();
  /** The last step before after which the state was as it is now; -1 if none is known. */
  #backAt = -1;
  /** How many steps up to this one led to states that were known. */
  #known = 0;
  readonly #repeats: Repeats;
  #end: RunEnd | null = null;

  constructor(options: RunOptions) {
    this.#options = options;
    this.sequencer = new Sequencer(options.engine, options.sink ?? null);
    this.#repeats = new Repeats(options.chooser);
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

  /**
   * Carries out one step. False once the run has ended, which may be some steps back, where it came
   * into a deadlock.
   */
  advance(): boolean {
    if (this.#end || this.#isDead() || this.#mayLast() || this.#isCut() || this.#onlyRepeats()) return false;
    const index = this.#choose();
    return index !== null && this.#take(index);
  }

  /**
   * Carries out the alternative at `index`, whatever the chooser would choose; properties are
   * checked as in any step.
   * @returns false once the run has ended; the step is not carried out if it had before
   * @throws RangeError if there is no such alternative
   */
  take(index: number): boolean {
    if (this.#end || this.#isDead() || this.#isCut()) return false;
    return this.#take(index);
  }

  #take(index: number): boolean {
    const outcome = this.sequencer.take(index);
    if (outcome.isProgress) this.#ahead.forget();
    else this.#ahead.mark();
    this.#options.chooser.observe?.(outcome);
    this.#check(outcome);
    return this.#end === null;
  }

  /** Ends the run where nothing is left to do. */
  #isDead(): boolean {
    return (this.sequencer.count === 0 || this.#ahead.isDue) && this.#hasEnded();
  }

  /** Ends the run at the bound of its scenario. */
  #isCut(): boolean {
    if (this.sequencer.step < this.#options.scenario.bounds.steps) return false;
    if (!this.#hasEnded()) this.#finish('bound', null);
    return true;
  }

  /**
   * Ends a run in order that can do nothing more than it has done. Where all are at rest it is
   * done, also a drawn one: nothing has to happen, and what can is the environment's, such as an
   * interrupt.
   */
  #onlyRepeats(): boolean {
    const { step, digest, channels, store, locals } = this.sequencer;
    const isQuiet = this.#known > 0 && channels.ordered.length === 0 && awakeIn(store, locals) < 0 && !hasHalted(store, locals);
    const cycle = this.#repeats.look({ step, digest, channels, isQuiet, known: this.#known });
    if (cycle === null || this.#hasEnded()) return this.#end !== null;
    if (cycle !== 'nothing new') this.#backAt = cycle.from;
    this.#finish(isQuiet ? 'done' : 'repeats', null, true);
    return true;
  }

  /** Steps until the end, or until `step` has been carried out. */
  toEnd(step = Number.POSITIVE_INFINITY): RunEnd | null {
    while (this.sequencer.step < step && this.advance());
    this.settle();
    return this.#end;
  }

  /**
   * Makes sure that no step so far is taken back: ends the run where it has come into a deadlock
   * before its last step.
   */
  settle(): void {
    if (!this.#end && this.#ahead.findDeadBefore()) this.#endDead();
  }

  /** Ends a run before its end. */
  stop(): RunEnd {
    this.settle();
    if (!this.#end) this.#finish('stopped', null);
    return this.#end!;
  }

  /** What comes next; null where the run has ended, which may be why there is no choice for it. */
  #choose(): number | null {
    try {
      return this.#options.chooser.choose(this.sequencer);
    } catch (error) {
      if (this.#hasEnded()) return null;
      throw error;
    }
  }

  /** Keeps the state after a step: a run that is cut says whether it had come back to it. */
  #visit(step: number, { a, b }: { readonly a: number; readonly b: number }): void {
    const place = this.#visited.at(a, b);
    this.#backAt = this.#visited.stepAt(place);
    this.#known = this.#backAt < 0 ? 0 : this.#known + 1;
    this.#visited.set(place, a, b, step, 0);
  }

  #check(outcome: StepOutcome | null): void {
    const { locals, step, digest } = this.sequencer;
    this.#visit(step, digest);
    const touched = outcome ? outcome.touched : null;
    let broken: Stuck[] | null = null;
    for (const watch of this.#always) {
      const message = watch.look(locals, touched);
      if (message === null) continue;
      broken ??= [];
      broken.push({ property: watch.property.id, message });
    }
    if (broken) this.#break('violation', broken);
    if (this.#liveness) this.#break('owed', this.#liveness.look(outcome));
    for (const watch of this.#sometimes) {
      if (this.#met.has(watch.property.id)) continue;
      const evidence = watch.look(locals, touched);
      if (evidence === null) continue;
      this.#met.set(watch.property.id, evidence);
      this.#metAt.set(watch.property.id, this.sequencer.step);
    }
  }

  /** Ends the run where something breaks, unless it was in a deadlock before. */
  #break(ended: RunEnd['ended'], broken: readonly Stuck[]): void {
    if (broken.length === 0) return;
    this.settle();
    if (!this.#end) this.#finish(ended, this.#toldOf(broken));
  }

  readonly #toldOf = (broken: readonly Stuck[] = []): Stuck | null => toldOf(broken, this.#options.sought);

  /** Ends the run where nothing is left to do. */
  #hasEnded(): boolean {
    const { store, locals, count } = this.sequencer;
    // Where all are at rest, no state before was dead.
    if (awakeIn(store, locals) < 0 && !hasHalted(store, locals)) this.#ahead.forget();
    else if (this.#ahead.findDead()) this.#endDead();
    if (this.#end === null && count === 0) this.#endAsIs();
    return this.#end !== null;
  }

  /**
   * Ends the run where nothing has to happen any more while something is owed; a deadlock comes
   * first.
   */
  #mayLast(): boolean {
    if (this.#options.chooser.isGiven) return false;
    const owed = this.#toldOf(this.#liveness?.inQuiet());
    if (owed && !this.#hasEnded()) this.#finish('owed', owed);
    return this.#end !== null;
  }

  /** Ends the run in the first dead state, back to which it has gone. */
  #endDead(): void {
    for (const [id, step] of this.#metAt) if (step > this.sequencer.step) this.#met.delete(id);
    this.#endAsIs();
  }

  /** Ends the run in the present state, after which nothing happens any more. */
  #endAsIs(): void {
    const { store, locals } = this.sequencer;
    const { ended, broken } = endOf(store, locals, { alternatives: 0, owed: () => this.#toldOf(this.#liveness?.atEnd()) })!;
    if (ended !== 'deadlock') this.#finish(ended, broken);
    else {
      const waits = this.#ahead.waits();
      this.#finish(ended, { property: DEADLOCK, message: deadlockText(waits), waits });
    }
  }

  #finish(ended: RunEnd['ended'], broken: Stuck | null, canGoOn = !isWhole(ended)): void {
    const { step } = this.sequencer;
    const comesBack = !canGoOn || this.#backAt < 0 ? null : { from: this.#backAt, length: step - this.#backAt };
    this.#end = {
      verdict: broken ? 'violation' : 'clean',
      violation: broken && violationOf(broken, step),
      ended,
      ...(comesBack && { comesBack }),
      outcomes: this.#outcomes(),
    };
    // An end that is known to a caller is one whose records the sink has.
    this.sequencer.flush();
  }

  #outcomes(): RunEnd['outcomes'] {
    return outcomesOf(new WorldView(this.sequencer.store, this.sequencer.locals), this.#options.scenario.host.arch);
  }
}

const violationOf = ({ property, message, kind, lasso, waits, also }: Stuck, step: number): NonNullable<RunEnd['violation']> => ({
  property,
  step,
  message,
  ...(kind && { kind }),
  ...(lasso && { lasso }),
  ...(waits && { waits }),
  ...(also && { also }),
});
