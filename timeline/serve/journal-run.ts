/**
 * A run that stands in a journal: a file, or bytes in memory. Sealed or not, nothing is added to it
 * any more.
 */
import type { JournalRecord } from '../../events/journal.ts';
import { fileSource } from '../../replay/file-source.ts';
import { openJournal } from '../../replay/open.ts';
import type { Journal } from '../../replay/reader.ts';
import { type JournalSource, memorySource } from '../../replay/source.ts';
import { BATCH_RECORDS, namesOf, type RunEvent, type RunSource, type RunSummary, startFacts } from './run-source.ts';

async function* eventsOf(journal: Journal, fromSeq: number, signal: AbortSignal): AsyncGenerator<RunEvent, void> {
  let records: JournalRecord[] = [];
  for (const record of journal.recordsFrom(fromSeq)) {
    if (records.push(record) < BATCH_RECORDS) continue;
    yield { type: 'records', records };
    if (signal.aborted) return;
    records = [];
  }
  if (records.length > 0) yield { type: 'records', records };
}

function summaryOf(journal: Journal): RunSummary {
  const { start, end, sealed, torn, records, steps, root } = journal;
  return {
    ...startFacts(start),
    records,
    steps,
    sealed,
    live: false,
    verdict: end?.verdict ?? null,
    end,
    digest: records === 0 ? null : journal.stepEnd(steps).digest,
    root,
    torn,
    failure: null,
  };
}

/** Serves a journal wherever its bytes are. @throws what `openJournal` throws */
export function journalSourceRun(source: JournalSource, close: () => void = () => {}): RunSource {
  const journal = openJournal(source);
  const { sealed, root } = journal;
  // The root of an unsealed file says nothing about the torn bytes at its end.
  const etag = sealed ? `"${root}"` : `"${root}-${source.size}"`;
  return {
    id: journal.header.runId,
    ...namesOf(journal.start),
    actors: journal.actors,
    records: journal.records,
    sealed,
    live: false,
    summary: () => summaryOf(journal),
    events: (fromSeq, signal) => eventsOf(journal, fromSeq, signal),
    journal: () => ({ source, etag }),
    close,
  };
}

/**
 * Serves a journal that is in memory.
 * @throws what `openJournal` throws
 * @public
 */
export const journalBytesRun = (bytes: Uint8Array): RunSource => journalSourceRun(memorySource(bytes));

/**
 * Opens a journal file, and keeps it open until `close()`.
 * @throws what `openJournal` throws, and the system's error, such as ENOENT
 * @public
 */
export function journalFileRun(path: string): RunSource {
  const source = fileSource(path);
  try {
    return journalSourceRun(source, () => source.close());
  } catch (error) {
    source.close();
    throw error;
  }
}
