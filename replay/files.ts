/** The file system of the machine, for writing journals. */
import { closeSync, fdatasyncSync, fsyncSync, ftruncateSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { FileSystem } from './part-file.ts';

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
