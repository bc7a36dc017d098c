/**
 * The journal: bytes a record, and records a second against JSON lines and against a bare write and
 * fdatasync of the same bytes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shippedNames } from '../api/shipped-scenarios.ts';
import type { JournalRecord } from '../events/journal.ts';
import { realFiles } from '../replay/files.ts';
import { HEADER_BYTES } from '../replay/header.ts';
import { openJournal } from '../replay/open.ts';
import type { FileSystem } from '../replay/part-file.ts';
import { memorySource } from '../replay/source.ts';
import { JournalWriter, type Sealed } from '../replay/writer.ts';
import { canonical, hexOf } from '../sim/canonical.ts';
import { type RecordBlock, recordsOf } from '../sim/records.ts';
import { churn, finishJournaled, openJournaled, type Recorded, recorded, shipped } from './churn.ts';
import { type Figure, prepared, race, type Table, type Value } from './harness.ts';

/** About 275,000 records. */
const ROUNDS = 200;
const RACES = 7;

/** A block as observers would see it: its records, then the digest of each step. */
interface Observed {
  readonly records: readonly JournalRecord[];
  readonly digests: readonly { readonly step: number; readonly digest: string }[];
}

function* observed({ blocks, names }: Recorded): Generator<Observed, void> {
  let vtime = 0;
  for (const block of blocks) {
    yield { records: recordsOf(block, names, vtime), digests: digestsOf(block) };
    for (let step = 0; step < block.steps; step++) vtime += block.stepNs[step]!;
  }
}

const digestsOf = ({ firstStep, steps, laneA, laneB }: RecordBlock): Observed['digests'] =>
  Array.from({ length: steps }, (_, step) => ({ step: firstStep + step, digest: hexOf(laneA[step]!, laneB[step]!) }));

/** The lines of each block as bytes, which is what a file would get; their length. */
function writeLines(seen: Iterable<Observed>): number {
  let bytes = 0;
  for (const { records, digests } of seen) {
    let text = '';
    for (const record of records) text += `${JSON.stringify(record)}\n`;
    for (const digest of digests) text += `${JSON.stringify(digest)}\n`;
    bytes += Buffer.from(text).length;
  }
  return bytes;
}

function writeJournal({ session, blocks, names, end }: Recorded): Sealed {
  const writer = JournalWriter.open(null, session.start, { mode: 'memory' });
  for (const block of blocks) writer.block(block, names);
  return writer.seal(end);
}

/** @throws unless the journal gives back every record and digest */
function assertEqual(content: Uint8Array, seen: Iterable<Observed>): void {
  const journal = openJournal(memorySource(content));
  const records = journal.recordsFrom();
  const digests = journal.digests();
  for (const block of seen) {
    for (const record of block.records) {
      const { value } = records.next();
      if (canonical(value) !== canonical(record)) throw new Error(`the journal has ${canonical(value)} for ${canonical(record)}`);
    }
    for (const { step, digest } of block.digests) {
      if (digests.next().value?.digest !== digest) throw new Error(`the journal has another digest for step ${step} than ${digest}`);
    }
  }
  if (!records.next().done || !digests.next().done) throw new Error('the journal holds more than was recorded');
}

function encoding(run: Recorded): Table {
  const { records } = run;
  const { bytes, content } = writeJournal(run);
  assertEqual(content!, observed(run));
  const lineBytes = writeLines(observed(run));
  const rates = race(
    [
      prepared('JSON lines, objects ready', () => [...observed(run)], writeLines),
      { name: 'JSON lines, from blocks', work: () => writeLines(observed(run)) },
      {
        name: 'journal, from blocks',
        work: () => writeJournal(run),
        against: [{ base: 'JSON lines, objects ready', aim: 5 }, { base: 'JSON lines, from blocks' }],
      },
    ],
    { unit: 'records', units: records, rounds: RACES, clock: 'cpu' },
  );
  return {
    title: `${records} records with changes, and a digest for each of ${run.session.run.sequencer.step + 1} steps; equal when read back`,
    rates,
    values: [
      { name: 'journal, all frames', value: bytes / records, unit: 'bytes a record', aim: 16 },
      { name: 'JSON lines', value: lineBytes / records, unit: 'bytes a record' },
    ],
  };
}

/** Writes the journal to a file, and waits for the disk after each block of the run. */
function writeDurably({ session, blocks, names, end }: Recorded, path: string, files: FileSystem): void {
  const writer = JournalWriter.open({ path, files }, session.start, { mode: 'sync' });
  for (const block of blocks) {
    writer.block(block, names);
    writer.acknowledge();
  }
  writer.seal(end);
}

/** The same bytes with the same waits, ready made. */
function writeBare(batches: readonly Uint8Array[], path: string): void {
  const part = `${path}.part`;
  const fd = realFiles.open(part, 'wx');
  let at = 0;
  for (const [i, bytes] of batches.entries()) {
    for (let done = 0; done < bytes.length; ) done += realFiles.write(fd, bytes, done, bytes.length - done, at + done);
    at += bytes.length;
    if (i < batches.length - 1) realFiles.datasync(fd);
  }
  realFiles.sync(fd);
  realFiles.close(fd);
  realFiles.rename(part, path);
  realFiles.syncFolder(path);
}

/** What the journal hands to the file between two waits. */
function batchesOf(run: Recorded, path: string): Uint8Array[] {
  const batches: Uint8Array[][] = [[]];
  const write: FileSystem['write'] = (fd, bytes, offset, length, position) => {
    const count = realFiles.write(fd, bytes, offset, length, position);
    batches.at(-1)!.push(bytes.slice(offset, offset + count));
    return count;
  };
  const datasync: FileSystem['datasync'] = (fd) => {
    realFiles.datasync(fd);
    batches.push([]);
  };
  writeDurably(run, path, { ...realFiles, write, datasync });
  return batches.map((pieces) => Buffer.concat(pieces));
}

function durable(run: Recorded): Table {
  const folder = mkdtempSync(join(tmpdir(), 'worldswitch-bench-'));
  try {
    const path = join(folder, 'run.wsj');
    const after = () => rmSync(path);
    const batches = batchesOf(run, path);
    after();
    const { blocks, records } = run;
    const rates = race(
      [
        { name: 'write, fdatasync', work: () => writeBare(batches, path), after },
        {
          name: 'journal, sync',
          work: () => writeDurably(run, path, realFiles),
          after,
          against: [{ base: 'write, fdatasync', aim: 0.2 }],
        },
      ],
      { unit: 'records', units: records, rounds: RACES, clock: 'wall' },
    );
    return { title: `the same bytes in a file on the disk of ${tmpdir()}, waiting for it ${blocks.length} times`, rates };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Where the bytes of a short run are: what stands in front of its records, and behind them. */
function shortRun(scenario: string): Value[] {
  const opened = openJournaled(shipped(scenario), 'memo');
  const { bytes, content, records } = finishJournaled(opened);
  const { blocks } = openJournal(memorySource(content!)).facts.index;
  const front = blocks[0]!.offset;
  const name = `${scenario}.yaml, ${records} records`;
  return [
    { name: `${name}: header and start frame`, value: front, unit: `bytes, of them ${HEADER_BYTES} header` },
    { name: `${name}: all frames after`, value: bytes - front, unit: 'bytes' },
    { name: `${name}: all frames after, a record`, value: (bytes - front) / records, unit: 'bytes' },
  ];
}

export const journal: Figure = {
  name: 'journal',
  summary: 'bytes a record, records a second of encoding and of durable writing',
  run: () => {
    const run = recorded(churn(ROUNDS));
    const values = shippedNames().flatMap(shortRun);
    return [encoding(run), durable(run), { title: 'one random run of each shipped scenario', values }];
  },
};
