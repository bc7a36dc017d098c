/** The bytes of a file on disk, as a journal is read from. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { JournalSource } from './source.ts';

/** A file that is open. @public */
export interface FileSource extends JournalSource {
  close(): void;
}

/**
 * Opens a file for reading. Its size is taken once: what a writer adds later is not seen.
 * @throws the system's error, such as ENOENT
 * @public
 */
export function fileSource(path: string): FileSource {
  const fd = openSync(path, 'r');
  const { size } = fstatSync(fd);
  return {
    size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; ) {
        const count = readSync(fd, bytes, at, length - at, offset + at);
        if (count === 0)
          throw new Error(`${path} became shorter while it was read: ${offset + length} bytes were there, now ${offset + at}`);
        at += count;
      }
      return bytes;
    },
    close: () => closeSync(fd),
  };
}
