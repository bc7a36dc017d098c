/**
 * The projection of a run's records to a timeline: spans, instants, arrows, counters. Only what is
 * open is kept.
 *
 * A step lasts from its vtime to that of the next one; its micro-steps last as long. What a step
 * changes shows at its end, so the spans of functions that an actor is inside of are open while
 * others run. Messages are instants, for they take no time: a queued one is an arrow from the step
 * that sent it to the step that delivered it.
 */
import { MICRO_STEP_EVENTS } from '../events/index.ts';
import type { JournalRecord, JsonObject, RunEnd, RunStart } from '../events/journal.ts';
import { HitCounter, microStepName } from '../replay/points.ts';
import { MOVES } from '../sim/offers.ts';
import { Board } from './board.ts';
import type { Lane, TimelineEvent } from './event.ts';
import { TEXTS } from './mechanisms/shipped.ts';
import type { Recording } from './recording.ts';
import { addArgs, argsOf, pathOf } from './text.ts';
import type { View } from './view.ts';
import { Views } from './views.ts';

/**
 * Messages by which a CPU and its task talk about scheduling: they say nothing about a micro-step.
 */
const PLUMBING = /^(?:sched|rq|cpu)\./;

type MutableArgs = Record<string, string | number | boolean>;

/**
 * Takes records one by one, in order; `events` has what the steps that ended add to the timeline.
 * @public
 */
export class Projector {
  readonly #board = new Board();
  readonly #views: Views;
  readonly #steps: Lane;
  readonly #inFlight: Lane;
  readonly #alternatives: Lane;
  /** Local states at the end of the present step, by actor, in the order of their changes. */
  readonly #changed = new Map<string, JsonObject>();
  /** What is shown of the micro-steps of the present step, by actor. */
  readonly #microSteps = new Map<string, MutableArgs>();
  /** The state value of each actor now, by which points are named. */
  readonly #values = new Map<string, unknown>();
  readonly #hits = new HitCounter();
  /** The point of the last micro-step. */
  #point = '';
  #step = 0;
  #firstSeq = 0;
  #flying = 0;
  #offered = -1;
  #vtime = 0;
  /** The CPU whose step this is. */
  #cpu: View | null = null;

  constructor({ actors, scenario, chooser, seed, schedule, modelId }: RunStart) {
    const group = this.#board.group('run', 'run');
    this.#steps = this.#board.lane('steps', 'steps', group, null);
    this.#inFlight = this.#board.lane('counter', 'messages in flight', group, null);
    this.#alternatives = this.#board.lane('counter', 'alternatives', group, null);
    this.#views = new Views(this.#board, actors);
    const facts = { scenario: scenario.name ?? null, variant: scenario.variant ?? null, chooser, seed, schedule, model: modelId };
    this.#board.instant(this.#steps, 0, 'start', { category: 'verdict', args: argsOf(facts) });
  }

  /**
   * Events that have not been taken yet; the caller that takes them empties the list. It holds
   * nothing of the present step, whose spans may still gain arguments.
   */
  readonly events: TimelineEvent[] = [];

  take(record: JournalRecord): void {
    if (record.step !== this.#step) {
      this.#endStep(record.vtime);
      this.#step = record.step;
      this.#vtime = record.vtime;
      this.#firstSeq = record.seq;
    }
    if (record.kind === 'change') this.#change(record);
    else if (record.kind === 'choice') this.#choice(record);
    else if (record.kind === 'send') this.#send(record);
    else if (record.cause !== 0 && record.cause < this.#firstSeq) this.#arrival(record);
    else this.#busMessage(record);
  }

  /** Ends the run: what is open is closed. */
  finish(end: RunEnd | null, at: number): void {
    this.#endStep(at);
    const { violation, ended } = end ?? { violation: null, ended: 'not sealed' };
    const name = violation ? `violation: ${violation.property}` : `end: ${ended}`;
    const args = violation ? argsOf({ ...violation } as unknown as JsonObject) : argsOf({ ...end?.outcomes });
    this.#board.instant(this.#steps, at, name, { category: 'verdict', args });
    this.#board.close(at);
    this.#board.moveTo(this.events);
  }

  #change({ actor, payload }: JournalRecord): void {
    this.#changed.set(actor, payload);
    this.#values.set(actor, payload.value);
  }

  #choice(record: JournalRecord): void {
    const { actor, type, vtime, payload, step, seq } = record;
    if (MOVES.includes(type)) this.#count(record);
    const label = String(payload.label);
    const count = Number(payload.count);
    this.#board.beginBrief(this.#steps, vtime, label, { category: 'step', args: { step, seq, index: Number(payload.index), count } });
    if (count !== this.#offered) this.#board.counter(this.#alternatives, vtime, count);
    this.#offered = count;
    const view = this.#views.get(actor);
    if (!view) return;
    if (MOVES.includes(type)) {
      if (view.lane.kind === 'cpu') this.#cpu = view;
      this.#microStep(view, record);
    } else if (type !== 'deliver') this.#board.instant(view.lane, vtime, label, { category: 'offer', args: { step } });
  }

  #send({ seq, actor, peer, type, payload, vtime }: JournalRecord): void {
    this.#board.counter(this.#inFlight, vtime, ++this.#flying);
    const args: MutableArgs = { to: peer ?? '' };
    addArgs(args, payload, TEXTS);
    this.#message(actor, `send ${type}`, vtime, { args, flow: { id: seq, end: 'out' } });
  }

  /** A queued message reaches its receiver. */
  #arrival({ actor, peer, type, payload, vtime, cause }: JournalRecord): void {
    this.#board.counter(this.#inFlight, vtime, --this.#flying);
    const args: MutableArgs = { from: peer ?? '' };
    addArgs(args, payload, TEXTS);
    this.#message(actor, type, vtime, { args, flow: { id: cause, end: 'in' } });
  }

  #message(actor: string, name: string, at: number, shown: { args: MutableArgs; flow: { id: number; end: 'out' | 'in' } }): void {
    const view = this.#views.get(actor);
    if (view) this.#board.instant(view.lane, at, name, { category: 'message', ...shown });
  }

  #busMessage(record: JournalRecord): void {
    const { actor, peer, type, payload } = record;
    const receiver = this.#views.get(actor);
    const sender = peer === null ? undefined : this.#views.get(peer);
    if (MICRO_STEP_EVENTS.includes(type)) {
      this.#count(record);
      if (receiver) this.#microStep(receiver, record);
      return;
    }
    if (!PLUMBING.test(type)) {
      for (const walker of [peer, actor]) {
        const args = walker === null ? undefined : this.#microSteps.get(walker);
        if (args) addArgs(args, payload, TEXTS);
      }
    }
    sender?.message?.(record);
    receiver?.message?.(record);
  }

  #count({ actor, type }: JournalRecord): void {
    this.#point = this.#hits.point(actor, microStepName(type, this.#values.get(actor)));
  }

  /** A micro-step shows on the lane of its actor, and on that of the CPU that runs it. */
  #microStep(view: View, { type, step, seq, vtime }: JournalRecord): void {
    const path = view.microStep(type);
    if (path === null) return;
    const args: MutableArgs = { step, seq, point: this.#point };
    this.#microSteps.set(view.actor, args);
    const shown = { category: 'micro-step', args } as const;
    if (this.#cpu && this.#cpu !== view) this.#board.beginBrief(this.#cpu.lane, vtime, path.slice(-2).join('.'), shown);
    this.#board.beginBrief(view.lane, vtime, path.at(-1) ?? type, shown);
  }

  /**
   * A CPU that left its task, for an interrupt or for the scheduler, did nothing else in this step.
   */
  #showEntry(): void {
    if (!this.#cpu || this.#board.hasBrief(this.#cpu.lane)) return;
    const path = pathOf(this.#changed.get(this.#cpu.actor)?.value);
    const args = { step: this.#step };
    this.#board.beginBrief(this.#cpu.lane, this.#vtime, `enter ${path.join('.')}`, { category: 'micro-step', args });
  }

  #endStep(at: number): void {
    this.#showEntry();
    this.#cpu = null;
    this.#microSteps.clear();
    this.#board.endStep(at);
    if (this.#changed.size > 0) {
      for (const [actor, state] of this.#changed) this.#views.get(actor)?.settle(state, at);
      this.#changed.clear();
      this.#views.tasks.settle(at);
      this.#views.guests.settle(at);
    }
    this.#board.moveTo(this.events);
  }
}

/**
 * The timeline of a run, as it is asked for: one step's worth of events is held at a time.
 * @public
 */
export function* project({ start, records, end, endVtime }: Recording): Generator<TimelineEvent, void> {
  const projector = new Projector(start);
  const { events } = projector;
  let at = 0;
  for (const record of records) {
    projector.take(record);
    if (events.length === 0) continue;
    at = record.vtime;
    yield* events;
    events.length = 0;
  }
  projector.finish(end, Math.max(at, endVtime));
  yield* events;
}
