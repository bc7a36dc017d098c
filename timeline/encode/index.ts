/** The formats that a journal can be exported to. */
import type { Journal } from '../../replay/reader.ts';
import { chrome } from './chrome.ts';
import { perfetto } from './perfetto.ts';

/** A format that a journal can be exported to. @public */
export interface Exporter {
  /** What the command line calls it. */
  readonly name: string;
  /** Of its files, without the dot. */
  readonly extension: string;
  readonly summary: string;
  /** The bytes of the file, in pieces. The same journal gives the same bytes. */
  readonly encode: (journal: Journal) => Iterable<Uint8Array>;
}

/** The formats of `worldswitch export`. @public */
export const EXPORTERS: readonly Exporter[] = [perfetto, chrome];
