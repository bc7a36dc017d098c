/** Random access to the bytes of a journal, wherever they are. */

/** The bytes of a journal, wherever they are. @public */
export interface JournalSource {
  readonly size: number;
  /**
   * The bytes from `offset` on: exactly `length`, which lie within the source. They must not change
   * afterwards.
   */
  read(offset: number, length: number): Uint8Array;
}

/** Bytes in memory. @public */
export const memorySource = (bytes: Uint8Array): JournalSource => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

const CHUNK_BYTES = 1 << 20;

/**
 * The bytes from `from` to `to`, in chunks that start `overlap` bytes before the last one ended.
 */
export function* chunksOf(
  source: JournalSource,
  from: number,
  to: number,
  overlap = 0,
): Generator<{ readonly offset: number; readonly bytes: Uint8Array }> {
  for (let offset = from; offset < to; ) {
    const end = Math.min(offset + CHUNK_BYTES, to);
    yield { offset, bytes: source.read(offset, end - offset) };
    if (end === to) return;
    offset = end - overlap;
  }
}
