/** Holds a recording against the model: all vCPU threads of it, each on its own way. */
import type { Recording } from '../recording.ts';
import { Automaton } from './automaton.ts';
import { Doubts } from './doubts.ts';
import type { HostModel } from './host.ts';
import type { TraceMap } from './map.ts';
import { Moves } from './moves.ts';
import type { RecordingReport, Verdict } from './report.ts';
import type { Sight } from './seen.ts';
import { type Survey, survey } from './survey.ts';
import { ThreadWalk } from './thread-walk.ts';

/** What is asked for while a long recording is walked. */
export type Progress = (lines: number, of: number) => void;

const PROGRESS_LINES = 50_000;

/**
 * Holds one recording against the model.
 * @throws QuestionError if the thread asks what the checker cannot answer
 */
export function conform(recording: Recording, model: HostModel, map: TraceMap, progress?: Progress): RecordingReport {
  const seen = survey(recording, map);
  const doubts = new Doubts();
  const walks = walksOf(seen, model, map, doubts);
  const cpus = new Map<number, number>();
  const off = new Set<number>();
  /** Whether a thread may have run on the CPU unseen. */
  const mayRunOn = (pid: number, cpu: number | null): boolean =>
    cpu === null || !seen.sight.switches || off.has(pid) || (cpus.get(pid) ?? cpu) === cpu;
  for (const [index, line] of recording.lines.entries()) {
    if (index % PROGRESS_LINES === 0) progress?.(index, recording.lines.length);
    if (line.kind === 'lost') {
      const where = line.cpu === null ? 'some CPU' : `CPU ${line.cpu}`;
      doubts.add(
        `events of ${where} were lost`,
        line.line,
        'a larger ring buffer (buffer_size_kb, trace-cmd -b, perf -m), or fewer events',
      );
      for (const [pid, walk] of walks) if (mayRunOn(pid, line.cpu)) walk.lose();
    } else if (line.kind === 'foreign') {
      doubts.add('a line that is not understood', line.line, `a recording as the tool prints it; it says "${line.text.slice(0, 40)}"`);
      for (const walk of walks.values()) walk.lose();
    } else {
      const walk = walks.get(line.pid);
      if (walk) {
        cpus.set(line.pid, line.cpu);
        walk.take(line, index);
      }
      if (line.kind === 'event' && line.event?.type === 'sched_switch') {
        off.add(line.event.prev.pid);
        off.delete(line.event.next.pid);
      }
    }
  }
  const threads = [...walks.values()].map((walk) => walk.report());
  const found = doubts.list();
  const verdict: Verdict = threads.some((thread) => thread.verdict === 'cannot')
    ? 'cannot'
    : found.length > 0 || threads.some((thread) => thread.verdict === 'unknown')
      ? 'unknown'
      : 'conforms';
  return {
    file: recording.file,
    format: recording.format,
    lines: recording.lines.length,
    host: model.host,
    maps: map.files,
    verdict,
    threads,
    doubts: found,
  };
}

function walksOf(seen: Survey, model: HostModel, map: TraceMap, doubts: Doubts): Map<number, ThreadWalk> {
  const moves = new Moves(model, { exits: [...new Set([...map.exits.values()].flat())].sort(), requests: model.requests });
  const automata = new Map<string, Automaton>();
  const automaton = (signals: boolean, early: Partial<Sight>): Automaton => {
    const key = `${signals} ${early.returns ?? true} ${early.functions === undefined}`;
    const known = automata.get(key);
    if (known) return known;
    const made = new Automaton(model, moves, map, { ...seen.sight, signals, ...early });
    automata.set(key, made);
    return made;
  };
  return new Map(
    seen.threads.map((thread) => [
      thread.pid,
      new ThreadWalk(
        thread,
        {
          whole: automaton(thread.signals, {}),
          early: automaton(thread.signals, { returns: false, ...(thread.isLateShown && { functions: new Set<string>() }) }),
        },
        map,
        doubts,
        seen.hasDepths,
      ),
    ]),
  );
}
