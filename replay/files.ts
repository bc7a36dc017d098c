/** The file system of the machine, for writing journals. */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { JournalWriteError } from './errors.ts';
import type { FileSystem, JournalTarget } from './part-file.ts';

export const realFiles: FileSystem = {
  open: (path, flags) => openSync(path, flags),
  write: (fd, bytes, offset, length, position) => writeSync(fd, bytes, offset, length, position),
  datasync: (fd) => fdatasyncSync(fd),
  sync: (fd) => fsyncSync(fd),
  truncate: (fd, size) => ftruncateSync(fd, size),
  close: (fd) => closeSync(fd),
  rename: (from, to) => renameSync(from, to),
  remove: (path) => unlinkSync(path),
  syncFolder: (path) => {
    const fd = openSync(dirname(path), 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  },
};

const notAFile = (code: string): Error => Object.assign(new Error('it is no regular file'), { code });

/**
 * Where a journal of that name goes: beside the file that a link leads to.
 * @throws JournalWriteError if something stands there that is no regular file, such as a device,
 * which would be replaced
 */
export function targetAt(path: string): JournalTarget {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found && !found.isFile()) throw new JournalWriteError(path, 'replace', notAFile(found.isDirectory() ? 'EISDIR' : 'ENOTSUP'));
  return { path: found ? realpathSync(path) : resolve(path), files: realFiles };
}
