/** Reads a recording from a file, plain or packed by gzip. */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Recording, RecordingReader, TraceError } from './recording.ts';

/** Bytes of a recording, unpacked. */
const BYTES_MAX = 1 << 30;
/** Bytes without a line's end: a file that has more is no text. */
const LINE_BYTES_MAX = 1 << 16;

/** Files that tools write before they print them as text. */
const BINARY = [
  {
    magic: Buffer.from([0x17, 0x08, 0x44, 0x74, 0x72, 0x61, 0x63]),
    what: 'a binary file of trace-cmd',
    attempt: 'trace-cmd report -i FILE > TEXT',
  },
  { magic: Buffer.from([...'PERFILE2'].map((c) => c.charCodeAt(0))), what: 'a binary file of perf', attempt: 'perf script -i FILE > TEXT' },
] as const;

/** The bytes of a file, unpacked if it begins as gzip does. */
async function* unpacked(source: Readable): AsyncGenerator<Buffer> {
  const chunks: AsyncIterator<Buffer> = source[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done) return;
  const whole = Readable.from(
    (async function* () {
      yield first.value;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
    })(),
  );
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) {
    yield* whole;
    return;
  }
  const gunzip = createGunzip();
  whole.on('error', (error) => gunzip.destroy(error));
  yield* whole.pipe(gunzip);
}

function* buffers(pieces: Iterable<Uint8Array>): Generator<Buffer> {
  for (const piece of pieces) yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}

/**
 * Reads a recording to its end.
 * @param name as the user named it
 * @param from the path of the file, or its bytes in pieces
 * @throws TraceError if it is no recording, or has more than fits; what the file system throws
 */
export async function readRecording(name: string, from: string | Iterable<Uint8Array>): Promise<Recording> {
  const reader = new RecordingReader(name);
  const source = typeof from === 'string' ? createReadStream(from) : Readable.from(buffers(from));
  let held: Buffer = Buffer.alloc(0);
  let total = 0;
  try {
    for await (const chunk of unpacked(source)) {
      if (total === 0) refuseBinary(name, chunk);
      total += chunk.length;
      if (total > BYTES_MAX) throw tooLarge(name, `more than ${BYTES_MAX >> 20} MiB of text`);
      held = takeLines(reader, held.length === 0 ? chunk : Buffer.concat([held, chunk]));
      if (held.length > LINE_BYTES_MAX) throw tooLarge(name, `a line of more than ${LINE_BYTES_MAX >> 10} KiB`);
    }
  } catch (error) {
    throw asTraceError(name, error);
  } finally {
    source.destroy();
  }
  if (held.length > 0) reader.take(held.toString('utf8'));
  return reader.end();
}

/** Gives the reader each whole line; what is left has no end yet. */
function takeLines(reader: RecordingReader, bytes: Buffer): Buffer {
  let start = 0;
  for (let end = bytes.indexOf(0x0a, start); end >= 0; end = bytes.indexOf(0x0a, start)) {
    const stop = end > start && bytes[end - 1] === 0x0d ? end - 1 : end;
    reader.take(bytes.toString('utf8', start, Math.min(stop, start + LINE_BYTES_MAX)));
    start = end + 1;
  }
  return bytes.subarray(start);
}

function refuseBinary(name: string, first: Buffer): void {
  const binary = BINARY.find(({ magic }) => first.subarray(0, magic.length).equals(magic));
  if (binary) throw new TraceError(`${name} is ${binary.what}`, 'its text', binary.attempt);
}

const tooLarge = (name: string, what: string): TraceError =>
  new TraceError(`${name} has ${what}`, 'the text of a recording', 'a part of the recording: head -n 1000000 FILE');

/** zlib tells of a damaged file by a code of its own. */
function asTraceError(name: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code.startsWith('Z_') || code === 'ERR_STREAM_PREMATURE_CLOSE'
    ? new TraceError(`${name} is damaged: ${error instanceof Error ? error.message : code}`, 'a whole gzip file', 'gzip -t FILE')
    : error;
}
