/**
 * A file that appears under its name when it is whole: written beside it, moved there at the end,
 * gone if anything fails.
 */
import { JournalWriteError } from './errors.ts';

/** What the writer needs of a file system. Injected, so that tests can let any call fail. */
export interface FileSystem {
  /**
   * `wx` creates and fails if the file exists, `w` creates or empties it, `r+` opens for writing
   * what exists.
   */
  open(path: string, flags: 'wx' | 'w' | 'r+'): number;
  /** Writes at the end of what was written; may write less than asked. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number;
  datasync(fd: number): void;
  sync(fd: number): void;
  truncate(fd: number, size: number): void;
  close(fd: number): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Makes the names in the folder of `path` durable. */
  syncFolder(path: string): void;
}

/** Where a file is to go. */
export interface JournalTarget {
  readonly path: string;
  readonly files: FileSystem;
}

/** The name of a file that is still being written, or whose writer was killed. */
export const partPathOf = (path: string): string => `${path}.part`;

/** Frames are collected up to this size, so that one call writes many. */
const BUFFER_BYTES = 1 << 18;

export class PartFile {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #part: string;
  #fd: number;
  #buffer = new Uint8Array(BUFFER_BYTES);
  #buffered = 0;
  /** Bytes handed to the operating system. */
  #written: number;
  #failure: JournalWriteError | null = null;

  /**
   * A new file.
   * @throws JournalWriteError; with code EEXIST where another writer is at it, or was killed, and
   * `stale` is `refuse`
   */
  static create({ path, files }: JournalTarget, stale: 'refuse' | 'replace'): PartFile {
    return new PartFile(path, files, stale === 'refuse' ? 'wx' : 'w', 0);
  }

  /** Goes on with a file whose first `size` bytes are good. */
  static resume({ path, files }: JournalTarget, size: number): PartFile {
    const file = new PartFile(path, files, 'r+', size);
    file.#try('truncate', () => files.truncate(file.#fd, size));
    return file;
  }

  private constructor(path: string, files: FileSystem, flags: 'wx' | 'w' | 'r+', size: number) {
    this.#files = files;
    this.#path = path;
    this.#part = partPathOf(path);
    this.#written = size;
    try {
      this.#fd = files.open(this.#part, flags);
    } catch (error) {
      throw new JournalWriteError(this.#part, 'open', error);
    }
  }

  append(bytes: Uint8Array): void {
    this.#check();
    if (this.#buffered + bytes.length > this.#buffer.length) this.flush();
    if (bytes.length > this.#buffer.length) this.#writeAll(bytes, bytes.length);
    else {
      this.#buffer.set(bytes, this.#buffered);
      this.#buffered += bytes.length;
    }
  }

  /** Hands everything to the operating system: from here on it survives the end of the process. */
  flush(): void {
    this.#check();
    this.#writeAll(this.#buffer, this.#buffered);
    this.#buffered = 0;
  }

  /** Waits until everything is on the disk. */
  datasync(): void {
    this.flush();
    this.#try('sync', () => this.#files.datasync(this.#fd));
  }

  /** Gives the file its name. */
  commit(durable: boolean): void {
    this.flush();
    if (durable) this.#try('sync', () => this.#files.sync(this.#fd));
    const fd = this.#fd;
    this.#fd = -1;
    this.#try('close', () => this.#files.close(fd));
    this.#try('rename', () => this.#files.rename(this.#part, this.#path));
    if (!durable) return;
    try {
      this.#files.syncFolder(this.#path);
    } catch (error) {
      throw this.#fail('sync the folder of', error, this.#path);
    }
  }

  /** Closes and leaves the unfinished file where it is. */
  release(): void {
    this.flush();
    const fd = this.#fd;
    this.#fd = -1;
    this.#try('close', () => this.#files.close(fd));
  }

  /** Closes and removes the unfinished file. */
  discard(): void {
    if (!this.#failure) this.#removeQuietly(this.#part);
  }

  #writeAll(bytes: Uint8Array, length: number): void {
    this.#try('write', () => {
      for (let offset = 0; offset < length; ) {
        const count = this.#writeSome(bytes, offset, length - offset);
        if (count <= 0) throw Object.assign(new Error(`${length - offset} bytes were not taken`), { code: 'ESHORT' });
        offset += count;
        this.#written += count;
      }
    });
  }

  #writeSome(bytes: Uint8Array, offset: number, length: number): number {
    for (;;) {
      try {
        return this.#files.write(this.#fd, bytes, offset, length, this.#written);
      } catch (error) {
        // A signal came in before anything was written: not a failure.
        if (!(error instanceof Error && 'code' in error && error.code === 'EINTR')) throw error;
      }
    }
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
  }

  #try(operation: string, call: () => void): void {
    this.#check();
    try {
      call();
    } catch (error) {
      throw this.#fail(operation, error, this.#part);
    }
  }

  /** After a failure there must be no file under the final name, and no further write. */
  #fail(operation: string, error: unknown, left: string): JournalWriteError {
    const note = this.#removeQuietly(left) ? '' : `; ${left} could not be removed`;
    this.#failure = new JournalWriteError(left, operation, error, note);
    return this.#failure;
  }

  #removeQuietly(path: string): boolean {
    try {
      if (this.#fd >= 0) this.#files.close(this.#fd);
    } catch {
      // The first failure is the one to report.
    }
    this.#fd = -1;
    try {
      this.#files.remove(path);
      return true;
    } catch {
      return false;
    }
  }
}
