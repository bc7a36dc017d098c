/** Where the frames of a journal go: a file, or memory. */

/** Where frames go. */
export interface FrameSink {
  append(bytes: Uint8Array): void;
  flush(): void;
  draft(bytes: Uint8Array): void;
  datasync(): void;
  commit(name?: string): void;
  release(name?: string): void;
  discard(): void;
}

/** A journal in memory. */
export class MemorySink implements FrameSink {
  #bytes = new Uint8Array(1 << 16);
  #length = 0;
  append(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + bytes.length));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }
  get content(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
  flush(): void {}
  draft(): void {}
  datasync(): void {}
  commit(): void {}
  release(): void {}
  discard(): void {}
}
