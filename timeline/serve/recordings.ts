/** Recordings of real kernels over HTTP: their timelines, as events and as files. */
import type { TimelineEvent } from '../event.ts';

/** A recording that can be served. @public */
export interface RecordingSource {
  /** The file as the user named it. */
  readonly file: string;
  /** Which program printed it. */
  readonly format: string;
  /** The kernel as the recording tells it; null if it does not. */
  readonly kernel: string | null;
  readonly lines: number;
  /** Its timeline, from the start each time that it is asked for. */
  events(): Iterable<TimelineEvent>;
}

/** Events that are told at once. */
const BATCH_EVENTS = 64;

/** The recordings by the id under which they are served: the file's name, as a URL takes it. */
export function recordingTable(sources: readonly RecordingSource[]): ReadonlyMap<string, RecordingSource> {
  const table = new Map<string, RecordingSource>();
  for (const source of sources) {
    const name = (source.file.split(/[\\/]/).at(-1) ?? '').replace(/[^\w.-]/g, '_');
    // A path of dots alone would be taken for a folder.
    const base = /[^.]/.test(name) ? name : 'recording';
    let id = base;
    for (let copy = 2; table.has(id); copy++) id = `${base}-${copy}`;
    table.set(id, source);
  }
  return table;
}

/** What is told of a recording beside its timeline. */
export const recordingFacts = ({ file, format, kernel, lines }: RecordingSource) => ({ file, format, kernel, lines });

/** An event names its lanes by their ids; each lane is an event of its own before. */
function dataOf(event: TimelineEvent): object {
  switch (event.kind) {
    case 'lane':
      return event;
    case 'switch':
      return { ...event, from: event.from?.id ?? null, to: event.to?.id ?? null };
    case 'wake':
      return { ...event, thread: event.thread.id };
    default:
      return { ...event, lane: event.lane.id };
  }
}

/** The events from number `from` on as texts of Server-Sent Events, in batches. */
export async function* recordingTexts(source: RecordingSource, from: number, signal: AbortSignal): AsyncGenerator<string, void> {
  let number = 0;
  let text = '';
  let held = 0;
  for (const event of source.events()) {
    number += 1;
    if (number < from) continue;
    text += `id: ${number}\ndata: ${JSON.stringify(dataOf(event))}\n\n`;
    held += 1;
    if (held < BATCH_EVENTS) continue;
    yield text;
    if (signal.aborted) return;
    text = '';
    held = 0;
  }
  if (text !== '') yield text;
}
