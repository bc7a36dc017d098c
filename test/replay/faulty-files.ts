/** The file system of the machine, of which one call fails, is interrupted, or takes half. */
import { realFiles } from '../../replay/files.ts';
import type { FileSystem } from '../../replay/part-file.ts';

export type Call = keyof FileSystem;

/** What happens at one call: an error of the system by its name, or a write that takes half. */
export interface Fault {
  /** Which call, counted from 0. */
  readonly at: number;
  readonly code: string | 'half';
}

export class FaultyFiles implements FileSystem {
  readonly calls: Call[] = [];
  readonly #fault: Fault | null;

  constructor(fault: Fault | null = null) {
    this.#fault = fault;
  }

  /** Notes a call. @returns whether it takes half @throws what the fault says */
  #enter(call: Call): boolean {
    const isNow = this.#fault?.at === this.calls.length;
    this.calls.push(call);
    if (!isNow || this.#fault === null) return false;
    const { code } = this.#fault;
    if (code !== 'half') throw Object.assign(new Error(`${code}: ${call}`), { code, syscall: call });
    return true;
  }

  open(path: string, flags: 'wx' | 'r+'): number {
    this.#enter('open');
    return realFiles.open(path, flags);
  }
  write(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number {
    const takes = this.#enter('write') ? Math.ceil(length / 2) : length;
    return realFiles.write(fd, bytes, offset, takes, position);
  }
  datasync(fd: number): void {
    this.#enter('datasync');
    realFiles.datasync(fd);
  }
  sync(fd: number): void {
    this.#enter('sync');
    realFiles.sync(fd);
  }
  truncate(fd: number, size: number): void {
    this.#enter('truncate');
    realFiles.truncate(fd, size);
  }
  /** A file is closed whatever close says. */
  close(fd: number): void {
    realFiles.close(fd);
    this.#enter('close');
  }
  rename(from: string, to: string): void {
    this.#enter('rename');
    realFiles.rename(from, to);
  }
  remove(path: string): void {
    this.#enter('remove');
    realFiles.remove(path);
  }
  syncFolder(path: string): void {
    this.#enter('syncFolder');
    realFiles.syncFolder(path);
  }
}
