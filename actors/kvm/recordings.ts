/**
 * Which steps of the run loop are seen in recordings of real kernels, and where. They are of
 * Linux 6.1.192 and 6.12.117 with kvm_amd; code that vendors share is known by them on AMD hosts
 * alone.
 */
import type { HostEnv } from '../host/host-env.ts';
import type { Source } from '../path/path.ts';

/** The source and grade of a step that a recording shows: `at` is its file and lines. */
export const recordedAt = ({ vendor }: Pick<HostEnv, 'vendor'>, source: string, at: string): Partial<Source> =>
  vendor.isRecorded ? { source: `${source}; test/recordings/${at}`, grade: 'recorded' } : {};
