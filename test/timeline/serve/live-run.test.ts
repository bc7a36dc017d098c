/**
 * A live run as its own observers see it: one order, whole steps, a journal beside; and what drives
 * it.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../../events/journal.ts';
import { openJournal } from '../../../replay/open.ts';
import { memorySource } from '../../../replay/source.ts';
import { driveRun } from '../../../timeline/serve/drive.ts';
import { LiveLog } from '../../../timeline/serve/live-log.ts';
import { LiveRun } from '../../../timeline/serve/live-run.ts';
import { SyntheticRun } from '../../replay/synthetic.ts';
import { journalBytes, liveFixture, ManualClock, upTo } from './fixtures.ts';
import { churn } from './session.ts';

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-serve-'));
afterAll(() => rmSync(folder, { recursive: true }));

const listed = [...openJournal(memorySource(journalBytes())).recordsFrom(1)];

describe('records$', () => {
  it('shows every observer the same records, those of the journal, and completes with the seal', () => {
    const { live, steps, seal } = liveFixture();
    const first: JournalRecord[] = [];
    const second: number[] = [];
    let completed = 0;
    live.records$.subscribe({ next: (record) => first.push(record), complete: () => completed++ });
    live.records$.subscribe({ next: ({ seq }) => second.push(seq), complete: () => completed++ });
    steps(50);
    expect(completed).toBe(0);
    seal();
    expect(first).toEqual(listed);
    expect(second).toEqual(upTo(listed.length));
    expect(completed).toBe(2);
  });

  it('tells a record when its step is committed, so that a subscriber who then asks gets all of the step', () => {
    const { live, steps } = liveFixture();
    const seen: boolean[] = [];
    live.records$.subscribe(({ seq }) => seen.push(live.records >= seq && live.summary().steps >= 0));
    steps(10);
    expect(seen).not.toContain(false);
    expect(live.records$).not.toHaveProperty('next');
  });
});

describe('the log of a live run', () => {
  it('gives back any record that is in the window', () => {
    const run = new SyntheticRun();
    const log = new LiveLog(1 << 20);
    const all: JournalRecord[] = [];
    for (const size of [1, 7, 3000, 1, 9000])
      run.steps(size, (block) => all.push(...log.append(block, run.names)), size === 9000 ? 10_000 : 1000);
    expect([log.tail, log.head, log.steps]).toEqual([1, all.length, 12_008]);
    for (const seq of [1, 2, 4096, 4097, 5000, 20_000, all.length - 1, all.length]) {
      const some = log.recordsFrom(seq, 50);
      expect(some.length).toBeGreaterThan(0);
      expect(some).toEqual(all.slice(seq - 1, seq - 1 + some.length));
      const start = log.stepStartAt(seq);
      const expected = all.findIndex((record, at) => at >= seq - 1 && record.step !== all[at - 1]?.step);
      expect(start).toBe(expected < 0 ? all.length + 1 : expected + 1);
    }
    expect(log.recordsFrom(all.length + 1, 50)).toEqual([]);
    expect(log.recordsFrom(0, 50)).toEqual([]);
  });

  it('refuses a block that does not follow', () => {
    const run = new SyntheticRun();
    const log = new LiveLog(1000);
    run.steps(5, () => {});
    expect(() => run.steps(5, (block) => log.append(block, run.names))).toThrow(/does not follow record 0/);
  });
});

describe('the journal of a live run', () => {
  it('stands under its name once the run is sealed', () => {
    const file = join(folder, 'sealed.wsj');
    const { live, steps, seal } = liveFixture({ file });
    steps(50);
    expect(existsSync(file)).toBe(false);
    seal();
    expect(new Uint8Array(readFileSync(file))).toEqual(journalBytes());
    expect(live.journal()?.source.size).toBe(journalBytes().length);
    live.close();
  });

  it('holds under its partial name what is older than a second, also where nothing comes after it', () => {
    const file = join(folder, 'growing.wsj');
    const clock = new ManualClock();
    const { live, steps, seal } = liveFixture({ file, clock });
    const shown = () => openJournal(memorySource(readFileSync(`${file}.part`))).records;
    expect(shown()).toBe(0);
    for (let second = 0; second < 3; second++) {
      steps(5);
      expect(shown()).toBeLessThan(live.records);
      clock.pass(1000);
      expect(shown()).toBe(live.records);
    }
    seal();
    expect(clock.waiting).toBe(0);
    live.close();
  });

  it('is left unsealed under its partial name where the run failed', () => {
    const file = join(folder, 'failed.wsj');
    const { live, steps } = liveFixture({ file });
    steps(50);
    live.close();
    expect(existsSync(file)).toBe(false);
    const left = openJournal(memorySource(readFileSync(`${file}.part`)));
    expect([left.sealed, left.records]).toEqual([false, listed.length]);
    expect(live.summary()).toMatchObject({ live: false, sealed: false, failure: 'the run was closed before its end' });
  });
});

describe('driveRun', () => {
  it('carries a run to its end in turns, and seals it', async () => {
    const { session, live } = churn();
    let turns = 0;
    let told = 0;
    const seen = live.records$.subscribe(() => told++);
    const counting = setInterval(() => turns++, 0);
    const end = await driveRun(session.run, live, { stepsPerTurn: 5 });
    clearInterval(counting);
    seen.unsubscribe();
    expect(live.summary()).toMatchObject({ sealed: true, end, records: told, steps: session.run.sequencer.step });
    expect(told).toBe(session.run.sequencer.seq);
  });

  it('pauses as its clock says', async () => {
    const clock = new ManualClock();
    const { session, live } = churn();
    const ended = driveRun(session.run, live, { stepsPerTurn: 1, pauseMs: 100, clock });
    expect(session.run.sequencer.step).toBe(0);
    for (let step = 1; step <= 3; step++) {
      clock.pass(100);
      await new Promise((resolve) => setImmediate(resolve));
      expect(session.run.sequencer.step).toBe(step);
      expect(live.summary().steps).toBe(step);
    }
    while (live.live) {
      clock.pass(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ended;
  });

  it('ends a run that its driver stops as stopped', async () => {
    const stopping = new AbortController();
    const { session, live } = churn();
    const ended = driveRun(session.run, live, { stepsPerTurn: 1, signal: stopping.signal });
    stopping.abort();
    expect(await ended).toMatchObject({ ended: 'stopped' });
    expect(live.summary()).toMatchObject({ sealed: true, verdict: 'clean' });
  });

  it('tells all subscribers that the model failed', async () => {
    const { session, live } = churn();
    session.run.advance = () => {
      throw new Error('no such state');
    };
    await expect(driveRun(session.run, live)).rejects.toThrow('no such state');
    expect(live.summary()).toMatchObject({ live: false, sealed: false, failure: 'no such state' });
  });
});

describe('a live run', () => {
  it('has the id that its journal has', () => {
    const { live } = liveFixture();
    expect(live).toBeInstanceOf(LiveRun);
    expect(live.id).toBe(openJournal(memorySource(journalBytes())).header.runId);
  });
});
