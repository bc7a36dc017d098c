/**
 * Which steps of the run loop recordings of real kernels show, and where: Linux 6.1.192 and 6.12.117
 * with kvm_amd. Code that vendors share is known by a recording on hosts of that vendor alone.
 */
import type { HostEnv } from '../host/host-env.ts';
import type { Source } from '../path/path.ts';

/** The source and grade of a step that a recording shows, in the file and at the lines that are named. */
export const recordedAt = ({ vendor }: Pick<HostEnv, 'vendor'>, source: string, at: string): Partial<Source> =>
  vendor.isRecorded ? { source: `${source}; test/recordings/${at}`, grade: 'recorded' } : {};
