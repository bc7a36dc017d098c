/** Every endpoint as a function: what it answers, and what it says when it is asked wrongly. */
import { describe, expect, it } from 'vitest';
import { openJournal } from '../../../replay/open.ts';
import { memorySource } from '../../../replay/source.ts';
import { journalBytesRun } from '../../../timeline/serve/journal-run.ts';
import { appOf, journalApp, journalBytes, liveFixture } from './fixtures.ts';

const { app, source } = journalApp();
const journal = openJournal(memorySource(journalBytes()));
const { id } = source;

describe('the list of runs', () => {
  it('names each run with what it has', async () => {
    const response = await app.request('/api/runs');
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual([{ id, scenario: 'synthetic', variant: '', records: journal.records, sealed: true }]);
  });

  it('gives two journals of one run ids of their own', async () => {
    const both = appOf([journalBytesRun(journalBytes()), journalBytesRun(journalBytes())]);
    expect(((await (await both.request('/api/runs')).json()) as { id: string }[]).map((run) => run.id)).toEqual([id, `${id}-2`]);
    expect(await (await both.request(`/api/runs/${id}-2`)).json()).toMatchObject({ id: `${id}-2`, records: journal.records });
  });

  it('is empty where nothing is served', async () => {
    expect(await (await appOf([]).request('/api/runs')).json()).toEqual([]);
  });
});

describe('the summary of a run', () => {
  it('says what stands in the journal', async () => {
    const { actors, ...start } = journal.start;
    expect(await (await app.request(`/api/runs/${id}`)).json()).toEqual({
      id,
      scenario: 'synthetic',
      variant: '',
      records: journal.records,
      steps: journal.steps,
      sealed: true,
      live: false,
      verdict: 'clean',
      end: journal.end,
      digest: journal.stepEnd(journal.steps).digest,
      root: journal.root,
      torn: null,
      failure: null,
      start,
      actors,
    });
  });

  it('says of a torn journal that it is not sealed, and what it lost', async () => {
    const torn = appOf([journalBytesRun(journalBytes().slice(0, -40))]);
    const summary = (await (await torn.request(`/api/runs/${id}`)).json()) as Record<string, unknown>;
    expect(summary).toMatchObject({ sealed: false, live: false, verdict: null, end: null, records: journal.records });
    expect(summary.torn).toMatchObject({ lostBytes: expect.any(Number) as number });
  });

  it('follows a live run: before its first record, on the way, after the seal', async () => {
    const { live, steps, seal } = liveFixture();
    const running = appOf([live]);
    const summary = async (): Promise<unknown> => (await running.request(`/api/runs/${live.id}`)).json();
    expect(await summary()).toMatchObject({ records: 0, digest: null, live: true, sealed: false, root: null });
    steps(50);
    const { digest } = journal.stepEnd(49);
    expect(await summary()).toMatchObject({ records: journal.records, steps: 49, digest, live: true, verdict: null });
    seal();
    expect(await summary()).toEqual(await (await app.request(`/api/runs/${id}`)).json());
  });
});

describe('the small ones', () => {
  it('says that it is well', async () => {
    expect(await (await app.request('/healthz')).json()).toEqual({ ok: true, runs: 1 });
  });

  it('lists its URLs for people', async () => {
    const response = await app.request('/');
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    const urls = (await response.text()).split('\n').filter((line) => line.startsWith('http'));
    expect(urls).toContain(`http://localhost/api/runs/${id}/events`);
    for (const url of urls) expect((await app.request(url, { method: 'HEAD' })).status, url).toBe(200);
  });

  it.each(['/', '/healthz', '/openapi.json', '/api/runs', `/api/runs/${id}`, `/api/runs/${id}/events`, `/api/runs/${id}/journal`])(
    'answers HEAD %s with the headers of GET and no body',
    async (path) => {
      const head = await app.request(path, { method: 'HEAD' });
      const get = await app.request(path);
      await get.body?.cancel();
      expect(head.status).toBe(200);
      expect([...head.headers]).toEqual([...get.headers]);
      expect(await head.text()).toBe('');
      expect(app.streams).toBe(0);
    },
  );
});

describe('errors', () => {
  const nearly = `${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`;

  it.each([
    ['/api/run', 404, 'path_unknown', '"/api/runs"'],
    ['/api/runs/', 404, 'path_unknown', '"/api/runs"'],
    [`/api/runs/${id}/event`, 404, 'path_unknown', '/events'],
    [`/api/runs/${nearly}`, 404, 'run_unknown', id],
    [`/api/runs/${nearly}/events`, 404, 'run_unknown', id],
    [`/api/runs/${nearly}/journal`, 404, 'run_unknown', id],
    ['/api/runs/..%2f..%2fetc%2fpasswd/journal', 404, 'run_unknown', 'etc'],
    ['/api/runs/%2e%2e/%2e%2e/etc/passwd', 404, 'path_unknown', 'etc'],
    ['/api/runs/__proto__', 404, 'run_unknown', '__proto__'],
    ['/api/runs/%00', 404, 'run_unknown', ''],
    ['/api/runs/%zz', 404, 'run_unknown', '%zz'],
    [`/api/runs/${id}/events?from=x`, 400, 'bad_query', '"x"'],
    [`/api/runs/${id}/events?from=-1`, 400, 'bad_query', '"-1"'],
    [`/api/runs/${id}/events?from=1.5`, 400, 'bad_query', '"1.5"'],
    [`/api/runs/${id}/events?from=`, 400, 'bad_query', '""'],
    [`/api/runs/${id}/events?from=1&from=2`, 400, 'bad_query', 'more than once'],
    [`/api/runs/${id}/events?form=1`, 400, 'bad_query', '"from"'],
    [`/api/runs/${id}/events?kind=choise`, 400, 'bad_query', '"choice"'],
    [`/api/runs/${id}/events?actor=pcpu:9`, 400, 'bad_query', '"pcpu:0"'],
  ])('%s is a %i %s', async (path, status, code, named) => {
    const response = await app.request(path);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const { error } = (await response.json()) as { error: Record<string, string> };
    expect(Object.keys(error)).toEqual(['code', 'message', 'expected', 'try']);
    expect(error.code).toBe(code);
    expect(error.message).toContain(named);
    for (const value of Object.values(error)) expect(value).not.toBe('');
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND'])('%s is a 405 that names what is allowed', async (method) => {
    for (const path of ['/', '/api/runs', `/api/runs/${id}/events`, '/nowhere']) {
      const response = await app.request(path, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD');
      expect(await response.json()).toMatchObject({ error: { code: 'method_not_allowed' } });
    }
  });

  it('says where a journal is damaged, and nothing about an error of its own', async () => {
    const bytes = journalBytes().slice();
    bytes[openJournal(memorySource(bytes)).facts.index.blocks[0]!.offset + 60]! ^= 1;
    const damaged = appOf([journalBytesRun(bytes)]);
    const response = await damaged.request(`/api/runs/${id}/events`);
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({
      error: { code: 'journal_damaged', message: expect.stringContaining('frame 2') as string },
    });
    expect(damaged.streams).toBe(0);
    expect((await damaged.request(`/api/runs/${id}`)).status).toBe(500);
    expect((await damaged.request('/api/runs')).status).toBe(200);

    const summary = (): never => {
      throw new Error('secret');
    };
    const broken = appOf([{ ...source, summary }]);
    const internal = await broken.request(`/api/runs/${id}`);
    expect(internal.status).toBe(500);
    expect(await internal.text()).not.toContain('secret');
  });
});
