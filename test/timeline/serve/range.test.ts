/** The journal as a file: whole, in ranges, compared with an ETag. */
import { describe, expect, it } from 'vitest';
import { openJournal } from '../../../replay/open.ts';
import { memorySource } from '../../../replay/source.ts';
import { journalBytesRun } from '../../../timeline/serve/journal-run.ts';
import { rangeOf } from '../../../timeline/serve/range.ts';
import { appOf, journalApp, journalBytes, liveFixture } from './fixtures.ts';

const { app, source } = journalApp();
const bytes = journalBytes();
const size = bytes.length;
const etag = `"${openJournal(memorySource(bytes)).root}"`;
const path = `/api/runs/${source.id}/journal`;
const get = async (headers: Record<string, string> = {}, method = 'GET'): Promise<Response> => app.request(path, { headers, method });
const bytesOf = async (response: Response): Promise<Uint8Array> => new Uint8Array(await response.arrayBuffer());

describe('the journal of a run', () => {
  it('is the file itself', async () => {
    const response = await get();
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': String(size),
      'accept-ranges': 'bytes',
      etag,
      'content-disposition': `attachment; filename="${source.id}.wsj"`,
    });
    expect(await bytesOf(response)).toEqual(bytes);
  });

  it('comes in pieces that make the file again', async () => {
    const big = journalBytes(6000);
    const other = journalBytesRun(big);
    const pieces: Uint8Array[] = [];
    for (let from = 0; from < big.length; from += 100_000) {
      const headers = { range: `bytes=${from}-${from + 99_999}` };
      const response = await appOf([other]).request(`/api/runs/${other.id}/journal`, { headers });
      expect(response.status).toBe(206);
      pieces.push(await bytesOf(response));
    }
    expect(pieces.length).toBeGreaterThan(1);
    expect(Buffer.concat(pieces).equals(big)).toBe(true);
  });

  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=0-127', 0, 128],
    ['bytes=100-', 100, size],
    ['bytes=-100', size - 100, size],
    [`bytes=-${size + 5}`, 0, size],
    [`bytes=10-${size + 5}`, 10, size],
    [`bytes=${size - 1}-`, size - 1, size],
    ['BYTES=5-6', 5, 7],
    ['bytes= 5-6 ', 5, 7],
    ['bytes=0-99999999999999999999999', 0, size],
  ])('%s is 206', async (range, from, to) => {
    const response = await get({ range });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(`bytes ${from}-${to - 1}/${size}`);
    expect(response.headers.get('content-length')).toBe(String(to - from));
    expect(await bytesOf(response)).toEqual(bytes.slice(from, to));
  });

  it.each(['bytes=5-4', 'bytes=-', 'bytes=a-b', 'bytes', 'lines=0-5', 'bytes=0-1,4-5', ''])('%j is no range: 200', async (range) => {
    const response = await get({ range });
    expect(response.status).toBe(200);
    expect((await bytesOf(response)).length).toBe(size);
  });

  it.each([`bytes=${size}-`, `bytes=${size}-${size + 1}`, 'bytes=-0', 'bytes=99999999999999999999999-'])('%s is 416', async (range) => {
    const response = await get({ range });
    expect(response.status).toBe(416);
    expect(response.headers.get('content-range')).toBe(`bytes */${size}`);
    expect(await response.json()).toMatchObject({ error: { code: 'range_not_satisfiable' } });
  });

  it.each([
    [etag, 206],
    ['"other"', 200],
    [`W/${etag}`, 200],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 200],
  ])('with If-Range %s is %i', async (ifRange, status) => {
    expect((await get({ range: 'bytes=0-9', 'if-range': ifRange })).status).toBe(status);
    expect((await get({ range: `bytes=${size}-`, 'if-range': ifRange })).status).toBe(status === 206 ? 416 : 200);
  });

  it.each([
    [etag, 304],
    [`"other", W/${etag}`, 304],
    ['*', 304],
    ['"other"', 200],
  ])('with If-None-Match %s is %i', async (ifNoneMatch, status) => {
    const response = await get({ 'if-none-match': ifNoneMatch });
    expect([response.status, response.headers.get('etag')]).toEqual([status, etag]);
  });

  it('is measured by HEAD, which knows no ranges', async () => {
    const response = await get({ range: 'bytes=0-9' }, 'HEAD');
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([200, String(size), '']);
  });

  it('that is torn has another ETag for each of its lengths', async () => {
    const tags = [10, 20].map((cut) => journalBytesRun(bytes.slice(0, -cut)).journal()!.etag);
    expect(new Set([...tags, etag]).size).toBe(3);
  });

  it('of a live run is there after the seal, the same bytes', async () => {
    const { live, steps, seal } = liveFixture();
    const running = appOf([live]);
    steps(50);
    const early = await running.request(path);
    expect(early.status).toBe(409);
    expect(await early.json()).toMatchObject({ error: { code: 'not_sealed' } });
    seal();
    expect(await bytesOf(await running.request(path))).toEqual(bytes);
  });
});

describe('a range', () => {
  it('of an empty file is never satisfied', () => {
    for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-1']) expect(rangeOf(range, 0)).toBe('unsatisfiable');
    expect(rangeOf(undefined, 0)).toBeNull();
  });
});
