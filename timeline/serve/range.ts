/** A file over HTTP: whole, or one range of bytes. */
import type { JournalSource } from '../../replay/source.ts';
import { Problem } from './problem.ts';
import type { JournalBytes } from './run-source.ts';

const CHUNK_BYTES = 1 << 16;

export interface ByteRange {
  readonly from: number;
  /** The first byte after it. */
  readonly to: number;
}

/**
 * What a Range header asks for. Null means the whole file: no header, another unit, several ranges,
 * or not a range at all. `unsatisfiable` is a range that no byte of the file lies in.
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | null {
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  if (match[1] === '') {
    const length = Number(match[2]);
    return length === 0 || size === 0 ? 'unsatisfiable' : { from: Math.max(size - length, 0), to: size };
  }
  const from = Number(match[1]);
  const last = match[2] === '' ? size - 1 : Number(match[2]);
  if (match[2] !== '' && last < from) return null;
  return from >= size ? 'unsatisfiable' : { from, to: Math.min(last + 1, size) };
}

/** The bytes of a range, read when the client has taken those before. */
function bodyOf(source: JournalSource, { from, to }: ByteRange): ReadableStream<Uint8Array> {
  let at = from;
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    const end = Math.min(at + CHUNK_BYTES, to);
    controller.enqueue(source.read(at, end - at));
    at = end;
    if (at === to) controller.close();
  };
  return new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 });
}

const named = (list: string | undefined, etag: string): boolean =>
  list !== undefined && (list.trim() === '*' || list.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag));

export interface FileRequest {
  readonly head: boolean;
  readonly header: (name: string) => string | undefined;
  /** How the client is advised to name the file. */
  readonly fileName: string;
}

/** @throws Problem 416 if the range is outside the file */
export function fileResponse({ source, etag }: JournalBytes, { head, header, fileName }: FileRequest): Response {
  const { size } = source;
  const headers = { etag, 'accept-ranges': 'bytes', 'cache-control': 'no-cache' };
  if (named(header('if-none-match'), etag)) return new Response(null, { status: 304, headers });
  // HTTP defines a range for GET alone, and a range of another file than the client has seen is not
  // wanted.
  const asked = !head && (header('if-range') ?? etag) === etag ? rangeOf(header('range'), size) : null;
  if (asked === 'unsatisfiable') {
    throw new Problem({
      status: 416,
      code: 'range_not_satisfiable',
      message: `the journal has ${size} bytes, and none of them lies in ${header('range')}`,
      expected: `bytes=FROM-TO with FROM below ${size}`,
      try: `Range: bytes=0-${Math.min(size, CHUNK_BYTES) - 1}`,
      headers: { 'content-range': `bytes */${size}` },
    });
  }
  const { from, to } = asked ?? { from: 0, to: size };
  return new Response(head ? null : bodyOf(source, { from, to }), {
    status: asked ? 206 : 200,
    headers: {
      ...headers,
      'content-type': 'application/octet-stream',
      'content-length': String(to - from),
      'content-disposition': `attachment; filename="${fileName}"`,
      ...(asked && { 'content-range': `bytes ${from}-${to - 1}/${size}` }),
    },
  });
}
