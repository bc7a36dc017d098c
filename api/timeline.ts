/**
 * `worldswitch/timeline`: runs as timelines, in the formats of viewers, and served over HTTP while
 * they go on.
 */
import type { RunEnd } from '../events/journal.ts';
import { type DriveOptions as Driving, driveRun as drive } from '../timeline/serve/drive.ts';
import type { LiveRun } from '../timeline/serve/live-run.ts';
import type { OpenRun } from './open-run.ts';

export { EXPORTERS, type Exporter } from '../timeline/encode/index.ts';
export type * from '../timeline/event.ts';
export { Projector, project } from '../timeline/project.ts';
export { type Recording, recordingOf } from '../timeline/recording.ts';
export { type App, type AppOptions, createApp } from '../timeline/serve/app.ts';
export type { Clock } from '../timeline/serve/clock.ts';
export { journalBytesRun, journalFileRun } from '../timeline/serve/journal-run.ts';
export { LiveRun, type LiveRunOptions } from '../timeline/serve/live-run.ts';
export type { RecordingSource } from '../timeline/serve/recordings.ts';
export type { RunEvent, RunSource, RunSummary } from '../timeline/serve/run-source.ts';
export { type RunningServer, type ServerOptions, ServerStartError, startServer } from '../timeline/serve/server.ts';

/**
 * How a run is driven while others are served.
 * @public
 */
export type DriveOptions = Omit<Driving, 'begin' | 'to'>;

/**
 * Carries a run to its end in turns, so that clients are served in between, and seals its journal.
 * The run is one that `openRun()`, `openInjection()` or `openReplay()` has opened, and that has not
 * been used yet.
 * @throws what the model or the journal throws; watchers are told that the run failed
 * @public
 */
export function driveRun(run: OpenRun, live: LiveRun, options: DriveOptions = {}): Promise<RunEnd> {
  const { run: driven, begin, to } = run.connect((block, names) => live.block(block, names));
  return drive(driven, live, { ...options, begin, to });
}
