/** A run that another writer has not ended yet, followed through its file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { realFiles } from '../../../replay/files.ts';
import { partPathOf } from '../../../replay/part-file.ts';
import { JournalWriter } from '../../../replay/writer.ts';
import { FollowedRun } from '../../../timeline/serve/followed-run.ts';
import type { RunEvent } from '../../../timeline/serve/run-source.ts';
import { END, SyntheticRun } from '../../replay/synthetic.ts';
import { ManualClock, upTo } from './fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-followed-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A writer at its file, and one who follows it. */
function followed(name: string) {
  const path = join(folder, name);
  const run = new SyntheticRun();
  const writer = JournalWriter.open({ path, files: realFiles }, run.start, { mode: 'buffered' });
  const clock = new ManualClock();
  const source = new FollowedRun(partPathOf(path), clock);
  const steps = (count: number): void => {
    run.steps(count, (block) => writer.block(block, run.names));
    writer.flush();
  };
  return { run, writer, clock, source, steps };
}

const seqsOf = (event: RunEvent): readonly number[] => (event.type === 'records' ? event.records.map(({ seq }) => seq) : []);

async function told(source: FollowedRun, from = 1): Promise<number[]> {
  const seqs: number[] = [];
  for await (const event of source.events(from, new AbortController().signal)) seqs.push(...seqsOf(event));
  return seqs;
}

describe.runIf(process.platform === 'linux')('a run in progress', () => {
  it('tells each record once, as the file grows, and ends with the seal', async () => {
    const { writer, clock, source, steps } = followed('sealed.wsj');
    steps(20);
    const all = told(source);
    const late = told(source, 30);
    for (let look = 0; look < 40; look++) {
      steps(100);
      clock.pass(10_000);
      await new Promise((resolve) => setImmediate(resolve));
      expect(source).toMatchObject({ live: true, sealed: false, records: writer.records });
      expect(source.summary()).toMatchObject({ live: true, root: null, torn: null, verdict: null });
      expect(source.journal()).toBeNull();
    }
    expect(writer.records).toBeGreaterThan(2 * 4096);
    const { root, records, bytes } = writer.seal(END);
    clock.pass(10_000);
    expect(source.summary()).toMatchObject({ live: false, sealed: true, root, end: END, records });
    expect(source.journal()?.source.size).toBe(bytes);
    expect(await all).toEqual(upTo(records));
    expect(await late).toEqual(upTo(records).slice(29));
    expect(clock.waiting).toBe(0);
    source.close();
  });

  it('ends without a seal where its writer is gone', async () => {
    const { writer, clock, source, steps } = followed('gone.wsj');
    steps(500);
    const all = told(source);
    const { records } = writer;
    writer.release();
    clock.pass(10_000);
    expect(source.summary()).toMatchObject({ live: false, sealed: false, records, failure: null });
    expect(await all).toEqual(upTo(records));
    source.close();
  });

  it('keeps what a slow reader is at, though the writer has replaced the draft it was in', async () => {
    const { writer, clock, source, steps } = followed('slow.wsj');
    steps(300);
    clock.pass(10_000);
    const events = source.events(1, new AbortController().signal);
    const seqs = [...seqsOf((await events.next()).value as RunEvent)];
    steps(3000);
    writer.seal(END);
    for (let next = await events.next(); ; next = await events.next()) {
      if (next.done) break;
      seqs.push(...seqsOf(next.value));
      clock.pass(10_000);
    }
    expect(seqs).toEqual(upTo(writer.records));
    source.close();
  });
});
