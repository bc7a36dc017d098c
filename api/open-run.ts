/** A run that its caller drives: step by step, to its end, or live while others watch. */
import type { RunEnd, RunStart } from '../events/journal.ts';
import { type InjectOptions, prepareInjection, type ToFork } from '../replay/inject.ts';
import { scenarioOf } from '../replay/model.ts';
import type { Journal } from '../replay/reader.ts';
import { toldOf } from '../sim/choosers/chooser.ts';
import type { Run } from '../sim/run.ts';
import type { Alternative, BlockSink } from '../sim/sequencer.ts';
import { type EngineName, openSession, type SessionChooser } from '../sim/session.ts';
import { type ActorView, WorldView } from '../sim/view.ts';
import { type JournalPlace, withJournal } from './journal-file.ts';
import { resolved, type ScenarioOptions, type ScenarioSource } from './scenario.ts';
import { type Schedule, scheduleOf } from './schedule.ts';

/**
 * What decides a run, besides its scenario.
 * @public
 */
export interface OpenRunOptions extends ScenarioOptions {
  /**
   * Who chooses: in order (`fifo`, the default), by chance, or one of the strategies that sample.
   */
  readonly chooser?: Exclude<SessionChooser['name'], 'replay'>;
  /** The seed of a chooser that draws; 0 unless given. */
  readonly seed?: number;
  /** `pct`: how many orderings a bug may take, and decisions among which its places are drawn. */
  readonly depth?: number;
  readonly horizon?: number;
  /** `pct`, `surw`: the limit of steps of the sample whose schedule is drawn again. */
  readonly stepsMax?: number;
  /**
   * Choices to repeat; when they are used up, the run goes on in order. Not together with
   * `chooser`.
   */
  readonly schedule?: Schedule;
  /**
   * `live` runs actors, `memo` remembers reactions; the journals are equal. `memo` unless given.
   */
  readonly engine?: EngineName;
}

/** What an open run is made of. */
interface Parts {
  readonly run: Run;
  readonly start: RunStart;
  readonly begin: () => void;
  /** The last step of a run that is to end early. */
  readonly to?: number;
}

/**
 * A run that has not ended. It stands at its first step; the caller chooses, or lets the chooser
 * choose. Properties are checked at each step.
 * @public
 */
export class OpenRun {
  /** Everything that decides the run but its choices: the start of its journal. */
  readonly start: RunStart;
  readonly #run: Run;
  readonly #begin: () => void;
  readonly #to: number;
  #hasBegun = false;
  #sink: BlockSink | null = null;

  /** @internal */
  constructor(make: (sink: BlockSink) => Parts) {
    const { run, start, begin, to = Number.POSITIVE_INFINITY } = make((block, names) => this.#sink?.(block, names));
    this.start = start;
    this.#run = run;
    this.#begin = begin;
    this.#to = to;
  }

  /** Steps carried out. */
  get step(): number {
    return this.#begun().sequencer.step;
  }

  /** How the run has ended; null while it goes on. */
  get end(): RunEnd | null {
    return this.#begun().end;
  }

  /** Evidence of each `sometimes` property that has come true, by id. */
  get met(): ReadonlyMap<string, string> {
    return this.#begun().met;
  }

  /** What can happen next, in canonical order. */
  alternatives(): readonly Alternative[] {
    const { sequencer, end } = this.#begun();
    return end === null ? sequencer.alternatives() : [];
  }

  /** Every actor with its local state, in slot order. */
  actors(): readonly ActorView<unknown>[] {
    const { store, locals } = this.#begun().sequencer;
    const world = new WorldView(store, locals);
    return store.ids.map((_, slot) => world.actor(slot));
  }

  /**
   * Carries out one alternative, by its index or by its label, and checks all properties.
   * @returns false once the run has ended
   * @throws RangeError if there is no such alternative
   */
  take(choice: number | string): boolean {
    const run = this.#begun();
    if (typeof choice === 'number') return run.take(choice);
    const labels = this.alternatives().map(({ label }) => label);
    const index = labels.indexOf(choice);
    if (index < 0 && run.end === null)
      throw new RangeError(`there is no alternative ${choice}; step ${run.sequencer.step + 1} has ${toldOf(run.sequencer)}`);
    return run.take(index);
  }

  /**
   * Lets the chooser choose once.
   * @returns false once the run has ended, or has nothing more to repeat
   */
  advance(): boolean {
    const run = this.#begun();
    return run.sequencer.step < this.#to && run.advance();
  }

  /** Goes on to the end, as the chooser chooses. */
  toEnd(): RunEnd {
    while (this.advance());
    return this.#run.stop();
  }

  #begun(): Run {
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#begin();
    }
    return this.#run;
  }

  /**
   * Hands its records to a sink, from the first one on.
   * @internal
   * @throws Error if some are gone already
   */
  connect(sink: BlockSink): { readonly run: Run; readonly begin: () => void; readonly to: number } {
    if (this.#hasBegun) throw new Error('the run has begun, and its first records are gone; expected a run of which no step was asked for');
    this.#sink = sink;
    return { run: this.#run, begin: () => void this.#begun(), to: this.#to };
  }
}

function chooserOf({ chooser = 'fifo', seed = 0, depth, horizon, stepsMax, schedule }: OpenRunOptions): {
  readonly spec: SessionChooser;
  readonly schedule: string;
} {
  if (schedule !== undefined) {
    const { choices, match, text } = scheduleOf(schedule);
    return { spec: { name: 'replay', choices, match, after: { name: 'fifo' } }, schedule: text };
  }
  if (chooser === 'fifo') return { spec: { name: chooser }, schedule: '' };
  if (chooser === 'random' || chooser === 'random-uniform') return { spec: { name: chooser, seed }, schedule: '' };
  // A number that is not measured must be given, and what is given is part of the run's identity.
  const asked = Object.entries({ depth, horizon, stepsMax }).flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${value}`]));
  return { spec: { name: chooser, seed, depth, horizon, stepsMax }, schedule: asked.join(' ') };
}

/**
 * Opens a run of a scenario, which has not begun. A caller may choose step by step, or stream it
 * live.
 * @throws ScenarioError, ScenarioSourceError, ScheduleTextError
 * @public
 */
export function openRun(source: ScenarioSource, options: OpenRunOptions = {}): OpenRun {
  const scenario = resolved(source, options);
  if (options.schedule !== undefined && options.chooser !== undefined)
    throw new RangeError(`found a schedule and the chooser ${options.chooser}; expected one of the two`);
  const { spec, schedule } = chooserOf(options);
  const { engine = 'memo' } = options;
  return new OpenRun((sink) => {
    const { run, start } = openSession({ scenario, engine, chooser: spec, schedule, sink });
    return { run, start, begin: () => run.start() };
  });
}

/** The fork of a recorded run, before its first step. */
export function forkOf(journal: Journal, options: InjectOptions): { readonly open: OpenRun; readonly fork: ToFork } {
  let fork: ToFork | null = null;
  const open = new OpenRun((sink) => {
    fork = prepareInjection(journal, options, sink);
    return fork;
  });
  return { open, fork: fork! };
}

/**
 * Opens the fork of a recorded run, which has not begun. A caller may stream it live.
 * @throws PointError if the journal has no such point; JournalError, if it is damaged
 * @public
 */
export const openInjection = (journal: JournalPlace | Journal, options: InjectOptions): OpenRun =>
  withJournal(journal, (recorded) => forkOf(recorded, options).open);

/**
 * Opens a recorded run again: the model on the recorded choices. Its journal has the bytes of the
 * recorded one, as long as the model is the same. The end of a run that was stopped is where it was
 * stopped.
 * @throws JournalError, if it is damaged
 * @public
 */
export function openReplay(journal: JournalPlace | Journal): OpenRun {
  return withJournal(journal, (recorded) => {
    const { steps, end } = recorded;
    const choices = [...recorded.choices()];
    const { chooser, seed, schedule } = recorded.start;
    return new OpenRun((sink) => {
      const { run, start } = openSession({
        scenario: scenarioOf(recorded),
        engine: 'memo',
        chooser: { name: 'replay', choices, match: 'strict', after: { name: 'fifo' } },
        schedule,
        sink,
      });
      const isWhole = end !== null && end.ended !== 'stopped';
      return { run, start: { ...start, chooser, seed }, begin: () => run.start(), ...(!isWhole && { to: steps }) };
    });
  });
}
