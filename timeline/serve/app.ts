/** The endpoints: requests in, responses out, no socket in sight. */
import { type Context, Hono } from 'hono';
import { didYouMean } from '../../events/nearest.ts';
import { type Clock, systemClock } from './clock.ts';
import { type GuardOptions, guard } from './guard.ts';
import { openApi } from './openapi.ts';
import { Problem, problemOf, problemResponse } from './problem.ts';
import { eventsQuery } from './query.ts';
import { fileResponse } from './range.ts';
import { type RunSource, runTable } from './run-source.ts';
import { type EventStream, eventStream } from './sse.ts';

/** What is served, and to whom. @public */
export interface AppOptions extends GuardOptions {
  readonly sources: readonly RunSource[];
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

const RUN_PATHS = ['', '/events', '/journal'];
const PATHS = ['/', '/api/runs', '/openapi.json', '/healthz'];

const isHead = (c: Context): boolean => c.req.method === 'HEAD';
const json = (c: Context, value: unknown): Response => c.json(value as object, 200, { 'cache-control': 'no-store' });

function index(origin: string, ids: Iterable<string>): string {
  const runs = [...ids].flatMap((id) => RUN_PATHS.map((path) => `${origin}/api/runs/${id}${path}`));
  return ['Worldswitch', '', ...PATHS.slice(1).map((path) => `${origin}${path}`), ...runs, ''].join('\n');
}

function noSuchPath(path: string, ids: Iterable<string>): Problem {
  const known = [...PATHS, ...[...ids].flatMap((id) => RUN_PATHS.map((rest) => `/api/runs/${id}${rest}`))];
  return new Problem({
    status: 404,
    code: 'path_unknown',
    message: `there is nothing at ${JSON.stringify(path)}${didYouMean(path, known)}`,
    expected: 'a path of /openapi.json',
    try: 'GET / lists the URLs',
  });
}

function noSuchRun(id: string, ids: Iterable<string>): Problem {
  return new Problem({
    status: 404,
    code: 'run_unknown',
    message: `no run has the id ${JSON.stringify(id)}${didYouMean(id, [...ids])}`,
    expected: 'an id of a run that is served',
    try: 'GET /api/runs lists them',
  });
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
  async response(c: Context, source: RunSource, options: Omit<Parameters<typeof eventStream>[1], 'onClose'>): Promise<Response> {
    if (this.#open.size >= this.#max) throw tooManyStreams(this.#max);
    const stop = (): void => stream.stop();
    const { signal } = c.req.raw;
    const stream: EventStream = eventStream(source, {
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

/**
 * The server without a socket: requests in, responses out.
 * @throws RangeError on options that cannot be meant
 * @public
 */
export function createApp(options: AppOptions): App {
  const { streamsMax = STREAMS_MAX, retryMs = RETRY_MS, heartbeatMs = HEARTBEAT_MS, clock = systemClock } = options;
  const runs = runTable(options.sources);
  const streams = new Streams(streamsMax);
  const hono = new Hono();
  const runOf = (c: Context): { readonly id: string; readonly run: RunSource } => {
    const id = c.req.param('id') ?? '';
    const run = runs.get(id);
    if (!run) throw noSuchRun(id, runs.keys());
    return { id, run };
  };
  const originOf = (c: Context): string => new URL(c.req.url).origin;
  const describe = (c: Context): Response => json(c, openApi(originOf(c), options.token !== undefined));

  hono.use(...guard(options));
  hono.onError((error) => problemResponse(problemOf(error)));
  hono.notFound((c) => problemResponse(problemOf(noSuchPath(c.req.path, runs.keys()))));

  hono.get('/', (c) => c.text(index(originOf(c), runs.keys()), 200, { 'cache-control': 'no-store' }));
  hono.get('/healthz', (c) => json(c, { ok: true, runs: runs.size }));
  hono.get('/openapi.json', describe);
  hono.get('/api/openapi.json', describe);
  hono.get('/api/runs', (c) => {
    const rows = [...runs].map(([id, { scenario, variant, records, sealed }]) => ({ id, scenario, variant, records, sealed }));
    return json(c, rows);
  });
  hono.get('/api/runs/:id', (c) => {
    const { id, run } = runOf(c);
    return json(c, { id, ...run.summary() });
  });
  hono.get('/api/runs/:id/events', (c) => {
    const { run } = runOf(c);
    const { from, wanted } = eventsQuery(c, run.actors);
    // From its first record on, a run of no records is its end: that is no resume.
    if (!run.live && from > Math.max(run.records, 1)) return new Response(null, { status: 204, headers: { 'cache-control': 'no-store' } });
    if (isHead(c)) return new Response(null, { headers: EVENT_STREAM });
    return streams.response(c, run, { from, wanted, retryMs, heartbeatMs, clock });
  });
  hono.get('/api/runs/:id/journal', (c) => {
    const { id, run } = runOf(c);
    const bytes = run.journal();
    if (!bytes) throw stillGrowing(id);
    return fileResponse(bytes, { head: isHead(c), header: (name) => c.req.header(name), fileName: `${id}.wsj` });
  });

  return {
    fetch: hono.fetch,
    request: hono.request,
    get streams() {
      return streams.size;
    },
    stop: () => streams.stop(),
  };
}
