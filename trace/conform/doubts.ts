/** What of a recording says nothing: each kind once, with how often it was met and where first. */
import type { Doubt } from './report.ts';

/** Doubts of one recording. */
export class Doubts {
  readonly #found = new Map<string, { count: number; readonly line: number; readonly attempt: string }>();

  add(what: string, line: number, attempt: string): void {
    const known = this.#found.get(what);
    if (known) known.count += 1;
    else this.#found.set(what, { count: 1, line, attempt });
  }

  list(): readonly Doubt[] {
    return [...this.#found].map(([what, { count, line, attempt }]) => ({ what, count, line, attempt }));
  }
}
