/**
 * Injection: one choice of a recorded run replaced, everything before it kept, and what follows
 * from it.
 */
import type { JsonObject, RunStart } from '../events/journal.ts';
import { type ChoiceView, type Chooser, toldOf } from '../sim/choosers/chooser.ts';
import { ReplayChooser } from '../sim/choosers/replay.ts';
import { MemoEngine } from '../sim/engine/memo.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { Run } from '../sim/run.ts';
import type { BlockSink } from '../sim/sequencer.ts';
import { type ChooserSpec, chooserOf, runStartOf } from '../sim/session.ts';
import { firstDifference } from './diff.ts';
import { scenarioOf } from './model.ts';
import { type Place, placeOf } from './points.ts';
import type { Journal } from './reader.ts';

/**
 * What to do instead of the recorded choice. Operands are actor ids, or labels of alternatives.
 * @public
 */
export type InjectAction =
  | { readonly preempt: string }
  | { readonly migrate: { readonly thread: string; readonly cpu: string } }
  | { readonly deliver: string }
  | { readonly choose: string }
  | { readonly disturb: string };

/** Where to fork a recorded run, and what comes then. @public */
export interface InjectOptions {
  /** A step number, or the name of a micro-step: before it. */
  readonly at: string;
  readonly action: InjectAction;
  /**
   * What comes after: the recorded choices by label as long as they fit and then in order, or a
   * chooser of its own.
   */
  readonly after:
    | { readonly name: 'follow' }
    | { readonly name: 'fifo' }
    | { readonly name: 'random' | 'random-uniform'; readonly seed: number };
}

/** The choice cannot be made there. @public */
export class InjectError extends Error {
  override readonly name = 'InjectError';
}

/** Where a recorded run forked: step, choice there, and what the point named. @public */
export interface Fork {
  readonly at: number;
  readonly label: string;
  readonly microStep: Place['microStep'];
}

/** A run that is to fork, and has not started. */
export interface ToFork {
  readonly run: Run;
  readonly start: RunStart;
  /**
   * Starts the run and takes it up to and over the fork.
   * @throws ScheduleError, InjectError where the choice cannot be made
   */
  readonly begin: () => void;
  /** Where it forks; the label is known once it has. */
  readonly fork: () => Fork;
  readonly leftAt: Injection['leftAt'];
}

export interface Injection {
  readonly run: Run;
  readonly start: RunStart;
  readonly fork: Fork;
  /**
   * The step at which the recorded choices no longer fitted; null if all were followed, or none
   * were asked for.
   */
  readonly leftAt: () => number | null;
}

/**
 * Answers the recorded choices before the fork, the injected one at it, and asks another chooser
 * after it.
 */
class ForkChooser implements Chooser {
  readonly name = 'inject';
  readonly #before: ReplayChooser;
  readonly #after: Chooser;
  readonly #at: number;
  readonly #action: InjectAction;
  #step = 0;
  label = '';

  constructor(before: ReplayChooser, at: number, action: InjectAction, after: Chooser) {
    this.#before = before;
    this.#at = at;
    this.#action = action;
    this.#after = after;
  }

  get isGiven(): boolean {
    return this.#step < this.#at || this.#after.isGiven === true;
  }

  choose(view: ChoiceView): number {
    this.#step++;
    if (this.#step < this.#at) return this.#before.choose(view);
    if (this.#step > this.#at) return this.#after.choose(view);
    const labels = view.alternatives().map(({ label }) => label);
    const found = labels.findIndex((label) => fits(label, this.#action));
    if (found < 0) throw new InjectError(`step ${this.#at} has no alternative for ${told(this.#action)}; it has ${toldOf(view)}`);
    this.label = labels[found]!;
    return found;
  }

  observe(outcome: Parameters<NonNullable<Chooser['observe']>>[0]): void {
    this.#after.observe?.(outcome);
  }
}

function fits(label: string, action: InjectAction): boolean {
  if ('preempt' in action) return label === `preempt(${action.preempt})`;
  if ('migrate' in action) return label.startsWith('migrate(') && label.endsWith(`, ${action.migrate.thread}, ${action.migrate.cpu})`);
  const wanted = 'deliver' in action ? action.deliver : 'choose' in action ? action.choose : action.disturb;
  if ('deliver' in action) return label === wanted || label.startsWith(`deliver(${wanted},`);
  return label === wanted || label.startsWith(`${wanted}(`);
}

const told = (action: InjectAction): string => {
  if ('migrate' in action) return `migrate ${action.migrate.thread} to ${action.migrate.cpu}`;
  const [[verb, operand]] = Object.entries(action) as [[string, string]];
  return `${verb} ${operand}`;
};

/**
 * Prepares the fork of a recorded run.
 * @throws PointError if the journal has no such point
 */
export function prepareInjection(journal: Journal, options: InjectOptions, sink: BlockSink | null): ToFork {
  const { action } = options;
  const goOn = options.after;
  const place = placeOf(journal, options.at);
  const at = place.step;
  const scenario = scenarioOf(journal);
  const topology = topologyOf(scenario);
  const followed =
    goOn.name === 'follow' ? new ReplayChooser(journal.choices(at + 1), { match: 'label', after: chooserOf({ name: 'fifo' }) }) : null;
  const after = followed ?? chooserOf(goOn as ChooserSpec);
  const chooser = new ForkChooser(new ReplayChooser(journal.choices(), { match: 'strict' }), at, action, after);
  const seed = 'seed' in goOn ? goOn.seed : journal.start.seed;
  const schedule = `${journal.header.runId}@${at}: ${told(action)}, then ${goOn.name}`;
  const start = runStartOf(scenario, topology, { chooser: 'inject', seed, schedule });
  const run = new Run({ scenario, engine: new MemoEngine(topology), chooser, sink });
  const begin = () => {
    run.start();
    run.toEnd(at);
  };
  const leftAt = () => (followed?.leftAt == null || followed.leftAt + at > run.sequencer.step ? null : followed.leftAt + at);
  return { run, start, begin, fork: () => ({ at, label: chooser.label, microStep: place.microStep }), leftAt };
}

/**
 * Runs up to and over the fork; the caller takes the run to its end. `sinkFor` is given the facts
 * of the new run before its first record.
 * @throws PointError, InjectError where the choice cannot be made
 */
export function inject(journal: Journal, options: InjectOptions, sinkFor: (start: RunStart) => BlockSink | null): Injection {
  let sink: BlockSink | null = null;
  const { run, start, begin, fork, leftAt } = prepareInjection(journal, options, (block, names) => sink?.(block, names));
  sink = sinkFor(start);
  begin();
  return { run, start, fork: fork(), leftAt };
}

/** What differs between a recorded run and its fork. @public */
export interface Changed {
  readonly firstDifferentStep: number | null;
  readonly verdictBefore: string;
  readonly verdictAfter: string;
  readonly outcomes: { readonly before: JsonObject; readonly after: JsonObject };
}

/** What differs between a recorded run and its fork. */
export function changedBy(before: Journal, after: Journal): Changed {
  return {
    firstDifferentStep: firstDifference(before, after)?.step ?? null,
    verdictBefore: verdictOf(before),
    verdictAfter: verdictOf(after),
    outcomes: { before: before.end?.outcomes ?? {}, after: after.end?.outcomes ?? {} },
  };
}

const verdictOf = ({ end }: Journal) => (end?.violation ? `violation: ${end.violation.property}` : (end?.verdict ?? 'unsealed'));
