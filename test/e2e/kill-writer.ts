/**
 * A program that writes one file and kills itself at one call of the file system: before it, or in
 * the middle of a write. Or one that writes the same file again and again.
 */
import { join } from 'node:path';
import { writeWhole } from '../../cli/target.ts';
import { realFiles } from '../../replay/files.ts';
import type { FileSystem } from '../../replay/part-file.ts';
import { JournalWriter } from '../../replay/writer.ts';
import { END, SyntheticRun } from '../replay/synthetic.ts';

const [folder = '.', what = 'whole', at = '-1', how = 'before'] = process.argv.slice(2);
const path = join(folder, 'file');
const calls: string[] = [];

const die = (): void => {
  process.kill(process.pid, 'SIGKILL');
};

/** Counts each call; at the one that was asked for, the process ends. */
function entered(name: string): boolean {
  const isNow = calls.push(name) - 1 === Number(at);
  if (isNow && how === 'before') die();
  return isNow;
}

const files = Object.fromEntries(
  Object.entries(realFiles as unknown as Record<string, (...given: unknown[]) => unknown>).map(([name, call]) => [
    name,
    (...given: unknown[]) => {
      if (entered(name) && how === 'within') {
        const [fd, bytes, offset, length, position] = given as Parameters<FileSystem['write']>;
        realFiles.write(fd, bytes, offset, Math.ceil(length / 2), position);
        die();
      }
      return call(...given);
    },
  ]),
) as unknown as FileSystem;

/** What a writer of that name leaves: its letter, many times. */
const contentOf = (name: string): Uint8Array[] => Array.from({ length: 40 }, () => Buffer.alloc(10_000, name));

function journal(mode: 'buffered' | 'sync'): void {
  const run = new SyntheticRun();
  const writer = JournalWriter.open({ path, files }, run.start, { mode });
  run.steps(
    30,
    (block) => {
      writer.block(block, run.names);
      if (mode === 'sync') writer.acknowledge();
      else writer.flush();
    },
    60,
  );
  writer.seal(END);
}

if (what === 'buffered' || what === 'sync') journal(what);
else if (what === 'whole') writeWhole(path, contentOf('n'), { files });
else for (;;) writeWhole(path, contentOf(what), { files: realFiles });
process.stdout.write(JSON.stringify(calls));
