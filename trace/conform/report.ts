/** What holding a recording against the model has come to. */
import type { RecordedHost } from './host.ts';

export type Verdict = 'conforms' | 'cannot' | 'unknown';

/** What a thread was seen to do. */
export interface Counts {
  readonly ioctls: number;
  /** Lines that fix a micro-step. */
  readonly fixed: number;
  readonly entries: number;
  readonly exits: number;
  readonly preemptions: number;
  readonly sleeps: number;
  readonly interrupts: number;
  /** R10 has sent the thread back before it was in the guest. */
  readonly giveUps: number;
}

/** The first line of a thread that the model cannot do. */
export interface Refusal {
  readonly line: number;
  readonly text: string;
  /** What the line says of the context, where that is what does not fit. */
  readonly context: string | null;
  /** The micro-step that was known last, with its line; null if none was. */
  readonly after: { readonly step: string; readonly line: number } | null;
  /** Contexts, and micro-steps that may run next, where the model can be before the line. */
  readonly letters: string;
  readonly steps: readonly string[];
  /** How many more steps there are. */
  readonly more: number;
}

export interface ThreadReport {
  readonly comm: string;
  readonly pid: number;
  readonly verdict: Verdict;
  readonly counts: Counts;
  readonly refusal: Refusal | null;
  /** Lines that the model cannot do; behind each of them the next KVM_RUN is where it goes on. */
  readonly refusals: number;
}

/** Something that ends a claim, with how often it was met and where first. */
export interface Doubt {
  readonly what: string;
  readonly count: number;
  readonly line: number;
  readonly attempt: string;
}

export interface RecordingReport {
  readonly file: string;
  readonly format: string;
  readonly lines: number;
  readonly host: RecordedHost;
  readonly maps: readonly string[];
  readonly verdict: Verdict;
  readonly threads: readonly ThreadReport[];
  readonly doubts: readonly Doubt[];
}
