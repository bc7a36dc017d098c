/**
 * Clients as they are in the world: sockets that speak HTTP by hand, and a line that is cut again
 * and again.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { RunningServer } from '../../timeline/serve/server.ts';

export interface RawResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

const portOf = (url: string): number => Number(new URL(url).port);

/** A connection with these bytes sent on it. */
export function rawSocket(url: string, request: string): Socket {
  const socket = connect(portOf(url), new URL(url).hostname.replace(/[[\]]/g, ''));
  socket.on('error', () => {});
  socket.write(request);
  return socket;
}

/** Sends bytes and reads until the server closes. */
export async function raw(url: string, request: string): Promise<RawResponse> {
  const socket = rawSocket(url, request);
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
  return { status: Number(statusLine.split(' ')[1] ?? 0), headers, body: text.slice(end + 4) };
}

/** A request with these headers on a connection of its own. */
export const rawGet = (url: string, path: string, headers: Readonly<Record<string, string>>, method = 'GET'): Promise<RawResponse> => {
  const lines = Object.entries({ connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return raw(url, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
};

/**
 * A proxy to the server that cuts every connection after some bytes; after more each time, so that
 * every client gets all in the end.
 */
export async function cuttingLine(
  server: RunningServer,
  firstBytes: number,
): Promise<{ readonly url: string; cuts(): number; close(): void }> {
  let cuts = 0;
  const line: Server = createServer((client) => {
    const upstream = connect(portOf(server.url), '127.0.0.1');
    const cut = (): void => {
      client.destroy();
      upstream.destroy();
    };
    let left = firstBytes + 97 * cuts;
    client.on('error', cut).on('close', cut);
    upstream.on('error', cut).on('close', () => client.end());
    client.pipe(upstream, { end: false });
    upstream.on('data', (bytes) => {
      client.write(bytes.subarray(0, left));
      left -= bytes.length;
      if (left > 0) return;
      cuts++;
      // What was sent so far arrives, then the connection is gone in the middle of whatever it was.
      upstream.destroy();
      client.destroySoon();
    });
  });
  await new Promise<void>((resolve) => line.listen(0, '127.0.0.1', resolve));
  const { port } = line.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, cuts: () => cuts, close: () => line.close() };
}

/** Waits until something is so, a turn at a time; the test's own patience is the limit. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
