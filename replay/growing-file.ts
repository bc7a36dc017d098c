/** A file that a process may still be writing, and its bytes as they were at one moment. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { isBeingWritten } from './being-written.ts';
import type { JournalSource } from './source.ts';

export interface GrowingFile {
  /** Whether a process has it open for writing; also after it got its last name. */
  isBeingWritten(): boolean;
  /** What it holds now. */
  look(): JournalSource;
  close(): void;
}

/**
 * What a writer may take back is at the end, and shorter than this: the draft of a block that is
 * not full.
 */
const TAIL_BYTES = 1 << 20;
/** Looks at a file that changes while it is looked at, before the last one counts. */
const LOOKS_MAX = 16;

function bytesAt(fd: number, from: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - from);
  for (let at = 0; at < bytes.length; ) {
    const count = readSync(fd, bytes, at, bytes.length - at, from + at);
    if (count === 0) return bytes.subarray(0, at);
    at += count;
  }
  return bytes;
}

interface Tail {
  /** Where it begins. */
  readonly from: number;
  readonly bytes: Uint8Array;
}

/**
 * The end of the file as it was at one moment: the same twice in a row. Times of a file do not tell
 * that, as two writes within some milliseconds have the same.
 */
function tailOf(fd: number): Tail {
  const read = (): Tail => {
    const { size } = fstatSync(fd);
    const from = Math.max(0, size - TAIL_BYTES);
    return { from, bytes: bytesAt(fd, from, size) };
  };
  let tail = read();
  for (let look = 1; look < LOOKS_MAX; look++) {
    const last = tail;
    tail = read();
    if (tail.from === last.from && Buffer.compare(tail.bytes, last.bytes) === 0) break;
  }
  return tail;
}

/** @throws the system's error, such as ENOENT */
export function growingFile(path: string): GrowingFile {
  const fd = openSync(path, 'r');
  return {
    isBeingWritten: () => isBeingWritten(fstatSync(fd, { bigint: true })),
    look() {
      const { from, bytes } = tailOf(fd);
      return {
        size: from + bytes.length,
        read(offset, length) {
          if (offset >= from) return bytes.subarray(offset - from, offset - from + length);
          const read = new Uint8Array(length);
          const split = Math.min(from, offset + length);
          read.set(bytesAt(fd, offset, split));
          read.set(bytes.subarray(0, offset + length - split), split - offset);
          return read;
        },
      };
    },
    close: () => closeSync(fd),
  };
}
