/**
 * The process as commands see it: two sinks, standard input, the folder, the environment, and
 * whether the user wants them to stop.
 */
import { readSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { EXIT, fileError } from './errors.ts';

/** Where text and bytes go. Once the reader is gone, a write does nothing and does not fail. */
export interface Sink {
  readonly isTerminal: boolean;
  readonly columns: number;
  /** The reader is gone: a command that writes much may stop. */
  readonly closed: boolean;
  write(data: string | Uint8Array): void;
  flush(): void;
}

export interface Io {
  readonly out: Sink;
  readonly err: Sink;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** All of standard input, or the first `STREAM_BYTES_MAX` bytes and a few more. */
  stdin(): Uint8Array;
  /**
   * Aborts on SIGINT and SIGTERM. From the first call on these no longer end the process: the
   * caller must check the signal.
   */
  interruption(): AbortSignal;
}

/** The most that is read of what is no regular file: a device or a pipe need not end. */
export const STREAM_BYTES_MAX = 1 << 27;

/** What an open file has to give, up to one chunk more than `limit`. */
export function readUpTo(fd: number, limit: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (let size = 0; size <= limit; ) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    const count = readSome(fd, chunk);
    if (count === 0) break;
    chunks.push(chunk.subarray(0, count));
    size += count;
  }
  return Buffer.concat(chunks);
}

const CHUNK_BYTES = 1 << 16;

/** Waits where a pipe that does not block has nothing yet. */
function readSome(fd: number, chunk: Uint8Array): number {
  for (;;) {
    try {
      return readSync(fd, chunk, 0, chunk.length, null);
    } catch (error) {
      if (codeOf(error) === 'EOF') return 0;
      if (codeOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

const BUFFER_BYTES = 1 << 16;
const COLUMNS_DEFAULT = 100;
const RETRY_MS = 2;

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');

/**
 * Writes to a file descriptor in the calling turn, so that nothing is lost at the end and a closed
 * pipe shows at once.
 */
class DescriptorSink implements Sink {
  readonly isTerminal: boolean;
  closed = false;
  readonly #fd: number;
  readonly #columns: () => number;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(fd: number, columns: () => number) {
    this.#fd = fd;
    this.#columns = columns;
    this.isTerminal = isatty(fd);
  }

  get columns(): number {
    return this.#columns();
  }

  write(data: string | Uint8Array): void {
    if (this.closed) return;
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    if (this.isTerminal || this.#size >= BUFFER_BYTES) this.flush();
  }

  flush(): void {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#size = 0;
    for (let at = 0; at < bytes.length && !this.closed; ) at += this.#writeSome(bytes, at);
  }

  #writeSome(bytes: Uint8Array, at: number): number {
    try {
      return writeSync(this.#fd, bytes, at);
    } catch (error) {
      const code = codeOf(error);
      // A pipe that does not block is full, as its reader is slow.
      if (code === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      else {
        this.closed = true;
        if (code !== 'EPIPE' && code !== 'EBADF') throw fileError(error, this.#fd === 1 ? 'standard output' : 'standard error', 'write');
      }
      return 0;
    }
  }
}

/** The first signal asks the command to stop, the second ends the process. */
function interruption(): () => AbortSignal {
  let controller: AbortController | null = null;
  const stop = (): void => {
    if (controller!.signal.aborted) process.exit(EXIT.partial);
    controller!.abort();
  };
  return () => {
    if (!controller) {
      controller = new AbortController();
      process.on('SIGINT', stop);
      process.on('SIGTERM', stop);
    }
    return controller.signal;
  };
}

export function processIo(): Io {
  const { env } = process;
  const columns = (): number => Number(env.COLUMNS) || (isatty(1) ? process.stdout.columns : 0) || COLUMNS_DEFAULT;
  return {
    out: new DescriptorSink(1, columns),
    err: new DescriptorSink(2, columns),
    cwd: process.cwd(),
    env,
    stdin: () => readUpTo(0, STREAM_BYTES_MAX),
    interruption: interruption(),
  };
}
