/** A timeline over HTTP, as a file of a format that viewers read. */
import type { Exporter } from '../encode/index.ts';

export interface TimelineRequest {
  readonly head: boolean;
  /** How the client is advised to name the file, without its extension. */
  readonly name: string;
  /** The bytes of the file; asked for once the client reads. */
  readonly pieces: () => Iterable<Uint8Array>;
}

/** Each piece is made when the client has taken the one before. */
function bodyOf(pieces: Iterable<Uint8Array>): ReadableStream<Uint8Array> {
  const left = pieces[Symbol.iterator]();
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    const next = left.next();
    if (next.done) controller.close();
    else controller.enqueue(next.value);
  };
  return new ReadableStream<Uint8Array>({ pull, cancel: () => void left.return?.() }, { highWaterMark: 0 });
}

export function timelineResponse({ extension }: Exporter, { head, name, pieces }: TimelineRequest): Response {
  return new Response(head ? null : bodyOf(pieces()), {
    headers: {
      'content-type': extension === 'json' ? 'application/json' : 'application/octet-stream',
      'content-disposition': `attachment; filename="${name}.${extension}"`,
      'cache-control': 'no-store',
    },
  });
}
