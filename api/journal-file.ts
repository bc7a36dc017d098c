/** Journals as programs name them: a file, bytes, or one that is open. */
import { statSync } from 'node:fs';
import { type FileSource, fileSource } from '../replay/file-source.ts';
import { openJournal as opened } from '../replay/open.ts';
import { Journal } from '../replay/reader.ts';
import { type JournalSource, memorySource } from '../replay/source.ts';

/** A journal: the path of its file, its bytes, or a source to read them from. @public */
export type JournalPlace = string | Uint8Array | JournalSource;

/**
 * A journal that is open. `close()` closes a journal that was opened by a path; for others it does
 * nothing.
 * @public
 */
export interface OpenJournal extends Journal {
  close(): void;
}

const withClose = (journal: Journal, close: () => void): OpenJournal => Object.assign(journal, { close });

/**
 * Opens a journal. A torn one opens too, and says so in `torn`. Of a sealed one only header, start,
 * index and seal are read and verified; every other part is when it is first read.
 * @throws NotAJournalError, JournalTooNewError, JournalDamagedError; JournalTornError if nothing
 * was recorded before the tear; the system's error, such as ENOENT; TypeError if it is no place
 * @public
 */
export function openJournal(place: JournalPlace): OpenJournal {
  const { read } = (place ?? {}) as Partial<JournalSource>;
  if (typeof place !== 'string' && !(place instanceof Uint8Array) && typeof read !== 'function')
    throw new TypeError(
      `found ${JSON.stringify(place) ?? String(place)} as a journal; expected the path of its file, its bytes, or a source`,
    );
  if (typeof place !== 'string') return withClose(opened(place instanceof Uint8Array ? memorySource(place) : place), () => {});
  const source: FileSource = fileSource(place);
  try {
    return withClose(opened(source), () => source.close());
  } catch (error) {
    source.close();
    throw error;
  }
}

/** Gives a journal to `use`, and closes it afterwards if it was opened here. */
export function withJournal<T>(journal: JournalPlace | Journal, use: (journal: Journal) => T): T {
  if (journal instanceof Journal) return use(journal);
  const here = openJournal(journal);
  try {
    return use(here);
  } finally {
    here.close();
  }
}

/** @throws RangeError if a journal would be written over the one it is made from */
export function expectOther(journal: JournalPlace | Journal, file: string | undefined): void {
  if (typeof journal !== 'string' || file === undefined) return;
  const read = identityOf(journal);
  if (read !== null && read === identityOf(file))
    throw new RangeError(`${file} is the journal that is read; expected another file to write`);
}

/** A file under each of its names; null where there is none. */
function identityOf(path: string): string | null {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found ? `${found.dev}:${found.ino}` : null;
}
