/**
 * Watching a run that goes on: real clients, quick, slow and gone, on the simulator itself and on a
 * run that outpaces them.
 */
import { EventSource } from 'eventsource';
import { afterEach, describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../events/journal.ts';
import { openJournal } from '../../replay/open.ts';
import { memorySource } from '../../replay/source.ts';
import type { Clock } from '../../timeline/serve/clock.ts';
import { driveRun } from '../../timeline/serve/drive.ts';
import { type RunningServer, type ServerOptions, startServer } from '../../timeline/serve/server.ts';
import { liveFixture, toldOf, upTo, watched } from '../timeline/serve/fixtures.ts';
import { churn } from '../timeline/serve/session.ts';
import { cuttingLine, rawSocket, until } from './serve-clients.ts';

const servers: RunningServer[] = [];
async function start(options: ServerOptions): Promise<RunningServer> {
  const server = await startServer({ retryMs: 1, ...options });
  servers.push(server);
  return server;
}
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

const request = (id: string): string => `GET /api/runs/${id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`;

describe('a run that goes on', () => {
  it('is seen step by step while it does, and ends with the seal', async () => {
    const { session, live } = churn();
    const { url } = await start({ sources: [live] });
    const client = new EventSource(`${url}/api/runs/${live.id}/events`);
    const records: JournalRecord[] = [];
    const whileLive: boolean[] = [];
    client.onmessage = ({ data }) => {
      records.push(JSON.parse(data as string) as JournalRecord);
      whileLive.push(live.live);
    };
    const ended = new Promise<string>((resolve) => client.addEventListener('end', ({ data }) => resolve(data as string)));
    await new Promise((resolve) => {
      client.onopen = resolve;
    });
    // The run takes a step when the client has seen the one before: nothing is held back until the
    // end.
    const followed: Clock = {
      after(_, then) {
        void until(() => records.length === live.records).then(then);
        return () => {};
      },
    };
    const end = await driveRun(session.run, live, { stepsPerTurn: 1, pauseMs: 1, clock: followed });
    expect(JSON.parse(await ended)).toMatchObject({ records: live.records, steps: session.run.sequencer.step, end, sealed: true });
    await until(() => client.readyState === client.CLOSED);
    expect(whileLive.filter((wasLive) => !wasLive).length).toBeLessThan(whileLive.length / 2);
    const file = await (await fetch(`${url}/api/runs/${live.id}/journal`)).arrayBuffer();
    expect(records).toEqual([...openJournal(memorySource(new Uint8Array(file))).recordsFrom(1)]);
  });

  it('is whole for a client that loses its line again and again', async () => {
    const { live, steps, seal } = liveFixture();
    const server = await start({ sources: [live] });
    const line = await cuttingLine(server, 2000);
    const client = new EventSource(`${line.url}/api/runs/${live.id}/events`);
    const seqs: number[] = [];
    client.onmessage = ({ data }) => seqs.push((JSON.parse(data as string) as JournalRecord).seq);
    const ended = new Promise((resolve) => client.addEventListener('end', resolve));
    for (let turn = 0; turn < 100; turn++) {
      steps(3);
      await until(() => seqs.length >= live.records - 50);
    }
    seal();
    await ended;
    await until(() => client.readyState === client.CLOSED);
    expect(seqs).toEqual(upTo(live.records));
    expect(line.cuts()).toBeGreaterThan(5);
    line.close();
  });

  it('is told with a gap to a client that reads too slowly, and costs no memory for it', async () => {
    const fixture = liveFixture({ lagRecords: 5000 });
    const { live, steps } = fixture;
    let batches = 0;
    const counted = watched(live, async function* (events) {
      for await (const event of events) {
        batches++;
        yield event;
      }
    });
    const server = await start({ sources: [counted] });
    const slow = rawSocket(server.url, request(live.id));
    slow.pause();
    await until(() => server.streams === 1);
    // The kernel takes some megabytes; after that the server reads no more for this client.
    let before = -1;
    while (before !== batches || live.records < 200_000) {
      before = batches;
      steps(250);
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(batches * 64).toBeLessThan(live.records);
    let text = '';
    let ended = false;
    // One character for each byte, as sizes of chunks are in bytes.
    slow.setEncoding('latin1');
    slow.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('event: gap') && live.live) fixture.seal();
      ended ||= chunk.includes('event: end');
    });
    slow.resume();
    await until(() => ended);
    slow.destroy();
    const told = framesOf(text).map(toldOf);
    const gaps = told.filter(({ event }) => event === 'gap').map(({ data }) => data as { from: number; to: number });
    const missed = new Set(gaps.flatMap(({ from, to }) => upTo(to, from)));
    const seen = told.filter(({ event }) => event === 'message').map(({ id }) => Number(id));
    expect(seen.length + missed.size).toBe(live.records);
    expect(seen).toEqual(upTo(live.records).filter((seq) => !missed.has(seq)));
    expect(missed.size).toBeGreaterThan(live.records / 4);
  });

  it('lets go of clients that vanish', async () => {
    const { live, steps } = liveFixture();
    const server = await start({ sources: [live], streamsMax: 4 });
    for (let round = 0; round < 5; round++) {
      const sockets = Array.from({ length: 4 }, () => rawSocket(server.url, request(live.id)));
      await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('data', resolve))));
      expect(server.streams).toBe(4);
      steps(5);
      for (const [at, socket] of sockets.entries()) at % 2 === 0 ? socket.destroy() : socket.resetAndDestroy();
      await until(() => server.streams === 0);
    }
  });

  it('ends for its clients when the server does', async () => {
    const { live, steps } = liveFixture();
    const server = await startServer({ sources: [live] });
    steps(5);
    const response = await fetch(`${server.url}/api/runs/${live.id}/events`);
    await until(() => server.streams === 1);
    const text = response.text();
    await server.close();
    expect(await text).toContain('id: 1\n');
    expect(await text).not.toContain('event: end');
    expect(live.live).toBe(true);
  });
});

/** The events of a response that came in chunks; comments, headers and chunk sizes are left out. */
function framesOf(text: string): string[] {
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  let stream = '';
  for (let at = 0; at < body.length; ) {
    const line = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.slice(at, line), 16);
    stream += body.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
  return stream.split('\n\n').filter((frame) => /^(?:id|event): /.test(frame));
}
