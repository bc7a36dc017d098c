/**
 * The process as commands see it: two sinks, standard input, the folder, the environment, and
 * whether the user wants them to stop.
 */
import { readSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { codeOf } from '../replay/errors.ts';
import { realFiles } from '../replay/files.ts';
import type { FileSystem } from '../replay/part-file.ts';
import { EXIT, fileError } from './errors.ts';

/** Where text and bytes go. Once the reader is gone, a write does nothing and does not fail. */
export interface Sink {
  readonly isTerminal: boolean;
  /** The columns for which text is laid out that is wrapped anyway, such as help. */
  readonly columns: number;
  /** The columns that no line of text may exceed: of a terminal, or COLUMNS; else null. */
  readonly limit: number | null;
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
  /** What every file is written with. */
  readonly files: FileSystem;
  /** All of standard input, or the first `STREAM_BYTES_MAX` bytes and a few more. */
  stdin(): Uint8Array;
  /**
   * Aborts on SIGINT, SIGTERM and SIGHUP. From the first call on these no longer end the process:
   * the caller must check the signal.
   */
  interruption(): AbortSignal;
  /**
   * From here on a signal ends the process again, until `interruption` is called: a write that
   * waits for the reader of a pipe lets no check of a signal through.
   */
  endInterruption(): void;
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
/** On a narrower terminal lines break where the terminal breaks them. */
const COLUMNS_MIN = 40;
const RETRY_MS = 2;
const STDOUT = 1;
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Writes to a file descriptor in the calling turn, so that nothing is lost at the end and a closed
 * pipe shows at once.
 */
class DescriptorSink implements Sink {
  readonly isTerminal: boolean;
  closed = false;
  readonly #fd: number;
  readonly #asked: number | null;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(fd: number, asked: number | null) {
    this.#fd = fd;
    this.#asked = asked;
    this.isTerminal = isatty(fd);
  }

  get limit(): number | null {
    const { columns } = this.#fd === STDOUT ? process.stdout : process.stderr;
    const limit = this.#asked ?? (this.isTerminal ? columns || COLUMNS_DEFAULT : null);
    return limit === null ? null : Math.max(limit, COLUMNS_MIN);
  }

  get columns(): number {
    return this.limit ?? COLUMNS_DEFAULT;
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
        // Standard error is where this would be told. What it cannot take changes no exit code.
        if (this.#fd === STDOUT && code !== 'EPIPE' && code !== 'EBADF') throw fileError(error, 'standard output', 'write');
      }
      return 0;
    }
  }
}

/** The first signal asks the command to stop, the second ends the process. */
function interruptions(): Pick<Io, 'interruption' | 'endInterruption'> {
  const controller = new AbortController();
  let isOn = false;
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.partial);
    controller.abort();
  };
  return {
    interruption() {
      if (!isOn) for (const signal of STOPPING) process.on(signal, stop);
      isOn = true;
      return controller.signal;
    },
    endInterruption() {
      for (const signal of STOPPING) process.off(signal, stop);
      isOn = false;
    },
  };
}

export function processIo(): Io {
  const { env } = process;
  let given: Uint8Array | undefined;
  // Anything else, such as -5 or 1e9, is no number of columns.
  const asked = /^[1-9][0-9]{0,8}$/.test(env.COLUMNS ?? '') ? Number(env.COLUMNS) : null;
  return {
    out: new DescriptorSink(STDOUT, asked),
    err: new DescriptorSink(2, asked),
    cwd: process.cwd(),
    env,
    files: realFiles,
    // A stream is read once, and may be looked at as one kind of file and then as another.
    stdin: () => (given ??= readUpTo(0, STREAM_BYTES_MAX)),
    ...interruptions(),
  };
}
