/** The app on a socket: where it listens, what it takes from a connection, and how it stops. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { type App, type AppOptions, createApp } from './app.ts';
import { systemClock } from './clock.ts';
import { checkOrigins } from './guard.ts';
import { bracketed, isLoopback } from './hosts.ts';
import { type ProblemOptions, problemOf, problemResponse, problemText } from './problem.ts';

/** What is served, where, and to whom. @public */
export interface ServerOptions extends Omit<AppOptions, 'host'> {
  /** The address to listen on; this machine alone if not said. Any other needs a token. */
  readonly host?: string;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  readonly connectionsMax?: number;
  /** How long `close` waits for clients that take their time. */
  readonly graceMs?: number;
  /** How long a client may take to send its headers; 10 s if not said. */
  readonly headersMs?: number;
  /** How long a client may take to send a whole request; 30 s if not said. */
  readonly requestMs?: number;
  /**
   * A connection on which nothing moves for so long is cut, as that of a client that does not read
   * its stream; 60 s if not said. A stream goes on where it was cut, by `Last-Event-ID`.
   */
  readonly stalledMs?: number;
}

/** A server that listens. @public */
export interface RunningServer {
  /** Without a slash at its end. */
  readonly url: string;
  /** Clients that follow events now. */
  readonly streams: number;
  /** Ends all streams and connections. The sources stay open: who opened them closes them. */
  close(): Promise<void>;
}

/**
 * The server does not start: what was asked for is unsafe, or the address cannot be had.
 * @public
 */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
}

const CONNECTIONS_MAX = 256;
const GRACE_MS = 250;
const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
const KEEP_ALIVE_MS = 5_000;
/** Longer than the pause between two comments on a stream of which nothing is told. */
const STALLED_MS = 60_000;
/** How often connections are held against the limits, which so much can be added to. */
const CHECK_MS = 1_000;

/** Addresses that stand for all of a machine, and the one by which it can be called from itself. */
const CALLED: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

function checkSafe(host: string, token: string | undefined): void {
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new ServerStartError('the token has characters that no header carries; expected visible ASCII without spaces, and at least one');
  if (token === undefined && !isLoopback(host))
    throw new ServerStartError(`${host} can be reached from other machines; expected a token with it, or the address 127.0.0.1`);
}

const malformed = (code: string | undefined): ProblemOptions => ({
  status: code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400,
  code: 'bad_request',
  message: `the request is not understood: ${code ?? 'its URL or its Host cannot be'}`,
  expected: `an HTTP/1.1 request with headers of at most ${HEADER_BYTES_MAX} bytes`,
  try: 'GET /',
});

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

/** Answers a request that the parser refuses: there is no request object, only the socket. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const options = malformed(error.code);
  const body = problemText(options);
  const head = `HTTP/1.1 ${options.status} ${STATUS_TEXT[options.status]}\r\nContent-Type: application/json; charset=utf-8`;
  socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
}

type Limits = Required<Pick<ServerOptions, 'connectionsMax' | 'headersMs' | 'requestMs' | 'stalledMs'>>;

function serverOf(app: App, { connectionsMax, headersMs, requestMs, stalledMs }: Limits): Server {
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: (error) =>
      problemResponse(error instanceof Error && error.name === 'RequestError' ? malformed(undefined) : problemOf(error)),
  });
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      // Node would answer a missing Host itself, and not in JSON.
      requireHostHeader: false,
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: Math.min(CHECK_MS, headersMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAlive: true,
      noDelay: true,
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  );
  server.maxConnections = connectionsMax;
  server.timeout = stalledMs;
  server.on('clientError', refuse);
  return server;
}

function listening(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new ServerStartError(`cannot listen on ${bracketed(host)}:${port}: ${error.code}; choose another port or address`, {
          cause: error,
        }),
      );
    });
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
}

/**
 * Serves runs over HTTP. It resolves once it listens.
 * @throws ServerStartError if it would be open to others without a token, or the address cannot be
 * had; RangeError on a bad origin
 * @public
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host = '127.0.0.1', port = 0, token, graceMs = GRACE_MS, clock = systemClock } = options;
  const { connectionsMax = CONNECTIONS_MAX, headersMs = HEADERS_MS, requestMs = REQUEST_MS, stalledMs = STALLED_MS } = options;
  checkSafe(host, token);
  checkOrigins(options.allowOrigins ?? []);
  const app = createApp({ ...options, host });
  const server = serverOf(app, { connectionsMax, headersMs, requestMs, stalledMs });
  const address = await listening(server, host, port);
  let closed: Promise<void> | null = null;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.after(graceMs, () => server.closeAllConnections());
      server.close(() => {
        cancel();
        resolve();
      });
      app.stop();
      server.closeIdleConnections();
    });
  return {
    url: `http://${bracketed(CALLED[host] ?? host)}:${address.port}`,
    get streams() {
      return app.streams;
    },
    close() {
      closed ??= close();
      return closed;
    },
  };
}
