/** Holds a recording against the model: all vCPU threads of it, each on its own way. */
import type { Recording } from '../recording.ts';
import { Automaton, statesOf } from './automaton.ts';
import { Doubts } from './doubts.ts';
import type { HostModel } from './host.ts';
import type { TraceMap } from './map.ts';
import { Moves } from './moves.ts';
import type { RecordingReport } from './report.ts';
import type { Sight } from './seen.ts';
import type { State } from './states.ts';
import { type Survey, survey } from './survey.ts';
import { ThreadWalk } from './thread-walk.ts';

/** What is asked for while a long recording is walked. */
export type Progress = (lines: number, of: number) => void;

const PROGRESS_LINES = 50_000;

/** Automata that are kept for recordings that show the same. */
const AUTOMATA_MAX = 64;

/** A model and a map, and what was found out about them by recordings before. */
export class Checker {
  readonly #model: HostModel;
  readonly #map: TraceMap;
  readonly #moves: Moves;
  readonly #automata = new Map<string, Automaton>();
  /** States of a thread that no signal reaches unseen, and of one that signals do. */
  readonly #states = new Map<boolean, readonly State[]>();

  constructor(model: HostModel, map: TraceMap) {
    this.#model = model;
    this.#map = map;
    this.#moves = new Moves(model, { exits: [...new Set([...map.exits.values()].flat())].sort(), requests: model.requests });
  }

  /**
   * Holds one recording against the model.
   * @throws QuestionError if the thread asks what the checker cannot answer
   * @throws TraceError if the recording has more threads than fit
   */
  check(recording: Recording, progress?: Progress): RecordingReport {
    const seen = survey(recording, this.#map);
    const doubts = new Doubts();
    const walks = this.#walksOf(seen, doubts);
    walk(recording, seen, { walks, doubts, progress });
    const threads = [...walks.values()].map((one) => one.report());
    const found = doubts.list();
    const isOpen = found.length > 0 || threads.some((thread) => thread.verdict === 'unknown');
    return {
      file: recording.file,
      format: recording.format,
      lines: recording.lines.length,
      host: this.#model.host,
      maps: this.#map.files,
      verdict: threads.some((thread) => thread.verdict === 'cannot') ? 'cannot' : isOpen ? 'unknown' : 'conforms',
      threads,
      doubts: found,
    };
  }

  #walksOf({ threads, sight, hasDepths }: Survey, doubts: Doubts): ReadonlyMap<number, ThreadWalk> {
    return new Map(
      threads.map((thread) => {
        const whole: Sight = { ...sight, signals: thread.signals };
        const early: Sight = { ...whole, returns: false, ...(thread.isLateShown && { functions: new Set<string>() }) };
        const automata = { whole: this.#automaton(whole), early: this.#automaton(early) };
        return [thread.pid, new ThreadWalk(thread, automata, this.#map, doubts, hasDepths)];
      }),
    );
  }

  #automaton(sight: Sight): Automaton {
    const { functions, events, switches, signals, returns = true } = sight;
    const key = `${[...functions].sort()} ${[...events].sort()} ${switches} ${signals} ${returns}`;
    let automaton = this.#automata.get(key);
    if (automaton === undefined) {
      if (this.#automata.size >= AUTOMATA_MAX) this.#automata.clear();
      const states = this.#states.get(signals) ?? statesOf(this.#model, this.#moves, sight);
      this.#states.set(signals, states);
      automaton = new Automaton(this.#model, this.#moves, this.#map, sight, states);
      this.#automata.set(key, automaton);
    }
    return automaton;
  }
}

interface Walking {
  readonly walks: ReadonlyMap<number, ThreadWalk>;
  readonly doubts: Doubts;
  readonly progress: Progress | undefined;
}

/** Gives each thread its lines, and ends its claim where events were lost. */
function walk({ lines }: Recording, { sight }: Survey, { walks, doubts, progress }: Walking): void {
  const cpus = new Map<number, number>();
  const off = new Set<number>();
  /** Threads of which something is known: what knows nothing has nothing to lose. */
  const knowing = new Map(walks);
  const lose = (pid: number, one: ThreadWalk): void => {
    one.lose();
    knowing.delete(pid);
  };
  /** Whether a thread may have run on the CPU unseen. */
  const mayRunOn = (pid: number, cpu: number | null): boolean =>
    cpu === null || !sight.switches || off.has(pid) || (cpus.get(pid) ?? cpu) === cpu;
  for (const [index, line] of lines.entries()) {
    if (index % PROGRESS_LINES === 0) progress?.(index, lines.length);
    if (line.kind === 'lost') {
      doubts.add(`events of ${line.cpu === null ? 'some CPU' : `CPU ${line.cpu}`} were lost`, line.line, LARGER);
      for (const [pid, one] of knowing) if (mayRunOn(pid, line.cpu)) lose(pid, one);
    } else if (line.kind === 'foreign') {
      doubts.add('a line that is not understood', line.line, `a recording as the tool prints it; it says "${line.text.slice(0, 40)}"`);
      for (const [pid, one] of knowing) lose(pid, one);
    } else {
      cpus.set(line.pid, line.cpu);
      const own = walks.get(line.pid);
      if (own) {
        own.take(line, index);
        knowing.set(line.pid, own);
      }
      if (line.kind !== 'event' || line.event?.type !== 'sched_switch') continue;
      off.add(line.event.prev.pid);
      off.delete(line.event.next.pid);
    }
  }
}

const LARGER = 'a larger ring buffer (buffer_size_kb, trace-cmd -b, perf -m), or fewer events';
