/**
 * The stream of events of a run that goes on: from any place, to the seal, and what a slow client
 * misses.
 */
import { describe, expect, it } from 'vitest';
import { openJournal } from '../../../replay/open.ts';
import { memorySource } from '../../../replay/source.ts';
import { openSession } from '../../../sim/session.ts';
import { driveRun } from '../../../timeline/serve/drive.ts';
import { LiveRun } from '../../../timeline/serve/live-run.ts';
import { shipped } from '../../sim/play.ts';
import { appOf, follow, journalApp, journalBytes, liveFixture, seqs, upTo } from './fixtures.ts';

const journal = openJournal(memorySource(journalBytes()));
const last = journal.records;

describe('the events of a live run', () => {
  it('come while it goes on, from any place, and end with the seal', async () => {
    const { live, steps, seal } = liveFixture();
    const app = appOf([live]);
    const early = await follow(app, live);
    steps(20);
    const midway = live.records;
    expect(seqs(await early.take(midway))).toEqual(upTo(midway));
    const late = await follow(app, live, '?from=5');
    const future = await follow(app, live, `?from=${midway + 10}`);
    steps(30);
    expect(seqs(await early.take(last - midway))).toEqual(upTo(last, midway + 1));
    seal();
    expect(await early.rest()).toMatchObject([{ event: 'end', data: { records: last, root: journal.root } }]);
    expect(seqs(await late.rest())).toEqual(upTo(last, 5));
    expect(seqs(await future.rest())).toEqual(upTo(last, midway + 10));
    expect((await app.request(`/api/runs/${live.id}/events?from=${last + 1}`)).status).toBe(204);
  });

  it('are those of its journal, field for field', async () => {
    const { live, steps, seal } = liveFixture();
    const stream = await follow(appOf([live]), live);
    steps(50);
    const told = await stream.take(last);
    seal();
    const { app, source } = journalApp();
    expect([...told, ...(await stream.rest())]).toEqual(await (await follow(app, source)).rest());
  });

  it('are the bytes of its journal, whatever the order in which a model wrote its keys', async () => {
    const scenario = shipped('rmp-host-write-race', 'panic-sigbus');
    let live: LiveRun | null = null;
    const { run, start } = openSession({
      scenario,
      engine: 'memo',
      chooser: { name: 'random-uniform', seed: 3 },
      sink: (block, names) => live!.block(block, names),
    });
    live = new LiveRun(start);
    const app = appOf([live]);
    const stream = await app.request(`/api/runs/${live.id}/events`);
    const growing = stream.text();
    await driveRun(run, live, { stepsPerTurn: 1 });
    const sealed = await (await app.request(`/api/runs/${live.id}/events`)).text();
    expect(live.records).toBeGreaterThan(100);
    expect((await growing).replaceAll(/^: .*\n\n/gm, '')).toBe(sealed);
  });

  it('wait for what is yet to come, past the head too', async () => {
    const { live } = liveFixture();
    const response = await appOf([live]).request(`/api/runs/${live.id}/events?from=1000`);
    expect(response.status).toBe(200);
    await response.body?.cancel();
  });

  it('tell a slow client what it missed, and go on with a whole step', async () => {
    const { live, steps, seal } = liveFixture({ lagRecords: 100 });
    const stream = await follow(appOf([live]), live);
    steps(20);
    await stream.take(1);
    steps(2000);
    const told = [];
    for (let next = await stream.next(); ; next = await stream.next()) {
      told.push(next!);
      if (next!.event === 'gap') break;
    }
    const gap = told.at(-1)!;
    const { from, to } = gap.data as { from: number; to: number };
    expect(gap).not.toHaveProperty('id');
    expect(seqs(told)).toEqual(upTo(from - 1, 2));
    expect(to).toBeGreaterThan(live.records - 100);
    const [after] = await stream.take(1);
    expect(after).toMatchObject({ id: String(to + 1), data: { kind: 'choice' } });
    seal();
    expect(seqs(await stream.rest())).toEqual(upTo(live.records, to + 2));
  });

  it('are not kept from a client that only comes late, however many there are', async () => {
    const { live, steps, seal } = liveFixture({ lagRecords: 10 });
    steps(2000);
    const stream = await follow(appOf([live]), live);
    expect(seqs(await stream.take(live.records))).toEqual(upTo(live.records));
    seal();
    expect(await stream.rest()).toMatchObject([{ event: 'end' }]);
  });

  it('older than the window are a gap until the seal, and there again after it', async () => {
    const { live, steps, seal } = liveFixture({ windowRecords: 5000 });
    steps(6000);
    const app = appOf([live]);
    const stream = await follow(app, live);
    const [gap, first] = await stream.take(2);
    expect(gap).toMatchObject({ event: 'gap', data: { from: 1 } });
    const { to } = (gap as { data: { to: number } }).data;
    expect(first).toMatchObject({ id: String(to + 1) });
    expect(live.records - to).toBeGreaterThanOrEqual(5000);
    expect(live.records - to).toBeLessThan(5000 + 2 * 4096);
    await stream.cancel();
    seal();
    expect(seqs(await (await follow(app, live)).rest())).toEqual(upTo(live.records));
  });

  it('tell a run that failed', async () => {
    const { live, steps } = liveFixture();
    const app = appOf([live]);
    const stream = await follow(app, live);
    steps(3);
    live.fail('thread:qemu0/vcpu0 got rmp.entryLocked in idle');
    const told = await stream.rest();
    expect(seqs(told)).toEqual(upTo(live.records));
    expect(told.at(-1)).toMatchObject({ event: 'end', data: { sealed: false, failure: 'thread:qemu0/vcpu0 got rmp.entryLocked in idle' } });
  });
});
