/**
 * What the tests of the server share: synthetic runs, a clock that stands still, a reader of event
 * streams.
 */
import type { JournalRecord } from '../../../events/journal.ts';
import { type App, type AppOptions, createApp } from '../../../timeline/serve/app.ts';
import type { Clock } from '../../../timeline/serve/clock.ts';
import { journalBytesRun } from '../../../timeline/serve/journal-run.ts';
import { LiveRun, type LiveRunOptions } from '../../../timeline/serve/live-run.ts';
import type { RecordingSource } from '../../../timeline/serve/recordings.ts';
import type { RunEvent, RunSource } from '../../../timeline/serve/run-source.ts';
import { recordingOf } from '../../../trace/recording.ts';
import { traceTimeline } from '../../../trace/timeline.ts';
import { END, SyntheticRun, syntheticJournal } from '../../replay/synthetic.ts';

/** Time passes when a test says so. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly then: () => void }>();

  after(ms: number, then: () => void): () => void {
    const timer = { at: this.#now + ms, then };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
  pass(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.#now)) {
      this.#timers.delete(timer);
      timer.then();
    }
  }
  get waiting(): number {
    return this.#timers.size;
  }
}

export interface Told {
  readonly id?: string;
  readonly event: string;
  readonly data: unknown;
}

/** Reads Server-Sent Events as they come, comments and all. */
export class Stream {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = '';
  retry: string | null = null;
  readonly comments: string[] = [];

  constructor(response: Response) {
    this.#reader = response.body!.getReader();
  }

  /** The next event; null at the end. Comments and `retry` are put aside. */
  async next(): Promise<Told | null> {
    for (;;) {
      const frame = await this.frame();
      if (frame === null) return null;
      if (frame.startsWith(':')) this.comments.push(frame);
      else if (frame.startsWith('retry:')) this.retry = frame;
      else return toldOf(frame);
    }
  }

  /** The next piece of text that an empty line ends; null at the end. */
  async frame(): Promise<string | null> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const frame = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return frame;
      }
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }

  async rest(): Promise<Told[]> {
    const told: Told[] = [];
    for (let next = await this.next(); next; next = await this.next()) told.push(next);
    return told;
  }

  async take(count: number): Promise<Told[]> {
    const told: Told[] = [];
    while (told.length < count) {
      const next = await this.next();
      if (next === null) throw new Error(`the stream ended after ${told.length} events; ${count} were expected`);
      told.push(next);
    }
    return told;
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

export function toldOf(frame: string): Told {
  const fields = new Map(
    frame.split('\n').map((line) => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)] as const;
    }),
  );
  const id = fields.get('id');
  return { ...(id !== undefined && { id }), event: fields.get('event') ?? 'message', data: JSON.parse(fields.get('data')!) as unknown };
}

/** The seqs of the records among what was told. */
export const seqs = (told: readonly Told[]): number[] =>
  told.filter(({ event }) => event === 'message').map(({ data }) => (data as JournalRecord).seq);

export const upTo = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, at) => first + at);

const journals = new Map<string, Uint8Array>();

/** Bytes of a sealed synthetic journal, made once. */
export function journalBytes(steps = 50, seed = 1): Uint8Array {
  const key = `${steps} ${seed}`;
  const bytes = journals.get(key) ?? syntheticJournal(steps, { seed }).content;
  journals.set(key, bytes);
  return bytes;
}

export interface LiveFixture {
  readonly live: LiveRun;
  readonly synthetic: SyntheticRun;
  steps(count: number): void;
  seal(): void;
}

export function liveFixture(options: LiveRunOptions = {}, seed = 1): LiveFixture {
  const synthetic = new SyntheticRun({ seed });
  const live = new LiveRun(synthetic.start, options);
  return {
    live,
    synthetic,
    steps: (count) => synthetic.steps(count, (block) => live.block(block, synthetic.names)),
    seal: () => live.seal(END),
  };
}

export const appOf = (sources: readonly RunSource[], options: Partial<AppOptions> = {}): App =>
  createApp({ host: '127.0.0.1', sources, ...options });

export const journalApp = (options: Partial<AppOptions> = {}): { readonly app: App; readonly source: RunSource } => {
  const source = journalBytesRun(journalBytes());
  return { app: appOf([source], options), source };
};

const TRACE = [
  '  vcpu0-225 [000] ...1. 1.000010: sys_ioctl(fd: 5, cmd: ae80, arg: 0)',
  '  vcpu0-225 [000] d..1. 1.000020: kvm_entry: vcpu 0, rip 0x1800',
  '  vcpu0-225 [000] d..1. 1.000030: kvm_exit: vcpu 0 reason io rip 0x1800',
  '  vcpu0-225 [000] d..2. 1.000040: sched_switch: prev_comm=vcpu0 prev_pid=225 prev_prio=120 prev_state=R+ ==> next_comm=hog next_pid=9 next_prio=120',
  '  hog-9 [000] ...1. 1.000050: sched_waking: comm=vcpu0 pid=225 prio=120 target_cpu=000',
].join('\n');

/** A recording of five lines. */
export function recordingFixture(): RecordingSource {
  const recording = recordingOf('/traces/ev kick.txt', TRACE);
  return { ...recording, lines: recording.lines.length, events: () => traceTimeline(recording) };
}

/** The events of a run as a client gets them. */
export async function follow(app: App, source: RunSource, query = '', headers: Record<string, string> = {}): Promise<Stream> {
  const response = await app.request(`/api/runs/${source.id}/events${query}`, { headers });
  if (response.status !== 200) throw new Error(`the stream was answered with ${response.status}: ${await response.text()}`);
  return new Stream(response);
}

/** The same run, with each stream of its events seen on the way. */
export function watched(source: RunSource, watch: (events: AsyncGenerator<RunEvent, void>) => AsyncGenerator<RunEvent, void>): RunSource {
  return {
    id: source.id,
    scenario: source.scenario,
    variant: source.variant,
    actors: source.actors,
    get sealed() {
      return source.sealed;
    },
    get records() {
      return source.records;
    },
    get live() {
      return source.live;
    },
    summary: () => source.summary(),
    events: (from, signal) => watch(source.events(from, signal)),
    journal: () => source.journal(),
    close: () => source.close(),
  };
}
