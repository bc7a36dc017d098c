/**
 * A file system in memory whose n-th call can fail: with an error of the system, or by writing less
 * than asked.
 */
import type { FileSystem } from '../../replay/part-file.ts';

export type Call = 'open' | 'write' | 'datasync' | 'sync' | 'truncate' | 'close' | 'rename' | 'remove' | 'syncFolder';

export interface Fault {
  /** Which call fails, counted from 0 over all calls; with `call`, over the calls of that name. */
  readonly at: number;
  readonly call?: Call;
  readonly code: string;
}

const systemError = (code: string, call: string): Error => Object.assign(new Error(`${code}: ${call}`), { code });

export class MemoryFiles implements FileSystem {
  readonly contents = new Map<string, Uint8Array>();
  readonly calls: Call[] = [];
  readonly #paths = new Map<number, string>();
  readonly #fault: Fault | null;
  /** The most that one call of `write` takes. */
  readonly #writeMax: number;
  #fd = 3;

  constructor(fault: Fault | null = null, writeMax = Number.POSITIVE_INFINITY) {
    this.#fault = fault;
    this.#writeMax = writeMax;
  }

  #enter(call: Call): void {
    const fault = this.#fault;
    const nth = fault?.call ? this.calls.filter((name) => name === fault.call).length : this.calls.length;
    this.calls.push(call);
    if (fault && fault.at === nth && (fault.call === undefined || fault.call === call)) throw systemError(fault.code, call);
  }

  get openFiles(): number {
    return this.#paths.size;
  }

  open(path: string, flags: 'wx' | 'r+'): number {
    this.#enter('open');
    if (flags === 'wx' && this.contents.has(path)) throw systemError('EEXIST', 'open');
    if (flags === 'r+' && !this.contents.has(path)) throw systemError('ENOENT', 'open');
    if (flags !== 'r+') this.contents.set(path, new Uint8Array(0));
    this.#paths.set(this.#fd, path);
    return this.#fd++;
  }

  write(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number {
    this.#enter('write');
    const path = this.#paths.get(fd)!;
    const old = this.contents.get(path)!;
    const count = Math.min(length, this.#writeMax);
    const grown = new Uint8Array(Math.max(old.length, position + count));
    grown.set(old);
    grown.set(bytes.subarray(offset, offset + count), position);
    this.contents.set(path, grown);
    return count;
  }

  datasync(): void {
    this.#enter('datasync');
  }

  sync(): void {
    this.#enter('sync');
  }

  truncate(fd: number, size: number): void {
    this.#enter('truncate');
    const path = this.#paths.get(fd)!;
    this.contents.set(path, this.contents.get(path)!.slice(0, size));
  }

  close(fd: number): void {
    this.#enter('close');
    this.#paths.delete(fd);
  }

  rename(from: string, to: string): void {
    this.#enter('rename');
    this.contents.set(to, this.contents.get(from)!);
    this.contents.delete(from);
  }

  remove(path: string): void {
    this.#enter('remove');
    if (!this.contents.delete(path)) throw systemError('ENOENT', 'remove');
  }

  syncFolder(): void {
    this.#enter('syncFolder');
  }
}
