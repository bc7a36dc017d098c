/**
 * Chrome's trace-event JSON, which many viewers read. Times are in µs, with the ns as decimals.
 *
 * The format has no CPU scheduling and no tracks but threads: every lane is a thread, and every
 * group a process.
 *
 * @see "Trace Event Format", the Chromium project
 */
import type { Args, Lane, TimelineEvent } from '../event.ts';

const CHUNK_CHARS = 1 << 16;
/** All arrows have one name and category; the id tells them apart. */
const ARROW = '"name":"message","cat":"message"';
const HEADER = '{"displayTimeUnit":"ns","traceEvents":[\n';
const FOOTER = '\n]}\n';

type Begin = Extract<TimelineEvent, { readonly kind: 'begin' }>;
type End = Extract<TimelineEvent, { readonly kind: 'end' }>;
type Instant = Extract<TimelineEvent, { readonly kind: 'instant' }>;

/** Events of one lane in one ns that readers that sort by time alone see in their order. */
const PLACES = 1000;

/** A number of ns as µs, exact, with the place within the ns as its picoseconds. */
function microseconds(ns: number, place: number): string {
  const whole = Math.floor(ns / 1000);
  const rest = PLACES * (ns - 1000 * whole) + Math.min(place, PLACES - 1);
  if (rest === 0) return String(whole);
  return `${whole}.${String(rest).padStart(6, '0').replace(/0+$/, '')}`;
}

const argsText = (args: Args | null): string => (args ? `,"args":${JSON.stringify(args)}` : '');
const titleText = ({ name, category }: { readonly name: string; readonly category: string }): string =>
  `,"name":${JSON.stringify(name)},"cat":"${category}"`;

class ChromeWriter {
  #text = HEADER;
  #isFirst = true;
  readonly #named = new Set<number>();
  /** Open spans by lane. Speedscope finds what an end ends by its name and arguments. */
  readonly #open = new Map<number, { readonly title: string; readonly args: Args | null }[]>();
  /** Of the last event of each lane. */
  readonly #last = new Map<number, { readonly at: number; readonly place: number }>();
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
        this.#begin(event);
        break;
      case 'end':
        this.#end(event);
        break;
      case 'instant':
        this.#instant(event);
        break;
      case 'counter':
        this.#line('C', event.lane, event.at, `,"name":${JSON.stringify(event.lane.name)},"args":{"value":${event.value}}`);
    }
  }

  #begin({ lane, at, name, category, args }: Begin): void {
    const title = titleText({ name, category });
    const open = this.#open.get(lane.id);
    if (open) open.push({ title, args });
    else this.#open.set(lane.id, [{ title, args }]);
    this.#line('B', lane, at, title + argsText(args));
  }

  #end({ lane, at, args }: End): void {
    const { title, args: begun } = this.#open.get(lane.id)!.pop()!;
    this.#line('E', lane, at, title + argsText(args ? { ...begun, ...args } : begun));
  }

  /**
   * A span of no length. An arrow needs a span that is open at either end; and Perfetto puts true
   * instants that happen at the same time on the same lane below each other, as if one had called
   * the next.
   */
  #instant(event: Instant): void {
    const { lane, at, flow } = event;
    const title = titleText(event) + argsText(event.args);
    this.#line('B', lane, at, title);
    if (flow) this.#line(flow.end === 'out' ? 's' : 'f', lane, at, `,${flow.end === 'in' ? '"bp":"e",' : ''}"id":${flow.id},${ARROW}`);
    this.#line('E', lane, at, title);
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
    this.#write('M', lane, '0', `,"name":"${name}"${argsText(args)}`);
  }

  #line(phase: string, lane: Lane, at: number, rest: string): void {
    const last = this.#last.get(lane.id);
    const place = last?.at === at ? last.place + 1 : 0;
    this.#last.set(lane.id, { at, place });
    this.#write(phase, lane, microseconds(at, place), rest);
  }

  #write(phase: string, lane: Lane, ts: string, rest: string): void {
    const separator = this.#isFirst ? '' : ',\n';
    this.#isFirst = false;
    this.#text += `${separator}{"ph":"${phase}","pid":${lane.group.id},"tid":${lane.id},"ts":${ts}${rest}}`;
  }
}

/** A timeline as the bytes of a JSON file. */
function* encode(events: Iterable<TimelineEvent>): Generator<Uint8Array, void> {
  const writer = new ChromeWriter();
  for (const event of events) {
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
  encodeEvents: encode,
} as const;
