/**
 * A program that writes one journal after the other until it is killed, and notes beside them what
 * was acknowledged.
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { realFiles } from '../../replay/files.ts';
import { JournalWriter } from '../../replay/writer.ts';
import { END, SyntheticRun } from '../replay/synthetic.ts';

const [folder = '.', seed = '1'] = process.argv.slice(2);
const notes = openSync(join(folder, 'acknowledged'), 'w');

/** One write of eight bytes: it is there whole or not at all. */
const note = (file: number, seq: number): void => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(file, 0);
  bytes.writeUInt32LE(seq, 4);
  writeSync(notes, bytes, 0, 8, 0);
};

for (let file = 0; ; file++) {
  const run = new SyntheticRun({ seed: Number(seed) + file });
  const writer = JournalWriter.open({ path: join(folder, `${file}.wsj`), files: realFiles }, run.start, {
    mode: 'sync',
    checkpointEvery: 500,
  });
  for (let steps = 0; steps < 500; steps += 25) {
    run.steps(
      25,
      (block) => {
        writer.block(block, run.names);
        note(file, writer.acknowledge());
      },
      5 + (steps % 60),
    );
  }
  writer.seal(END);
}
