/**
 * Chrome's trace-event JSON, which many viewers read. Times are in µs, with the ns as decimals.
 *
 * The format has no CPU scheduling and no tracks but threads: every lane is a thread, and every
 * group a process.
 *
 * @see "Trace Event Format", the Chromium project
 */
import type { Journal } from '../../replay/reader.ts';
import type { Args, Lane, TimelineEvent } from '../event.ts';
import { project } from '../project.ts';
import { type Recording, recordingOf } from '../recording.ts';

const CHUNK_CHARS = 1 << 16;
/** All arrows have one name and category; the id tells them apart. */
const ARROW = '"name":"message","cat":"message"';
const HEADER = '{"displayTimeUnit":"ns","traceEvents":[\n';
const FOOTER = '\n]}\n';

type Instant = Extract<TimelineEvent, { readonly kind: 'instant' }>;

/** A number of ns as µs, exact. */
function microseconds(ns: number): string {
  const whole = Math.floor(ns / 1000);
  const rest = ns - 1000 * whole;
  return rest === 0 ? String(whole) : `${whole}.${String(rest).padStart(3, '0')}`;
}

const argsText = (args: Args | null): string => (args ? `,"args":${JSON.stringify(args)}` : '');
const titleText = ({ name, category }: { readonly name: string; readonly category: string }): string =>
  `,"name":${JSON.stringify(name)},"cat":"${category}"`;

class ChromeWriter {
  #text = HEADER;
  #isFirst = true;
  readonly #named = new Set<number>();
  readonly #encoder = new TextEncoder();

  get length(): number {
    return this.#text.length;
  }

  take(): Uint8Array {
    const bytes = this.#encoder.encode(this.#text);
    this.#text = '';
    return bytes;
  }

  end(): void {
    this.#text += FOOTER;
  }

  event(event: TimelineEvent): void {
    switch (event.kind) {
      case 'lane':
        this.#lane(event.lane);
        break;
      case 'begin':
        this.#line('B', event.lane, event.at, titleText(event) + argsText(event.args));
        break;
      case 'end':
        this.#line('E', event.lane, event.at, argsText(event.args));
        break;
      case 'instant':
        this.#instant(event);
        break;
      case 'counter':
        this.#line('C', event.lane, event.at, `,"name":${JSON.stringify(event.lane.name)},"args":{"value":${event.value}}`);
    }
  }

  /**
   * A span of no length. An arrow needs a span that is open at either end; and Perfetto puts true
   * instants that happen at the same time on the same lane below each other, as if one had called
   * the next.
   */
  #instant(event: Instant): void {
    const { lane, at, flow } = event;
    this.#line('B', lane, at, titleText(event) + argsText(event.args));
    if (flow) this.#line(flow.end === 'out' ? 's' : 'f', lane, at, `,${flow.end === 'in' ? '"bp":"e",' : ''}"id":${flow.id},${ARROW}`);
    this.#line('E', lane, at, '');
  }

  #lane(lane: Lane): void {
    const { group } = lane;
    if (!this.#named.has(group.id)) {
      this.#named.add(group.id);
      this.#fact(lane, 'process_name', { name: group.name });
      this.#fact(lane, 'process_sort_index', { sort_index: group.id });
    }
    if (lane.kind === 'counter') return;
    this.#fact(lane, 'thread_name', { name: lane.name });
    this.#fact(lane, 'thread_sort_index', { sort_index: lane.id });
  }

  #fact(lane: Lane, name: string, args: Args): void {
    this.#line('M', lane, 0, `,"name":"${name}"${argsText(args)}`);
  }

  #line(phase: string, lane: Lane, at: number, rest: string): void {
    const separator = this.#isFirst ? '' : ',\n';
    this.#isFirst = false;
    this.#text += `${separator}{"ph":"${phase}","pid":${lane.group.id},"tid":${lane.id},"ts":${microseconds(at)}${rest}}`;
  }
}

/** The timeline of a run as the bytes of a JSON file. */
function* encodeChrome(recording: Recording): Generator<Uint8Array, void> {
  const writer = new ChromeWriter();
  for (const event of project(recording)) {
    writer.event(event);
    if (writer.length >= CHUNK_CHARS) yield writer.take();
  }
  writer.end();
  yield writer.take();
}

export const chrome = {
  name: 'chrome',
  extension: 'json',
  summary: "Chrome's trace-event JSON: spans, message arrows, counters; for chrome://tracing, Speedscope and ui.perfetto.dev",
  encode: (journal: Journal) => encodeChrome(recordingOf(journal)),
} as const;
