/** The endpoints: requests in, responses out, no socket in sight. */
import { type Context, Hono } from 'hono';
import { didYouMean } from '../../events/nearest.ts';
import { openJournal } from '../../replay/open.ts';
import { type Clock, systemClock } from './clock.ts';
import { type GuardOptions, guard } from './guard.ts';
import { openApi } from './openapi.ts';
import { Problem, problemOf, problemResponse } from './problem.ts';
import { eventsQuery, formatQuery, recordingQuery } from './query.ts';
import { fileResponse } from './range.ts';
import { type RecordingSource, recordingFacts, recordingTable, recordingTexts } from './recordings.ts';
import { type RunSource, runTable } from './run-source.ts';
import { type EventStream, eventStream, namedText, runTold, type Told } from './sse.ts';
import { timelineResponse } from './timeline-file.ts';

/** What is served, and to whom. @public */
export interface AppOptions extends GuardOptions {
  readonly sources: readonly RunSource[];
  readonly recordings?: readonly RecordingSource[];
  /** Clients that may follow events at a time. */
  readonly streamsMax?: number;
  /** How long a client waits before it connects again. */
  readonly retryMs?: number;
  /** Silence after which a client gets a comment. */
  readonly heartbeatMs?: number;
  readonly clock?: Clock;
}

/** The endpoints without a socket. @public */
export interface App {
  readonly fetch: Hono['fetch'];
  readonly request: Hono['request'];
  /** Clients that follow events now. */
  readonly streams: number;
  /** Ends all streams. */
  stop(): void;
}

const STREAMS_MAX = 64;
const RETRY_MS = 1_000;
const HEARTBEAT_MS = 15_000;

const RUN_PATHS = ['', '/events', '/journal', '/timeline'];
const RECORDING_PATHS = ['', '/events', '/timeline'];
const PATHS = ['/', '/api/runs', '/api/recordings', '/openapi.json', '/healthz'];

const isHead = (c: Context): boolean => c.req.method === 'HEAD';
const json = (c: Context, value: unknown): Response => c.json(value as object, 200, { 'cache-control': 'no-store' });

/** What is served, by the ids in its paths. */
interface Tables {
  readonly runs: ReadonlyMap<string, RunSource>;
  readonly recordings: ReadonlyMap<string, RecordingSource>;
}

const pathsOf = ({ runs, recordings }: Tables): string[] => [
  ...PATHS,
  ...[...runs.keys()].flatMap((id) => RUN_PATHS.map((rest) => `/api/runs/${id}${rest}`)),
  ...[...recordings.keys()].flatMap((id) => RECORDING_PATHS.map((rest) => `/api/recordings/${id}${rest}`)),
];

const index = (origin: string, tables: Tables): string =>
  [
    'Worldswitch',
    '',
    ...pathsOf(tables)
      .slice(1)
      .map((path) => `${origin}${path}`),
    '',
  ].join('\n');

const noSuchPath = (path: string, tables: Tables): Problem =>
  new Problem({
    status: 404,
    code: 'path_unknown',
    message: `there is nothing at ${JSON.stringify(path)}${didYouMean(path, pathsOf(tables))}`,
    expected: 'a path of /openapi.json',
    try: 'GET / lists the URLs',
  });

const noSuch = (what: 'run' | 'recording', id: string, ids: Iterable<string>): Problem =>
  new Problem({
    status: 404,
    code: `${what}_unknown`,
    message: `no ${what} has the id ${JSON.stringify(id)}${didYouMean(id, [...ids])}`,
    expected: `an id of a ${what} that is served`,
    try: `GET /api/${what}s lists them`,
  });

/** @throws Problem 404 */
function served<S>(c: Context, what: 'run' | 'recording', table: ReadonlyMap<string, S>): { readonly id: string; readonly one: S } {
  const id = c.req.param('id') ?? '';
  const one = table.get(id);
  if (!one) throw noSuch(what, id, table.keys());
  return { id, one };
}

const tooManyStreams = (streamsMax: number): Problem =>
  new Problem({
    status: 503,
    code: 'too_many_streams',
    message: `${streamsMax} clients follow events already`,
    expected: `at most ${streamsMax}`,
    try: 'the same request when another client has left',
    headers: { 'retry-after': '5' },
  });

const stillGrowing = (id: string): Problem =>
  new Problem({
    status: 409,
    code: 'not_sealed',
    message: `run ${id} goes on; its journal is not sealed`,
    expected: 'a run that has ended',
    try: `GET /api/runs/${id}/events, and the journal after its event end`,
    headers: { 'retry-after': '1' },
  });

/** The streams that are open, so that they can be counted and ended. */
class Streams {
  readonly #open = new Set<EventStream>();
  readonly #max: number;
  constructor(max: number) {
    this.#max = max;
  }
  get size(): number {
    return this.#open.size;
  }

  /** @throws Problem 503; whatever keeps the first event from being read */
  async response(c: Context, told: Told, options: Omit<Parameters<typeof eventStream>[1], 'onClose'>): Promise<Response> {
    if (this.#open.size >= this.#max) throw tooManyStreams(this.#max);
    const stop = (): void => stream.stop();
    const { signal } = c.req.raw;
    const stream: EventStream = eventStream(told, {
      ...options,
      onClose: () => {
        this.#open.delete(stream);
        signal.removeEventListener('abort', stop);
      },
    });
    this.#open.add(stream);
    signal.addEventListener('abort', stop);
    try {
      // Recorded events are read at once; the response does not wait for later ones.
      await Promise.race([stream.primed, new Promise((resolve) => setImmediate(resolve))]);
    } catch (error) {
      stream.stop();
      throw error;
    }
    return new Response(stream.body, { headers: EVENT_STREAM });
  }

  stop(): void {
    for (const stream of [...this.#open]) stream.stop();
  }
}

const EVENT_STREAM = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
};

type Pace = Omit<Parameters<typeof eventStream>[1], 'onClose'>;
type Serving = Tables & { readonly streams: Streams; readonly pace: Pace };

function serveRuns(hono: Hono, { runs, streams, pace }: Serving): void {
  hono.get('/api/runs', (c) => {
    const rows = [...runs].map(([id, { scenario, variant, records, sealed }]) => ({ id, scenario, variant, records, sealed }));
    return json(c, rows);
  });
  hono.get('/api/runs/:id', (c) => {
    const { id, one } = served(c, 'run', runs);
    return json(c, { id, ...one.summary() });
  });
  hono.get('/api/runs/:id/events', (c) => {
    const run = served(c, 'run', runs).one;
    const wanted = eventsQuery(c, run.actors);
    // From its first record on, a run of no records is its end: that is no resume.
    if (!run.live && wanted.from > Math.max(run.records, 1)) return nothingMore();
    if (isHead(c)) return new Response(null, { headers: EVENT_STREAM });
    return streams.response(c, runTold(run, wanted), pace);
  });
  hono.get('/api/runs/:id/journal', (c) => {
    const { id, one } = served(c, 'run', runs);
    const bytes = one.journal();
    if (!bytes) throw stillGrowing(id);
    return fileResponse(bytes, { head: isHead(c), header: (name) => c.req.header(name), fileName: `${id}.wsj` });
  });
  hono.get('/api/runs/:id/timeline', (c) => {
    const { id, one } = served(c, 'run', runs);
    const exporter = formatQuery(c);
    const bytes = one.journal();
    if (!bytes) throw stillGrowing(id);
    return timelineResponse(exporter, { head: isHead(c), name: id, pieces: () => exporter.encode(openJournal(bytes.source)) });
  });
}

function serveRecordings(hono: Hono, { recordings, streams, pace }: Serving): void {
  hono.get('/api/recordings', (c) =>
    json(
      c,
      [...recordings].map(([id, source]) => ({ id, ...recordingFacts(source) })),
    ),
  );
  hono.get('/api/recordings/:id', (c) => {
    const { id, one } = served(c, 'recording', recordings);
    return json(c, { id, ...recordingFacts(one) });
  });
  hono.get('/api/recordings/:id/events', (c) => {
    const { one } = served(c, 'recording', recordings);
    const from = recordingQuery(c);
    if (isHead(c)) return new Response(null, { headers: EVENT_STREAM });
    return streams.response(
      c,
      { texts: (signal) => recordingTexts(one, from, signal), endText: () => namedText('end', recordingFacts(one)) },
      pace,
    );
  });
  hono.get('/api/recordings/:id/timeline', (c) => {
    const { id, one } = served(c, 'recording', recordings);
    const exporter = formatQuery(c);
    return timelineResponse(exporter, { head: isHead(c), name: id, pieces: () => exporter.encodeEvents(one.events(), one.kernel) });
  });
}

/** The client has all of it. */
const nothingMore = (): Response => new Response(null, { status: 204, headers: { 'cache-control': 'no-store' } });

/**
 * The server without a socket: requests in, responses out.
 * @throws RangeError on options that cannot be meant
 * @public
 */
export function createApp(options: AppOptions): App {
  const { streamsMax = STREAMS_MAX, retryMs = RETRY_MS, heartbeatMs = HEARTBEAT_MS, clock = systemClock } = options;
  const tables: Tables = { runs: runTable(options.sources), recordings: recordingTable(options.recordings ?? []) };
  const streams = new Streams(streamsMax);
  const hono = new Hono();
  const originOf = (c: Context): string => new URL(c.req.url).origin;
  const describe = (c: Context): Response => json(c, openApi(originOf(c), options.token !== undefined));

  hono.use(...guard(options));
  hono.onError((error) => problemResponse(problemOf(error)));
  hono.notFound((c) => problemResponse(problemOf(noSuchPath(c.req.path, tables))));

  hono.get('/', (c) => c.text(index(originOf(c), tables), 200, { 'cache-control': 'no-store' }));
  hono.get('/healthz', (c) => json(c, { ok: true, runs: tables.runs.size }));
  hono.get('/openapi.json', describe);
  hono.get('/api/openapi.json', describe);
  const serving = { ...tables, streams, pace: { retryMs, heartbeatMs, clock } };
  serveRuns(hono, serving);
  serveRecordings(hono, serving);

  return {
    fetch: hono.fetch,
    request: hono.request,
    get streams() {
      return streams.size;
    },
    stop: () => streams.stop(),
  };
}
