/** What is served: a run, whether it stands in a journal or is still going on. */
import type { JournalRecord, JsonObject, RunEnd, RunStart } from '../../events/journal.ts';
import type { Torn } from '../../replay/errors.ts';
import type { JournalSource } from '../../replay/source.ts';

/** Records that are handed on at once. Small, because a slow client holds as many. */
export const BATCH_RECORDS = 64;

/** What a watcher of a run is told: records, or that it has missed some. @public */
export type RunEvent =
  | { readonly type: 'records'; readonly records: readonly JournalRecord[] }
  /** The reader was too slow and is not told the records `from` to `to`. */
  | { readonly type: 'gap'; readonly from: number; readonly to: number };

/** A run as the server sums it up. @public */
export interface RunSummary {
  /** The scenario's name. */
  readonly scenario: string;
  readonly variant: string;
  /** Number of records so far, and so the seq of the last one. */
  readonly records: number;
  /** Number of the last step so far. */
  readonly steps: number;
  readonly sealed: boolean;
  /** More records may come. */
  readonly live: boolean;
  /** Null while it is not known. */
  readonly verdict: RunEnd['verdict'] | null;
  readonly end: RunEnd | null;
  /** The world's digest after the last step; null before the first. */
  readonly digest: string | null;
  /** The journal's SHA-256 chain; null while the journal grows. */
  readonly root: string | null;
  /** What the file lost at its end. */
  readonly torn: Torn | null;
  /** Why a live run stopped without an end. */
  readonly failure: string | null;
  readonly start: Omit<RunStart, 'actors'>;
  readonly actors: RunStart['actors'];
}

/** Bytes of a journal, and the entity tag that stands for exactly these bytes. */
export interface JournalBytes {
  readonly source: JournalSource;
  readonly etag: string;
}

/** A run that can be served, whether it goes on or stands in a journal. @public */
export interface RunSource {
  /** The run id. */
  readonly id: string;
  readonly scenario: string;
  readonly variant: string;
  readonly actors: readonly string[];
  readonly records: number;
  readonly sealed: boolean;
  /** More records may come. */
  readonly live: boolean;
  /** @throws JournalDamagedError where the last step cannot be read */
  summary(): RunSummary;
  /**
   * Everything from a seq on, in order; returns when the run has ended and all is told, or when
   * `signal` says so. Reads on only when asked for more: a slow reader holds one batch.
   */
  events(fromSeq: number, signal: AbortSignal): AsyncGenerator<RunEvent, void>;
  /** The journal itself; null while it grows. */
  journal(): JournalBytes | null;
  close(): void;
}

const textIn = (scenario: JsonObject, key: string): string => {
  const value = scenario[key];
  return typeof value === 'string' ? value : '';
};

/** The part of a summary that is known before the first record. */
export function startFacts({ actors, ...start }: RunStart): Pick<RunSummary, 'scenario' | 'variant' | 'start' | 'actors'> {
  return { ...namesOf(start), start, actors };
}

/** What a run is called by people. */
export const namesOf = ({ scenario }: Pick<RunStart, 'scenario'>): Pick<RunSource, 'scenario' | 'variant'> => ({
  scenario: textIn(scenario, 'name'),
  variant: textIn(scenario, 'variant'),
});

/** The runs by the id under which they are served: two journals of one run get `ID` and `ID-2`. */
export function runTable(sources: readonly RunSource[]): ReadonlyMap<string, RunSource> {
  const table = new Map<string, RunSource>();
  for (const source of sources) {
    let id = source.id;
    for (let copy = 2; table.has(id); copy++) id = `${source.id}-${copy}`;
    table.set(id, source);
  }
  return table;
}
