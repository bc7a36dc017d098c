/**
 * A file that appears under its name when it is whole: written beside it, moved there at the end,
 * gone if anything fails before.
 */
import { codeOf, JournalWriteError } from './errors.ts';

/** What the writer needs of a file system. Injected, so that tests can let any call fail. */
export interface FileSystem {
  /** `wx` creates, and fails if the file exists; `r+` opens for writing what exists. */
  open(path: string, flags: 'wx' | 'r+'): number;
  /** Writes at `position`; may write less than asked. */
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
  /**
   * What the file is called until it is whole. `known` (default): `NAME.part`, so that others can
   * follow it; where one stands there, another writer is at it, or was killed. `own`: a name
   * that no other writer has.
   */
  readonly part?: 'known' | 'own';
}

const PART = '.part';

/** The known name of a file that is still being written, or whose writer was killed. */
export const partPathOf = (path: string): string => path + PART;
/** Whether a name is one that such a file may have, the known one or an own one. */
export const isPart = (path: string): boolean => path.endsWith(PART);

/**
 * A name of one attempt. The process id is no part of it: containers that share a folder have equal
 * ones.
 */
const ownPathOf = (path: string): string => partPathOf(`${path}.${crypto.randomUUID().slice(0, 8)}`);

/** Names that are tried before a folder that has them all is taken for broken. */
const ATTEMPTS_MAX = 8;

/** Frames are collected up to this size, so that one call writes many. */
const BUFFER_BYTES = 1 << 18;

/** Creates the unfinished file, and never opens the one of another writer. */
function created({ path, files, part = 'known' }: JournalTarget): { readonly name: string; readonly fd: number } {
  for (let attempt = 1; ; attempt++) {
    const name = part === 'own' ? ownPathOf(path) : partPathOf(path);
    try {
      return { name, fd: files.open(name, 'wx') };
    } catch (error) {
      if (part === 'own' && codeOf(error) === 'EEXIST' && attempt < ATTEMPTS_MAX) continue;
      throw new JournalWriteError(name, 'open', error);
    }
  }
}

export class PartFile {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #part: string;
  /** Whether names and bytes outlast a loss of power. */
  readonly #durable: boolean;
  #fd: number;
  #buffer = new Uint8Array(BUFFER_BYTES);
  #buffered = 0;
  /** Bytes handed to the operating system, a draft not counted. */
  #written: number;
  /** Bytes of the file, a draft counted. */
  #size: number;
  #failure: JournalWriteError | null = null;

  /**
   * A new file.
   * @throws JournalWriteError; with code EEXIST where the known name is taken
   */
  static create(target: JournalTarget, durable = false): PartFile {
    const { name, fd } = created(target);
    const file = new PartFile(target, name, fd, 0, durable);
    // Without this a loss of power takes the name, however often the bytes were made durable.
    if (durable) file.#try('sync the folder of', () => target.files.syncFolder(name));
    return file;
  }

  /** Goes on with a file whose first `size` bytes are good. */
  static resume(target: JournalTarget, size: number, durable = false): PartFile {
    const name = partPathOf(target.path);
    let fd: number;
    try {
      fd = target.files.open(name, 'r+');
    } catch (error) {
      throw new JournalWriteError(name, 'open', error);
    }
    const file = new PartFile(target, name, fd, size, durable);
    file.#try('truncate', () => target.files.truncate(fd, size));
    return file;
  }

  private constructor({ path, files }: JournalTarget, part: string, fd: number, size: number, durable: boolean) {
    this.#files = files;
    this.#path = path;
    this.#part = part;
    this.#fd = fd;
    this.#written = size;
    this.#size = size;
    this.#durable = durable;
  }

  append(bytes: Uint8Array): void {
    this.#check();
    if (this.#buffered + bytes.length > this.#buffer.length) this.flush();
    if (bytes.length > this.#buffer.length) this.#extend(bytes, bytes.length);
    else {
      this.#buffer.set(bytes, this.#buffered);
      this.#buffered += bytes.length;
    }
  }

  /** Hands everything to the operating system: from here on it survives the end of the process. */
  flush(): void {
    this.#check();
    if (this.#buffered > 0) this.#extend(this.#buffer, this.#buffered);
    this.#buffered = 0;
  }

  /**
   * Writes `bytes` behind all that was appended, until the next append or draft takes their place:
   * readers of the unfinished file see them, and the whole file does not depend on when they were
   * written. What takes their place is written over them, so that no moment shows neither.
   */
  draft(bytes: Uint8Array): void {
    this.flush();
    this.#put(bytes, bytes.length);
    this.#trim(this.#written + bytes.length);
  }

  /** Waits until everything is on the disk. */
  datasync(): void {
    this.flush();
    this.#try('sync', () => this.#files.datasync(this.#fd));
  }

  /**
   * Gives the file its name, or `name`. Where only that fails, the whole file keeps what it is
   * called.
   * @throws JournalWriteError
   */
  commit(name = this.#path): void {
    this.flush();
    this.#trim(this.#written);
    if (this.#durable) this.#try('sync', () => this.#files.sync(this.#fd));
    this.#close();
    this.#try('rename', () => this.#files.rename(this.#part, name), this.#part);
    if (this.#durable) this.#try('sync the folder of', () => this.#files.syncFolder(name), name);
  }

  /** Closes and leaves the unfinished file where it is, or moves it to `name`. */
  release(name = this.#part): void {
    this.flush();
    this.#trim(this.#written);
    this.#close();
    if (name === this.#part) return;
    this.#try('rename', () => this.#files.rename(this.#part, name));
    if (this.#durable) this.#try('sync the folder of', () => this.#files.syncFolder(name), name);
  }

  /** Closes and removes the unfinished file. */
  discard(): void {
    if (!this.#failure) this.#removeQuietly();
  }

  #close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    this.#try('close', () => this.#files.close(fd));
  }

  #extend(bytes: Uint8Array, length: number): void {
    this.#put(bytes, length);
    this.#written += length;
    this.#trim(this.#written);
  }

  /** Takes off what a longer draft left behind `size`. */
  #trim(size: number): void {
    if (this.#size > size) this.#try('truncate', () => this.#files.truncate(this.#fd, size));
    this.#size = size;
  }

  /** Writes over a draft. */
  #put(bytes: Uint8Array, length: number): void {
    const position = this.#written;
    this.#size = Math.max(this.#size, position + length);
    this.#try('write', () => {
      for (let offset = 0; offset < length; ) {
        const count = this.#writeSome(bytes, offset, length - offset, position + offset);
        if (count <= 0) throw Object.assign(new Error(`${length - offset} bytes were not taken`), { code: 'ESHORT' });
        offset += count;
      }
    });
  }

  #writeSome(bytes: Uint8Array, offset: number, length: number, position: number): number {
    for (;;) {
      try {
        return this.#files.write(this.#fd, bytes, offset, length, position);
      } catch (error) {
        // A signal came in before anything was written: not a failure.
        if (codeOf(error) !== 'EINTR') throw error;
      }
    }
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** `whole`: the name of a whole file, which a failure of this call takes nothing from. */
  #try(operation: string, call: () => void, whole: string | null = null): void {
    this.#check();
    try {
      call();
    } catch (error) {
      const isLeft = whole === null && !this.#removeQuietly();
      const note = whole !== null ? `; ${whole} is whole` : isLeft ? `; ${this.#part} could not be removed` : '';
      this.#failure = new JournalWriteError(whole ?? this.#part, operation, error, { note, kept: whole });
      throw this.#failure;
    }
  }

  #removeQuietly(): boolean {
    try {
      if (this.#fd >= 0) this.#files.close(this.#fd);
    } catch {
      // The first failure is the one to report.
    }
    this.#fd = -1;
    try {
      this.#files.remove(this.#part);
      return true;
    } catch {
      return false;
    }
  }
}
