/** IPIs to one CPU that no handler has answered yet. */

/** More are not told apart; and no host has more CPUs. */
const PENDING_MAX = 64;
const CPUS_MAX = 8_192;

export class PendingIpis {
  readonly #cpu: number;
  readonly #ids: number[] = [];

  constructor(cpu: number) {
    this.#cpu = cpu;
  }

  /** An IPI is sent by that line: its number, unique in the recording. */
  sent(line: number): number {
    const id = line * CPUS_MAX + this.#cpu;
    if (this.#ids.length >= PENDING_MAX) this.#ids.shift();
    this.#ids.push(id);
    return id;
  }

  /** A handler begins: which IPI it answers; undefined if none was seen. */
  entered(): number | undefined {
    return this.#ids.shift();
  }

  forget(): void {
    this.#ids.length = 0;
  }
}
