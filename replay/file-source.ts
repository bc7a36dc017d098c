/** The bytes of a file on disk, as a journal is read from. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { JournalSource } from './source.ts';

/** A file that is open. @public */
export interface FileSource extends JournalSource {
  close(): void;
}

/** What is read ahead for small reads: a file may have a million frames of a few bytes. */
const WINDOW_BYTES = 1 << 16;
const SMALL_BYTES = 1 << 12;

/**
 * Opens a file for reading. Its size is taken once: what a writer adds later is not seen.
 * @throws the system's error, such as ENOENT
 * @public
 */
export function fileSource(path: string): FileSource {
  const fd = openSync(path, 'r');
  const { size } = fstatSync(fd);
  const readAt = (offset: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const count = readSync(fd, bytes, at, length - at, offset + at);
      if (count === 0) throw new Error(`${path} became shorter while it was read: ${offset + length} bytes were there, now ${offset + at}`);
      at += count;
    }
    return bytes;
  };
  let window: { readonly offset: number; readonly bytes: Uint8Array } = { offset: 0, bytes: new Uint8Array(0) };
  return {
    size,
    read(offset, length) {
      if (length > SMALL_BYTES) return readAt(offset, length);
      const isIn = offset >= window.offset && offset + length <= window.offset + window.bytes.length;
      if (!isIn) window = { offset, bytes: readAt(offset, Math.max(length, Math.min(WINDOW_BYTES, size - offset))) };
      return window.bytes.subarray(offset - window.offset, offset - window.offset + length);
    },
    close: () => closeSync(fd),
  };
}
