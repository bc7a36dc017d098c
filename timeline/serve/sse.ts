/**
 * Runs and recordings as Server-Sent Events: text that is made when the client has taken what came
 * before.
 */
import type { JournalRecord } from '../../events/journal.ts';
import { canonical } from '../../sim/canonical.ts';
import type { Clock } from './clock.ts';
import { problemOf } from './problem.ts';
import type { RunEvent, RunSource } from './run-source.ts';

/** Which events of a run are told. */
export interface Wanted {
  readonly from: number;
  /** Which records are told; a record that is not keeps its seq. */
  readonly wanted: (record: JournalRecord) => boolean;
}

/** What a stream tells, from one client's place on. */
export interface Told {
  /** Pieces of text; an empty one tells nothing, and lets others have their turn. */
  readonly texts: (signal: AbortSignal) => AsyncGenerator<string, void>;
  /** What is told last. */
  readonly endText: () => string;
}

export interface StreamOptions {
  /** How long a client waits before it connects again. */
  readonly retryMs: number;
  /** A client that got nothing for so long gets a comment. */
  readonly heartbeatMs: number;
  readonly clock: Clock;
  /** Called once, whether the client or the server ends the stream. */
  readonly onClose: () => void;
}

export interface EventStream {
  readonly body: ReadableStream<Uint8Array>;
  /** Resolves when the first event is known, rejects if it cannot be read. */
  readonly primed: Promise<unknown>;
  /** Ends the stream without an event: the client will come again. */
  stop(): void;
}

/**
 * The same bytes for a record, whether it comes from a journal, which sorts the keys of a payload,
 * or from a run, which has them as the model wrote them.
 */
function recordText({ seq, step, vtime, actor, kind, type, peer, cause, payload }: JournalRecord): string {
  const facts = JSON.stringify({ seq, step, vtime, actor, kind, type, peer, cause });
  return `id: ${seq}\ndata: ${facts.slice(0, -1)},"payload":${canonical(payload)}}\n\n`;
}

export const namedText = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

function textOf(event: RunEvent, wanted: Wanted['wanted']): string {
  if (event.type === 'gap') return namedText('gap', { from: event.from, to: event.to });
  let text = '';
  for (const record of event.records) if (wanted(record)) text += recordText(record);
  return text;
}

function endText(source: RunSource): string {
  const { records, steps, sealed, verdict, end, digest, root, failure } = source.summary();
  return namedText('end', { records, steps, sealed, verdict, end, digest, root, failure });
}

/** The records of a run. */
export const runTold = (source: RunSource, { from, wanted }: Wanted): Told => ({
  texts: async function* (signal) {
    for await (const event of source.events(from, signal)) yield textOf(event, wanted);
  },
  endText: () => endText(source),
});

function failureText(error: unknown): string {
  const { code, message } = problemOf(error);
  return namedText('failed', { code, message });
}

const othersTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const HEARTBEAT = Symbol('heartbeat');

/** What one client is told. Nothing is read ahead of the client but the next piece. */
class Events {
  readonly #told: Told;
  readonly #options: StreamOptions;
  readonly #stopper = new AbortController();
  readonly #texts: AsyncGenerator<string, void>;
  #next: Promise<IteratorResult<string, void>>;

  constructor(told: Told, options: StreamOptions) {
    this.#told = told;
    this.#options = options;
    this.#texts = told.texts(this.#stopper.signal);
    this.#next = this.#read();
  }

  get primed(): Promise<unknown> {
    return this.#next;
  }

  /** Releases what the source holds for this client. */
  release(): void {
    this.#stopper.abort();
    this.#texts.return().catch(() => {});
  }

  /** The next piece of text; `last` where nothing follows it. */
  async text(): Promise<{ readonly text: string; readonly last: boolean }> {
    const { clock, heartbeatMs } = this.#options;
    let cancel = (): void => {};
    const silence = new Promise<typeof HEARTBEAT>((resolve) => {
      cancel = clock.after(heartbeatMs, () => resolve(HEARTBEAT));
    });
    try {
      for (;;) {
        const event = await Promise.race([this.#next, silence]);
        if (event === HEARTBEAT) return { text: ': nothing new\n\n', last: false };
        if (event.done) return { text: this.#told.endText(), last: true };
        this.#next = this.#read();
        if (event.value !== '') return { text: event.value, last: false };
        // A filter may pass over millions of records: others are served in between.
        await othersTurn();
      }
    } catch (error) {
      return { text: failureText(error), last: true };
    } finally {
      cancel();
    }
  }

  #read(): Promise<IteratorResult<string, void>> {
    const next = this.#texts.next();
    // The failure is told when the batch is awaited; until then it must not count as unhandled.
    next.catch(() => {});
    return next;
  }
}

export function eventStream(told: Told, options: StreamOptions): EventStream {
  const events = new Events(told, options);
  const encoder = new TextEncoder();
  let open = true;
  let greeted = false;
  const close = (): boolean => {
    if (!open) return false;
    open = false;
    events.release();
    options.onClose();
    return true;
  };
  let stop = (): void => {};
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    const { text, last } = greeted ? await events.text() : { text: `retry: ${options.retryMs}\n\n`, last: false };
    greeted = true;
    if (!open) return;
    controller.enqueue(encoder.encode(text));
    if (last && close()) controller.close();
  };
  const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    stop = () => {
      if (close()) controller.close();
    };
  };
  const cancel = (): void => {
    close();
  };
  // No text waits here: what a client does not take is not made.
  const body = new ReadableStream<Uint8Array>({ start, pull, cancel }, { highWaterMark: 0 });
  return { body, primed: events.primed, stop: () => stop() };
}
