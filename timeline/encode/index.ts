/** The formats of timelines. */
import type { Journal } from '../../replay/reader.ts';
import type { TimelineEvent } from '../event.ts';
import { project } from '../project.ts';
import { recordingOf } from '../recording.ts';
import { objectOf, stringOf } from '../text.ts';
import { chrome } from './chrome.ts';
import { perfetto } from './perfetto.ts';

/** A format that a timeline can be written in. @public */
export interface Exporter {
  /** What the command line calls it. */
  readonly name: string;
  /** Of its files, without the dot. */
  readonly extension: string;
  readonly summary: string;
  /** The bytes of the file, in pieces. The same journal gives the same bytes. */
  readonly encode: (journal: Journal) => Iterable<Uint8Array>;
  /**
   * The same for any timeline, such as that of a recording; `kernel` is the version whose numbers
   * of task states are in use, as `6.12`.
   */
  readonly encodeEvents: (events: Iterable<TimelineEvent>, kernel: string | null) => Iterable<Uint8Array>;
}

const exporter = (format: Omit<Exporter, 'encode'>): Exporter => ({
  ...format,
  encode: (journal) => {
    const recording = recordingOf(journal);
    return format.encodeEvents(project(recording), stringOf(objectOf(recording.start.scenario.host).kernel));
  },
});

/** The formats of `worldswitch export`. @public */
export const EXPORTERS: readonly Exporter[] = [exporter(perfetto), exporter(chrome)];
