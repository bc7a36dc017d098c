/** One run: a scenario, an engine, a chooser; steps until a property breaks, nothing is left to do, or a bound is hit. */
import type { RunEnd } from '../events/journal.ts';
import type { Chooser } from './choosers/chooser.ts';
import { type ActorEngine, ModelError } from './engine/port.ts';
import { stateName } from './engine/reaction.ts';
import { LivenessWatch, type Stuck } from './liveness.ts';
import { outcomesOf } from './outcomes.ts';
import { propertyOf } from './properties/index.ts';
import { PropertyWatch } from './property.ts';
import type { ResolvedScenario } from './scenario/types.ts';
import { type BlockSink, Sequencer, type StepOutcome } from './sequencer.ts';
import type { Store } from './store.ts';
import { WorldView } from './view.ts';

/** No alternative is left, and somebody is not at rest. */
export const DEADLOCK = 'deadlock';

/** Evidence that a state without alternatives is a deadlock; null where everybody is at rest, or the machine has halted. */
export function deadlockIn(store: Store, locals: readonly number[]): string | null {
  const snapshots = locals.map((local, slot) => store.kindOfSlot[slot]!.locals.values[local]!);
  if (snapshots.some((snapshot) => snapshot.hasTag('halt'))) return null;
  const stuck = snapshots.findIndex((snapshot) => !snapshot.hasTag('rest'));
  return stuck < 0 ? null : `nothing can happen any more, and ${store.ids[stuck]!} stands in ${stateName(snapshots[stuck]!.value)}`;
}

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
  #end: RunEnd | null = null;

  constructor(options: RunOptions) {
    this.#options = options;
    this.sequencer = new Sequencer(options.engine, options.sink ?? null);
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
    if (sequencer.step >= this.#options.scenario.bounds.steps) return this.#finish('bound');
    if (sequencer.count === 0) return this.#finish('done');
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

  /** Ends a run that somebody else stops. */
  interrupt(): RunEnd {
    if (!this.#end) this.#finish('interrupted');
    return this.#end!;
  }

  #check(outcome: StepOutcome | null): void {
    const { locals, store } = this.sequencer;
    const touched = outcome ? outcome.touched : null;
    for (const watch of this.#always) {
      const message = watch.look(locals, touched);
      if (message !== null && !this.#end) this.#break({ property: watch.property.id, message });
    }
    const stuck = this.#liveness?.look(outcome) ?? null;
    if (stuck && !this.#end) this.#break(stuck);
    for (const watch of this.#sometimes) {
      if (this.#met.has(watch.property.id)) continue;
      const evidence = watch.look(locals, touched);
      if (evidence !== null) this.#met.set(watch.property.id, evidence);
    }
    for (const slot of touched ?? []) {
      const asking = (store.kindOfSlot[slot]!.locals.values[locals[slot]!]!.context as { readonly asking?: string | null }).asking;
      if (asking)
        throw new ModelError(`${store.ids[slot]!} asked in its ${asking} frame and nobody answered within step ${this.sequencer.step}`);
    }
  }

  #break({ property, message, lasso }: Stuck): void {
    this.#end = {
      verdict: 'violation',
      violation: { property, step: this.sequencer.step, message, ...(lasso && { lasso }) },
      ended: 'violation',
      outcomes: this.#outcomes(),
    };
  }

  #finish(ended: 'done' | 'bound' | 'interrupted'): false {
    if (ended === 'done') this.#checkEnd();
    this.#end ??= { verdict: 'clean', violation: null, ended, outcomes: this.#outcomes() };
    return false;
  }

  /** What only the end of a run can tell: a deadlock, and what is still owed. */
  #checkEnd(): void {
    const deadlock = deadlockIn(this.sequencer.store, this.sequencer.locals);
    if (deadlock !== null) {
      this.#break({ property: DEADLOCK, message: deadlock });
      return;
    }
    const stuck = this.#liveness?.atEnd() ?? null;
    if (stuck) this.#break(stuck);
  }

  #outcomes(): RunEnd['outcomes'] {
    return outcomesOf(new WorldView(this.sequencer.store, this.sequencer.locals), this.#options.scenario.host.arch);
  }
}
