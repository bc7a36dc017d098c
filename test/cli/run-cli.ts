/** Runs a command line in this process, in a folder of its own, and keeps what it said. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Io, Sink } from '../../cli/io.ts';
import { runCli } from '../../cli/program.ts';
import { realFiles } from '../../replay/files.ts';
import type { FileSystem } from '../../replay/part-file.ts';

class MemorySink implements Sink {
  readonly isTerminal: boolean;
  readonly columns: number;
  closed = false;
  readonly #chunks: Uint8Array[] = [];
  /** Closes itself after so many writes, as a reader that has seen enough. */
  readonly #writesMax: number;

  readonly #onWrite: (text: string) => void;

  constructor(isTerminal: boolean, columns = 100, writesMax = Number.POSITIVE_INFINITY, onWrite: (text: string) => void = () => {}) {
    this.isTerminal = isTerminal;
    this.columns = columns;
    this.#writesMax = writesMax;
    this.#onWrite = onWrite;
  }
  get limit(): number | null {
    return this.isTerminal ? this.columns : null;
  }
  write(data: string | Uint8Array): void {
    if (this.#chunks.length >= this.#writesMax) this.closed = true;
    if (this.closed) return;
    const bytes = Buffer.from(data);
    this.#chunks.push(bytes);
    this.#onWrite(bytes.toString());
  }
  flush(): void {}
  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly bytes: Uint8Array;
  /** Standard output as one JSON document. */
  json<T>(): T;
}

export interface Surroundings {
  readonly stdin?: Uint8Array | string;
  readonly env?: Io['env'];
  /** Both outputs are a terminal. */
  readonly isTerminal?: boolean;
  readonly columns?: number;
  readonly writesMax?: number;
  readonly signal?: AbortSignal;
  /** Hears when a command begins to look at signals. */
  readonly onInterruption?: () => void;
  /** What files are written with; the machine's own unless given. */
  readonly files?: FileSystem;
  /** Sees standard output while the command goes on. */
  readonly onWrite?: (text: string) => void;
}

/** A folder for one test file, and command lines that run in it. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'worldswitch-cli-'));

  path(name: string): string {
    return join(this.folder, name);
  }

  makeFolder(name: string): void {
    mkdirSync(this.path(name), { recursive: true });
  }

  async run(
    argv: readonly string[],
    { stdin = '', env = {}, isTerminal = false, columns, writesMax, signal, files = realFiles, onWrite, onInterruption }: Surroundings = {},
  ): Promise<Outcome> {
    const out = new MemorySink(isTerminal, columns, writesMax, onWrite);
    const err = new MemorySink(isTerminal, columns);
    const io: Io = {
      out,
      err,
      cwd: this.folder,
      env,
      files,
      stdin: () => (typeof stdin === 'string' ? Buffer.from(stdin) : stdin),
      interruption() {
        onInterruption?.();
        return signal ?? new AbortController().signal;
      },
      endInterruption: () => {},
    };
    const code = await runCli(argv, io);
    const text = Buffer.from(out.bytes).toString();
    return { code, out: text, err: Buffer.from(err.bytes).toString(), bytes: out.bytes, json: <T>() => JSON.parse(text) as T };
  }

  /** Serves until `use` is done. */
  async serving(argv: readonly string[], use: (url: string) => Promise<void>): Promise<number> {
    const controller = new AbortController();
    let url = '';
    const lines: string[] = [];
    const served = this.run(['serve', ...argv], { signal: controller.signal, onWrite: (text) => lines.push(text) });
    const ended = served.then(({ err }) => {
      if (url === '') throw new Error(`the server did not start: ${err}`);
    });
    while (lines.length === 0) await Promise.race([ended, new Promise((done) => setTimeout(done, 5))]);
    url = lines[0]!.trim();
    try {
      await use(url);
    } finally {
      controller.abort();
    }
    return (await served).code;
  }

  clear(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
