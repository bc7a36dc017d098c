/**
 * The stream of events: order, resume, filters, silence, slow clients, and what remains when a
 * client leaves.
 */
import { describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../../events/journal.ts';
import { openJournal } from '../../../replay/open.ts';
import { memorySource } from '../../../replay/source.ts';
import { journalBytesRun } from '../../../timeline/serve/journal-run.ts';
import { appOf, follow, journalApp, journalBytes, liveFixture, ManualClock, Stream, seqs, upTo, watched } from './fixtures.ts';

const journal = openJournal(memorySource(journalBytes()));
const listed = [...journal.recordsFrom(1)];
const last = journal.records;

/** Lets everything happen that waits for nothing but its turn. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe('the events of a journal', () => {
  it('are its records, each with its seq as id, and the end', async () => {
    const { app, source } = journalApp({ retryMs: 250 });
    const stream = await follow(app, source);
    const told = await stream.rest();
    expect(stream.retry).toBe('retry: 250');
    expect(told.slice(0, -1)).toEqual(listed.map((record) => ({ id: String(record.seq), event: 'message', data: record })));
    const { records, steps, end, root } = journal;
    const digest = journal.stepEnd(steps).digest;
    expect(told.at(-1)).toEqual({
      event: 'end',
      data: { records, steps, sealed: true, verdict: 'clean', end, digest, root, failure: null },
    });
    expect(app.streams).toBe(0);
  });

  it('go through proxies unchanged and uncached', async () => {
    const { app, source } = journalApp();
    const response = await app.request(`/api/runs/${source.id}/events`);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store, no-transform');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    await response.body?.cancel();
  });

  it.each([
    ['', {}, 1],
    ['?from=0', {}, 1],
    ['?from=1', {}, 1],
    ['?from=7', {}, 7],
    [`?from=${last}`, {}, last],
    ['', { 'last-event-id': '0' }, 1],
    ['', { 'last-event-id': '41' }, 42],
    ['?from=3', { 'last-event-id': '41' }, 42],
    ['?from=3', { 'last-event-id': '' }, 3],
  ])('%s %j start with record %i', async (query, headers, first) => {
    const { app, source } = journalApp();
    expect(seqs(await (await follow(app, source, query, headers)).rest())).toEqual(upTo(last, first));
  });

  it.each([
    [`?from=${last + 1}`, {}],
    ['', { 'last-event-id': String(last) }],
    ['', { 'last-event-id': String(last + 1000) }],
  ])('past the end are 204: %s %j', async (query, headers: Record<string, string>) => {
    const { app, source } = journalApp();
    const response = await app.request(`/api/runs/${source.id}/events${query}`, { headers });
    expect(response.status).toBe(204);
    expect(await response.text()).toBe('');
  });

  it('refuse a Last-Event-ID that is no seq', async () => {
    const { app, source } = journalApp();
    const response = await app.request(`/api/runs/${source.id}/events`, { headers: { 'last-event-id': 'x' } });
    expect(response.status).toBe(400);
  });

  it.each([
    ['?actor=pcpu:0', (record: JournalRecord) => record.actor === 'pcpu:0'],
    ['?kind=choice', (record: JournalRecord) => record.kind === 'choice'],
    ['?kind=send&kind=deliver', (record: JournalRecord) => record.kind === 'send' || record.kind === 'deliver'],
    [
      '?actor=pcpu:0&actor=pcpu:1&kind=change&from=20',
      (r: JournalRecord) => r.actor.startsWith('pcpu') && r.kind === 'change' && r.seq >= 20,
    ],
  ])('%s keep their seqs', async (query, fits) => {
    const { app, source } = journalApp();
    const expected = listed.filter(fits).map(({ seq }) => seq);
    expect(expected.length).toBeGreaterThan(5);
    const told = await (await follow(app, source, query)).rest();
    expect(seqs(told)).toEqual(expected);
    expect(told.at(-1)?.event).toBe('end');
  });

  it('of an unsealed one end too, and say so', async () => {
    const torn = journalBytesRun(journalBytes().slice(0, -40));
    const told = await (await follow(appOf([torn]), torn)).rest();
    expect(seqs(told)).toEqual(upTo(last));
    expect(told.at(-1)).toMatchObject({ event: 'end', data: { sealed: false, end: null } });
  });

  it('say that they fail where the journal is damaged further on', async () => {
    const bytes = journalBytes(6000).slice();
    const { blocks } = openJournal(memorySource(bytes)).facts.index;
    expect(blocks.length).toBeGreaterThan(2);
    bytes[blocks[1]!.offset + 60]! ^= 1;
    const damaged = journalBytesRun(bytes);
    const app = appOf([damaged]);
    const told = await (await follow(app, damaged)).rest();
    // A batch that reaches into the damage is lost with it.
    expect(seqs(told)).toEqual(upTo(seqs(told).length));
    expect(blocks[0]!.records - seqs(told).length).toBeLessThan(64);
    expect(told.at(-1)).toMatchObject({ event: 'failed', data: { code: 'journal_damaged' } });
    expect(app.streams).toBe(0);
  });
});

describe('a client', () => {
  it('that does not read lets nothing be read for it but the next batch', async () => {
    const source = journalBytesRun(journalBytes(6000));
    let batches = 0;
    const counted = watched(source, async function* (events) {
      for await (const event of events) {
        batches++;
        yield event;
      }
    });
    const app = appOf([counted]);
    const stream = await follow(app, counted);
    expect(await stream.next()).toMatchObject({ id: '1' });
    await settled();
    expect(batches).toBeLessThanOrEqual(2);
    await stream.cancel();
    await settled();
    expect(batches).toBeLessThanOrEqual(2);
    expect(app.streams).toBe(0);
  });

  it('that leaves while it waits frees everything', async () => {
    const clock = new ManualClock();
    const { live, steps } = liveFixture();
    let finished = 0;
    const seen = watched(live, async function* (events) {
      try {
        yield* events;
      } finally {
        finished++;
      }
    });
    const app = appOf([seen], { clock });
    const left = new AbortController();
    const first = new Stream(await app.request(`/api/runs/${live.id}/events`));
    const second = new Stream(await app.request(new Request(`http://localhost/api/runs/${live.id}/events`, { signal: left.signal })));
    steps(10);
    await first.take(10);
    await second.take(10);
    expect(app.streams).toBe(2);
    await first.cancel();
    left.abort();
    await settled();
    expect([app.streams, finished, clock.waiting]).toEqual([0, 2, 0]);
  });

  it('beyond the limit is told to come later, and may when another has left', async () => {
    const { live } = liveFixture();
    const app = appOf([live], { streamsMax: 1 });
    const stream = await follow(app, live);
    const refused = await app.request(`/api/runs/${live.id}/events`);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    await stream.cancel();
    await (await follow(app, live)).cancel();
  });

  it('gets a comment for every 15 s of silence, and none while there is news', async () => {
    const clock = new ManualClock();
    const { live, steps } = liveFixture();
    const stream = await follow(appOf([live], { clock }), live);
    steps(1);
    expect(seqs(await stream.take(4))).toEqual(upTo(4));
    const next = stream.next();
    await settled();
    clock.pass(14_999);
    await settled();
    expect(stream.comments).toEqual([]);
    clock.pass(1);
    await settled();
    expect(stream.comments).toEqual([': nothing new']);
    clock.pass(15_000);
    await settled();
    expect(stream.comments).toHaveLength(2);
    steps(1);
    expect(await next).toMatchObject({ id: '5' });
    await stream.cancel();
    expect(clock.waiting).toBe(0);
  });

  it('is dropped without an end when the server stops', async () => {
    const { live, steps } = liveFixture();
    const app = appOf([live]);
    const stream = await follow(app, live);
    steps(1);
    await stream.take(4);
    const next = stream.next();
    await settled();
    app.stop();
    expect(await next).toBeNull();
    expect(app.streams).toBe(0);
  });
});
