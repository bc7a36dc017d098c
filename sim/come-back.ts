/**
 * Whether a run that something has cut had come back to a state it was in before: then a schedule
 * can go there again and again, and more steps of the same say no more.
 */
import type { ComesBack } from '../events/journal.ts';

/** States back to which it looks. */
const STATES_MAX = 1 << 16;

export class ComeBack {
  /** By step modulo STATES_MAX: the two lanes of the digest after it. */
  readonly #a: number[] = [];
  readonly #b: number[] = [];

  /** Keeps the state after a step, in place of the one STATES_MAX steps before. */
  note(step: number, { a, b }: { readonly a: number; readonly b: number }): void {
    this.#a[step % STATES_MAX] = a;
    this.#b[step % STATES_MAX] = b;
  }

  /** The last step before after which the state was that after `step`; null if none is known. */
  to(step: number): ComesBack | null {
    const now = step % STATES_MAX;
    for (let length = 1; length <= Math.min(step, STATES_MAX - 1); length++) {
      const then = (step - length) % STATES_MAX;
      if (this.#a[then] === this.#a[now] && this.#b[then] === this.#b[now]) return { from: step - length, length };
    }
    return null;
  }
}
