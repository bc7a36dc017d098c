/**
 * The server on a socket: real clients that lose the line, bytes that are no request, files in
 * ranges, and the end of it all.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventSource } from 'eventsource';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../events/journal.ts';
import { openJournal } from '../../replay/open.ts';
import { memorySource } from '../../replay/source.ts';
import { journalFileRun } from '../../timeline/serve/journal-run.ts';
import { type RunningServer, type ServerOptions, ServerStartError, startServer } from '../../timeline/serve/server.ts';
import { journalBytes, upTo } from '../timeline/serve/fixtures.ts';
import { cuttingLine, raw, rawGet, rawSocket, until } from './serve-clients.ts';

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-e2e-serve-'));
const file = join(folder, 'run.wsj');
writeFileSync(file, journalBytes(300));
const source = journalFileRun(file);
const journal = openJournal(memorySource(readFileSync(file)));
const events = `/api/runs/${source.id}/events`;

const servers: RunningServer[] = [];
async function start(options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer({ sources: [source], retryMs: 1, ...options });
  servers.push(server);
  return server;
}
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
afterAll(() => {
  source.close();
  rmSync(folder, { recursive: true });
});

describe('an EventSource', () => {
  it('that loses its line again and again gets every record once, in order, and stops at the end', async () => {
    const server = await start();
    const line = await cuttingLine(server, 3000);
    const client = new EventSource(`${line.url}${events}`);
    const records: JournalRecord[] = [];
    client.onmessage = ({ data, lastEventId }) => {
      records.push(JSON.parse(data as string) as JournalRecord);
      expect(lastEventId).toBe(String(records.at(-1)!.seq));
    };
    const ended = new Promise<string>((resolve) => client.addEventListener('end', ({ data }) => resolve(data as string)));
    expect(JSON.parse(await ended)).toMatchObject({ records: journal.records, sealed: true, root: journal.root });
    // Past the end it is told 204, and comes no more.
    await until(() => client.readyState === client.CLOSED);
    expect(records).toEqual([...journal.recordsFrom(1)]);
    expect(line.cuts()).toBeGreaterThan(5);
    line.close();
    await until(() => server.streams === 0);
  });

  it('that goes on where another one stopped misses nothing', async () => {
    const server = await start();
    const seqs: number[] = [];
    const first = new EventSource(`${server.url}${events}`);
    await new Promise<void>((resolve) => {
      first.onmessage = ({ data }) => {
        if (seqs.length < 100) seqs.push((JSON.parse(data as string) as JournalRecord).seq);
        if (seqs.length === 100) resolve();
      };
    });
    first.close();
    const second = new EventSource(`${server.url}${events}?from=1`, {
      fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, 'last-event-id': '100' } }),
    });
    second.onmessage = ({ data }) => seqs.push((JSON.parse(data as string) as JournalRecord).seq);
    await new Promise((resolve) => second.addEventListener('end', resolve));
    second.close();
    expect(seqs).toEqual(upTo(journal.records));
  });

  it('of a client without the token is told so, and with it is served', async () => {
    const server = await start({ token: 'sesame' });
    const refused = new EventSource(`${server.url}${events}`);
    const code = await new Promise((resolve) => {
      refused.onerror = (error) => resolve(error.code);
    });
    expect([code, refused.readyState]).toEqual([401, refused.CLOSED]);
    const served = new EventSource(`${server.url}${events}`, {
      fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization: 'Bearer sesame' } }),
    });
    await new Promise((resolve) => served.addEventListener('end', resolve));
    served.close();
  });
});

describe('the door', () => {
  const allowOrigins = ['https://dashboard.example'];
  const host = 'localhost:1234';

  it.each([
    [{ host }, 401],
    [{ host, authorization: 'Bearer sesame' }, 200],
    [{ host, authorization: 'Bearer open' }, 401],
    [{ host: 'evil.example', authorization: 'Bearer sesame' }, 403],
    [{ host, origin: 'http://localhost:1234', authorization: 'Bearer sesame' }, 200],
    [{ host, origin: 'https://dashboard.example', authorization: 'Bearer sesame' }, 200],
    [{ host, origin: 'https://dashboard.example' }, 401],
    [{ host, origin: 'https://evil.example', authorization: 'Bearer sesame' }, 403],
    [{ host, origin: 'null', authorization: 'Bearer sesame' }, 403],
  ])('%j is %i', async (headers: Record<string, string>, status) => {
    const { url } = await start({ token: 'sesame', allowOrigins });
    const response = await rawGet(url, '/api/runs', headers);
    expect(response.status).toBe(status);
    expect(response.headers.get('access-control-allow-origin')).toBe(headers.origin === allowOrigins[0] ? headers.origin : undefined);
  });

  it.each([
    ['an absolute URL of another host', `GET http://evil.example/api/runs HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 403],
    ['no Host', 'GET /api/runs HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['two Hosts', `GET /api/runs HTTP/1.1\r\nHost: ${host}\r\nHost: evil.example\r\nConnection: close\r\n\r\n`, 403],
    ['a Host that is none', 'GET /api/runs HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n', 400],
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['a header that never ends', `GET / HTTP/1.1\r\nHost: ${host}\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['a URL that never ends', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 431],
    ['dots in the path', `GET /api/runs/../../../../etc/passwd HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 404],
    ['backslashes in the path', `GET /api/runs\\..\\x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 400],
    ['a body', `POST /api/runs HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello`, 405],
    ['TRACE', `TRACE / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 405],
  ])('%s gives a JSON error', async (_, request, status) => {
    const { url } = await start();
    const response = await raw(url, request);
    expect(response.status).toBe(status);
    expect(Object.keys((JSON.parse(response.body) as { error: object }).error)).toEqual(['code', 'message', 'expected', 'try']);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  it('is off loopback only with a token', async () => {
    await expect(startServer({ sources: [source], host: '0.0.0.0' })).rejects.toThrow(ServerStartError);
    const { url } = await start({ host: '0.0.0.0', token: 'sesame' });
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(`${url}/api/runs`)).status).toBe(401);
    expect((await fetch(`${url}/api/runs`, { headers: { authorization: 'Bearer sesame' } })).status).toBe(200);
  });

  it('is a port that no other process has', async () => {
    const { url } = await start();
    await expect(startServer({ sources: [], port: Number(new URL(url).port) })).rejects.toThrow(/EADDRINUSE; choose another port/);
  });

  it('lets in as many as it was told', async () => {
    const { url } = await start({ connectionsMax: 1 });
    const first = rawSocket(url, `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await new Promise((resolve) => first.once('data', resolve));
    const second = rawSocket(url, `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await new Promise((resolve) => second.once('close', resolve));
    expect([first.destroyed, second.bytesRead]).toEqual([false, 0]);
    first.destroy();
  });
});

describe('the journal over HTTP', () => {
  it('is the file, byte for byte, whole and in ranges', async () => {
    const { url } = await start();
    const response = await fetch(`${url}/api/runs/${source.id}/journal`);
    const whole = new Uint8Array(await response.arrayBuffer());
    expect(Buffer.from(whole).equals(readFileSync(file))).toBe(true);
    expect(openJournal(memorySource(whole)).root).toBe(response.headers.get('etag')?.replaceAll('"', ''));
    const part = await fetch(response.url, { headers: { range: 'bytes=0-127', 'if-range': response.headers.get('etag')! } });
    expect([part.status, Buffer.from(await part.arrayBuffer()).equals(whole.subarray(0, 128))]).toEqual([206, true]);
  });

  it('is measured by HEAD on a connection that goes on', async () => {
    const { url } = await start();
    const head = `HEAD /api/runs/${source.id}/journal HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const get = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
    const { headers, body } = await raw(url, head + get);
    expect(headers.get('content-length')).toBe(String(readFileSync(file).length));
    expect(body.slice(0, 15)).toBe('HTTP/1.1 200 OK');
  });
});

describe('a slow client', () => {
  const stream = `GET ${events} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  /** Sends a byte at a time until the server hangs up; how long that took, and what it answered. */
  async function dripping(url: string, bytes: string): Promise<{ readonly ms: number; readonly status: number }> {
    const socket = rawSocket(url, bytes);
    const drip = setInterval(() => socket.write('x'), 20);
    const begin = performance.now();
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(drip);
    return { ms: performance.now() - begin, status: Number(answer.split(' ')[1] ?? 0) };
  }

  it('that drips its headers is told so after the time it has', async () => {
    const { url } = await start({ headersMs: 200 });
    const { ms, status } = await dripping(url, 'GET / HTTP/1.1\r\nX: ');
    expect(status).toBe(408);
    expect(ms).toBeGreaterThan(200);
  });

  it('that drips a body is cut after the time it has', async () => {
    const { url } = await start({ headersMs: 200, requestMs: 400 });
    const { status } = await dripping(url, 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n');
    expect(status).toBe(405);
  });

  it('has 10 s for its headers where nothing else was said', { timeout: 20_000 }, async () => {
    const { url } = await start();
    const { ms, status } = await dripping(url, 'GET / HTTP/1.1\r\nX: ');
    expect(status).toBe(408);
    expect(ms).toBeGreaterThan(9_900);
  });

  it('that does not read its stream leaves its place to others, and can go on', async () => {
    const big = join(folder, 'stalled.wsj');
    writeFileSync(big, journalBytes(60_000));
    const run = journalFileRun(big);
    const server = await start({ sources: [run, source], streamsMax: 1, stalledMs: 300 });
    const deaf = rawSocket(server.url, `GET /api/runs/${run.id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    deaf.pause();
    await until(() => server.streams === 1);
    expect((await fetch(`${server.url}${events}`)).status).toBe(503);
    await until(() => server.streams === 0);
    const told = await raw(
      server.url,
      stream.replace('\r\n\r\n', `\r\nConnection: close\r\nLast-Event-ID: ${journal.records - 2}\r\n\r\n`),
    );
    expect(told.body).toContain(`id: ${journal.records}\n`);
    deaf.destroy();
    run.close();
  });
});

describe('close', () => {
  it('ends streams and connections, also of who does not read', async () => {
    const big = join(folder, 'big.wsj');
    writeFileSync(big, journalBytes(60_000));
    const run = journalFileRun(big);
    const server = await startServer({ sources: [run], graceMs: 1 });
    const deaf = rawSocket(server.url, `GET /api/runs/${run.id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    deaf.pause();
    const idle = rawSocket(server.url, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await new Promise((resolve) => idle.once('data', resolve));
    await until(() => server.streams === 1);
    const gone = Promise.all([deaf, idle].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    await Promise.all([server.close(), server.close()]);
    expect(server.streams).toBe(0);
    deaf.resume();
    await gone;
    await expect(fetch(server.url)).rejects.toThrow();
    run.close();
  });
});
