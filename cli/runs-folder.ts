/** The journals that commands write where nothing else is asked for. */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { codeOf } from '../replay/errors.ts';
import { CliError, EXIT, fileError, usageError } from './errors.ts';
import type { Io } from './io.ts';
import { RUNS_FOLDER } from './recording.ts';

/** Names the newest journal of the folder wherever a journal is asked for. */
const LATEST = 'latest';

export interface StoredRun {
  /** As a command takes it. */
  readonly file: string;
  readonly bytes: number;
  /** When it was written last, in ms since 1970. */
  readonly writtenAt: number;
}

/**
 * What is told of a file before it is read; null if it is none. One that cannot be looked at counts
 * as the oldest: to read it fails, which takes nothing from the others.
 */
function lookedAt(path: string): Omit<StoredRun, 'file'> | null {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats?.isFile() ? { bytes: stats.size, writtenAt: stats.mtimeMs } : null;
  } catch {
    return { bytes: 0, writtenAt: 0 };
  }
}

/**
 * All journals of the folder, the newest first; with `parts`, runs in progress and killed ones too.
 */
export function journalsIn({ cwd }: Pick<Io, 'cwd'>, parts = false): readonly StoredRun[] {
  let names: string[];
  try {
    names = readdirSync(resolve(cwd, RUNS_FOLDER));
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return [];
    if (code === 'ENOTDIR') throw usageError(`cannot read ${RUNS_FOLDER}: it is a file; expected a folder, or nothing`);
    throw fileError(error, RUNS_FOLDER, 'read');
  }
  return names
    .filter((name) => name.endsWith('.wsj') || (parts && name.endsWith('.wsj.part')))
    .flatMap((name) => {
      const file = join(RUNS_FOLDER, name);
      const found = lookedAt(resolve(cwd, file));
      return found ? [{ file, ...found }] : [];
    })
    .sort((one, other) => other.writtenAt - one.writtenAt || (one.file < other.file ? -1 : 1));
}

/** @throws CliError where `latest` is asked for and there is none */
export function namedRun(operand: string, io: Pick<Io, 'cwd'>): string {
  if (operand !== LATEST) return operand;
  const [newest] = journalsIn(io);
  if (newest) return newest.file;
  throw new CliError({
    code: 'no_runs',
    exit: EXIT.usage,
    message: `there is no latest run: ./${RUNS_FOLDER} holds no journals`,
    expected: 'a run that was written there, or the name of a journal',
    attempt: 'worldswitch run SCENARIO',
  });
}
