/** Recordings of real kernels over HTTP: as facts, as events, as files. */
import { describe, expect, it } from 'vitest';
import { appOf, journalApp, ManualClock, recordingFixture, Stream } from './fixtures.ts';

const source = recordingFixture();
const FACTS = { file: '/traces/ev kick.txt', format: 'ftrace', kernel: null, lines: 5 };
const events = [...source.events()];

const app = appOf([], { recordings: [source, source], clock: new ManualClock() });
const get = (path: string, headers: Readonly<Record<string, string>> = {}) => app.request(path, { headers });

describe('recordings over HTTP', () => {
  it('are listed by the names of their files, as a URL takes them', async () => {
    expect(await (await get('/api/recordings')).json()).toEqual([
      { id: 'ev_kick.txt', ...FACTS },
      { id: 'ev_kick.txt-2', ...FACTS },
    ]);
    expect(await (await get('/api/recordings/ev_kick.txt')).json()).toEqual({ id: 'ev_kick.txt', ...FACTS });
    expect(await (await get('/')).text()).toContain('/api/recordings/ev_kick.txt-2/timeline');
  });

  it('are told event by event, each lane before what happens on it, and then the end', async () => {
    const told = await new Stream(await get('/api/recordings/ev_kick.txt/events')).rest();
    expect(told.map(({ id }) => id).slice(0, -1)).toEqual(events.map((_, index) => String(index + 1)));
    expect(told.at(-1)).toMatchObject({ event: 'end', data: FACTS });
    const lanes = new Set<number>();
    for (const { data } of told.slice(0, -1) as { data: { kind: string; lane: number | { id: number } } }[]) {
      if (data.kind === 'lane') lanes.add((data.lane as { id: number }).id);
      else if ('lane' in data) expect(lanes).toContain(data.lane);
    }
    expect(told.map(({ data }) => data)).toContainEqual(expect.objectContaining({ kind: 'begin', name: 'guest mode', at: 10_000 }));
    expect(told.map(({ data }) => data)).toContainEqual(expect.objectContaining({ kind: 'switch', fromState: 'R+' }));
  });

  it('go on where a client was cut', async () => {
    const last = String(events.length - 2);
    const told = await new Stream(await get('/api/recordings/ev_kick.txt/events', { 'last-event-id': last })).rest();
    expect(told).toHaveLength(3);
    expect(told[0]).toMatchObject({ id: String(events.length - 1) });
  });

  it.each([
    ['perfetto', 'application/octet-stream', 'ev_kick.txt.pftrace'],
    ['chrome', 'application/json', 'ev_kick.txt.json'],
  ])('are files of %s', async (format, type, name) => {
    const response = await get(`/api/recordings/ev_kick.txt/timeline?format=${format}`);
    expect(response.headers.get('content-type')).toBe(type);
    expect(response.headers.get('content-disposition')).toContain(name);
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(500);
  });

  it.each([
    ['/api/recordings/ev_kik.txt', 404, 'recording_unknown'],
    ['/api/recordings/ev_kick.txt/timeline?format=svg', 400, 'bad_query'],
    ['/api/recordings/ev_kick.txt/timeline?format=chrome&format=perfetto', 400, 'bad_query'],
    ['/api/recordings/ev_kick.txt/events?actor=pcpu:0', 400, 'bad_query'],
    ['/api/recordings/ev_kick.txt/events?from=-1', 400, 'bad_query'],
    ['/api/recordings/ev_kick.txt/journal', 404, 'path_unknown'],
  ])('refuse %s', async (path, status, code) => {
    const response = await get(path);
    expect([response.status, await response.json()]).toMatchObject([status, { error: { code } }]);
  });
});

describe('the timeline of a run over HTTP', () => {
  it('is the file that export writes', async () => {
    const { app: runs, source: run } = journalApp();
    const response = await runs.request(`/api/runs/${run.id}/timeline?format=chrome`);
    const { traceEvents } = (await response.json()) as { traceEvents: unknown[] };
    expect(traceEvents.length).toBeGreaterThan(100);
  });
});
