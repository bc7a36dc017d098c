/** Whether another process is still writing a file. */
import { type BigIntStats, readdirSync, readFileSync, statSync } from 'node:fs';

/** The bits of `flags` in /proc/PID/fdinfo that say how a file was opened; 0 is for reading. */
const ACCESS_MODE = 0o3;

/** The entries of a folder; none where this process may not look, or the process has ended. */
function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isWriter(pid: string, descriptor: string, { dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): boolean {
  try {
    const found = statSync(`/proc/${pid}/fd/${descriptor}`, { bigint: true });
    if (found.ino !== ino || found.dev !== dev) return false;
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8'))?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & ACCESS_MODE) !== 0;
  } catch {
    return false;
  }
}

/**
 * Whether a process has the file open for writing, as far as this one can see: on Linux, in its
 * container, of its user. A file of a process that was killed is open nowhere.
 */
export const isBeingWritten = (file: Pick<BigIntStats, 'dev' | 'ino'>): boolean =>
  entriesOf('/proc').some((pid) => /^\d+$/.test(pid) && entriesOf(`/proc/${pid}/fd`).some((descriptor) => isWriter(pid, descriptor, file)));
