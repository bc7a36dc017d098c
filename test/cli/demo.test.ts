/** `demo`, `export` and `serve`: the story, timelines for others, and runs over HTTP. */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());
beforeAll(() => bench.run(['run', 'rmp-host-write-race', '-o', 'run.wsj']));

describe('demo', () => {
  it('tells a run, its replay and an injection, and leaves both journals', async () => {
    const { code, out } = await bench.run(['demo']);
    expect(code).toBe(0);
    expect(out).toContain('every digest is equal');
    expect(out).toContain('verdict clean -> violation: rmp.innocent-process-killed');
    expect(out).toContain('The violation is the point');
    const journals = [...out.matchAll(/worldswitch-runs\/[0-9a-f]{32}\.wsj/g)].map(([file]) => file);
    for (const file of journals) expect(existsSync(bench.path(file))).toBe(true);
  });

  it('prints each part as its own command does', async () => {
    const { run, replay, inject } = (await bench.run(['demo', '--json'])).json<
      Record<'run' | 'replay' | 'inject', Record<string, unknown>>
    >();
    expect(run).toMatchObject({ verdict: 'clean', schedule: expect.any(String) as string });
    expect(replay).toMatchObject({ identical: true, sealed: true, divergence: null, digest: run.digest });
    expect(inject).toMatchObject({ verdict: 'violation', fork: { at: 6 }, changed: { verdictBefore: 'clean' } });
  });
});

describe('export', () => {
  it.each(['perfetto', 'chrome'])('writes the same %s to a file and to standard output', async (format) => {
    const { code, json } = await bench.run(['export', 'run.wsj', '--format', format, '-o', 'out', '--json']);
    const file = readFileSync(bench.path('out'));
    expect(code).toBe(0);
    expect(json()).toMatchObject({ format, bytes: file.length, records: 555 });
    const { bytes } = await bench.run(['export', 'run.wsj', '--format', format, '-o', '-']);
    expect(file.equals(bytes)).toBe(true);
  });
});

describe('serve', () => {
  it('prints its URL first, serves a journal, and ends when it is told to', async () => {
    const code = await bench.serving(['run.wsj'], async (url) => {
      const runs = (await (await fetch(`${url}/api/runs`)).json()) as { id: string; scenario: string; sealed: boolean }[];
      expect(runs).toMatchObject([{ scenario: 'rmp-host-write-race', variant: 'panic-sigbus', records: 555, sealed: true }]);
      const journal = Buffer.from(await (await fetch(`${url}/api/runs/${runs[0]!.id}/journal`)).arrayBuffer());
      expect(journal.equals(readFileSync(bench.path('run.wsj')))).toBe(true);
    });
    expect(code).toBe(0);
  });

  it('runs a scenario while it is watched, and keeps its journal', async () => {
    const code = await bench.serving(['rmp-host-write-race', '--chooser', 'random', '--seed', '5', '-o', 'live.wsj'], async (url) => {
      const [run] = (await (await fetch(`${url}/api/runs`)).json()) as { id: string }[];
      const text = await (await fetch(`${url}/api/runs/${run!.id}/events`)).text();
      expect(text).toContain('event: end');
    });
    expect(code).toBe(0);
    expect((await bench.run(['replay', 'live.wsj'])).code).toBe(0);
  });

  it('ends with 4 when a live run is stopped in the middle', async () => {
    const code = await bench.serving(['rmp-churn', '--pace', '50', '-o', 'slow.wsj'], async () => {});
    expect(code).toBe(4);
    expect((await bench.run(['show', 'slow.wsj', '--json'])).json()).toMatchObject({ journal: { sealed: true, ended: 'stopped' } });
  });

  it('serves what lies in the folder of runs when nothing is named', async () => {
    await bench.run(['run', 'rmp-churn']);
    await bench.serving([], async (url) => {
      expect(((await (await fetch(`${url}/api/runs`)).json()) as unknown[]).length).toBeGreaterThan(0);
    });
  });

  it('asks for its token', async () => {
    await bench.serving(['run.wsj', '--token', 'secret'], async (url) => {
      expect((await fetch(`${url}/api/runs`)).status).toBe(401);
      expect((await fetch(`${url}/api/runs`, { headers: { authorization: 'Bearer secret' } })).status).toBe(200);
    });
  });
});
