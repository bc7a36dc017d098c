/** The journals that commands write where nothing else is asked for. */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CliError, EXIT, fileError } from './errors.ts';
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
 * All journals of the folder, the newest first; with `parts`, runs in progress and killed ones too.
 */
export function journalsIn({ cwd }: Pick<Io, 'cwd'>, parts = false): readonly StoredRun[] {
  let names: string[];
  try {
    names = readdirSync(resolve(cwd, RUNS_FOLDER));
  } catch (error) {
    if ((error as { readonly code?: string }).code === 'ENOENT') return [];
    throw fileError(error, RUNS_FOLDER, 'read');
  }
  return names
    .filter((name) => name.endsWith('.wsj') || (parts && name.endsWith('.wsj.part')))
    .flatMap((name) => {
      const file = join(RUNS_FOLDER, name);
      const stats = statSync(resolve(cwd, file), { throwIfNoEntry: false });
      return stats?.isFile() ? [{ file, bytes: stats.size, writtenAt: stats.mtimeMs }] : [];
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
