/**
 * A recording and the run that was imported from it in one timeline: the same lanes twice, at the
 * times of the recording.
 *
 * The run knows no durations. Where it met a line of the recording, it stands at that line's time;
 * between two of them its own time is stretched.
 */
import type { Journal } from '../replay/reader.ts';
import type { Group, Lane, TimelineEvent } from '../timeline/event.ts';
import { project } from '../timeline/project.ts';
import { recordingOf } from '../timeline/recording.ts';
import type { Anchor } from './import/driver.ts';
import type { Recording } from './recording.ts';
import { traceTimeline } from './timeline.ts';

/** Virtual time of the run, and time of the recording. Both grow. */
interface Fixed {
  readonly vtime: number;
  readonly at: number;
}

/** When the run met lines. A line that was met before an earlier one has no time of its own. */
function fixedTimes(recording: Recording, journal: Journal, anchors: readonly Anchor[]): readonly Fixed[] {
  const times = new Map(recording.lines.flatMap((line) => ('time' in line && line.time !== null ? [[line.line, line.time] as const] : [])));
  const [start = 0] = times.values();
  const fixed: Fixed[] = [{ vtime: 0, at: 0 }];
  for (const { step, line } of anchors) {
    const time = times.get(line);
    if (time === undefined || step > journal.steps) continue;
    const last = fixed.at(-1)!;
    const { vtime } = journal.stepEnd(step);
    const at = time - start;
    if (at < last.at || vtime < last.vtime) continue;
    if (vtime === last.vtime) fixed[fixed.length - 1] = { vtime, at };
    else fixed.push({ vtime, at });
  }
  return fixed;
}

/** The time of the recording for times of the run, which are asked for in their order. */
function stretched(fixed: readonly Fixed[]): (vtime: number) => number {
  let next = 0;
  return (vtime) => {
    while (next < fixed.length && fixed[next]!.vtime <= vtime) next += 1;
    const from = fixed[next - 1]!;
    const to = fixed[next];
    if (!to) return from.at + vtime - from.vtime;
    return from.at + Math.floor(((vtime - from.vtime) * (to.at - from.at)) / (to.vtime - from.vtime));
  };
}

type Source = 'recorded' | 'imported';
type At = Extract<TimelineEvent, { readonly at: number }>;

/** Lanes of both in one timeline: their numbers are kept apart, and pCPUs stand in one group. */
class Lanes {
  readonly #lanes = new Map<Lane, Lane>();
  readonly #groups = new Map<string, Group>();

  of(lane: Lane, source: Source): Lane {
    let own = this.#lanes.get(lane);
    if (!own) {
      own = { ...lane, id: numbered(lane.id, source), name: `${lane.name} ${source}`, group: this.#group(lane.group, source) };
      this.#lanes.set(lane, own);
    }
    return own;
  }

  #group(group: Group, source: Source): Group {
    const isShared = group.kind === 'cpus';
    const key = `${group.kind} ${group.name} ${isShared ? '' : source}`;
    let own = this.#groups.get(key);
    if (!own) {
      own = { ...group, id: numbered(group.id, source), name: isShared ? group.name : `${group.name} ${source}` };
      this.#groups.set(key, own);
    }
    return own;
  }
}

const numbered = (id: number, source: Source): number => 2 * id + (source === 'recorded' ? 0 : 1);

/** The event on the lanes of both; null for one that would stand on the kernel's own tracks. */
function renamed(event: TimelineEvent, source: Source, lanes: Lanes): TimelineEvent | null {
  if (event.kind === 'switch' || event.kind === 'wake') {
    if (source === 'imported') return null;
    const own = (lane: Lane | null): Lane | null => lane && lanes.of(lane, source);
    return event.kind === 'switch'
      ? { ...event, from: own(event.from), to: own(event.to) }
      : { ...event, thread: lanes.of(event.thread, source) };
  }
  const lane = lanes.of(event.lane, source);
  if (event.kind === 'instant' && event.flow) return { ...event, lane, flow: { ...event.flow, id: numbered(event.flow.id, source) } };
  return { ...event, lane };
}

const atOf = (event: TimelineEvent): number => ('at' in event ? event.at : Number.NEGATIVE_INFINITY);

/** The events of the run at the times of the recording. */
function* retimed(journal: Journal, fixed: readonly Fixed[]): Generator<TimelineEvent, void> {
  const time = stretched(fixed);
  let now = 0;
  for (const event of project(recordingOf(journal))) {
    if (!('at' in event)) yield event;
    else {
      now = Math.max(now, time(event.at));
      yield { ...event, at: now } as At;
    }
  }
}

/**
 * Both timelines, in the order of time; where they say the same time, the recording comes first.
 * @param anchors what the import of the recording met, by which the journal was made
 */
export function* besideTimeline(recording: Recording, journal: Journal, anchors: readonly Anchor[]): Generator<TimelineEvent, void> {
  const lanes = new Lanes();
  const sources = [
    { source: 'recorded', events: traceTimeline(recording) },
    { source: 'imported', events: retimed(journal, fixedTimes(recording, journal, anchors)) },
  ] as const;
  const [first, second] = sources.map(({ source, events }) => ({ source, events, head: events.next() }));
  for (;;) {
    const isFirst = !first!.head.done && (second!.head.done || atOf(first!.head.value) <= atOf(second!.head.value));
    const from = isFirst ? first! : second!;
    if (from.head.done) return;
    const event = renamed(from.head.value, from.source, lanes);
    if (event) yield event;
    from.head = from.events.next();
  }
}
