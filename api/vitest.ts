/**
 * `worldswitch/vitest`: `import 'worldswitch/vitest'` gives vitest's `expect` three matchers, for a
 * scenario by its name, the path of its file, its text, or an object.
 */
import { expect } from 'vitest';
import './shipped.ts';
import type { JournalPlace } from './journal-file.ts';
import { type BreakOptions, breakResult, type CleanOptions, cleanResult, replayResult } from './vitest-matchers.ts';
import { checkOptions } from './vitest-options.ts';
import type { SubjectOptions } from './vitest-subject.ts';

export type { BreakOptions, CleanOptions } from './vitest-matchers.ts';
export type { SubjectOptions, TestModels } from './vitest-subject.ts';

/** What `import 'worldswitch/vitest'` adds to `expect(scenario)`. @public */
export interface WorldswitchMatchers {
  /**
   * Nothing breaks under any schedule, within the limits that are given. A search that is cut
   * short, or that leaves a property undecided, is a failure, and so is a race that never happens.
   */
  toBeClean(options?: CleanOptions): void;
  /**
   * Some schedule breaks the property; `deadlock` and the other names of `expect` in scenarios
   * count, too. Numbers are those of the least deviating schedule.
   */
  toBreak(property: string, options?: BreakOptions): void;
  /**
   * The journal is of this scenario, and the model does the same on its choices, digest by digest.
   */
  toReplay(journal: JournalPlace, options?: SubjectOptions): void;
}

declare module 'vitest' {
  interface Matchers<T> extends WorldswitchMatchers {}
}

expect.extend({
  toBeClean(received: unknown, options: CleanOptions = {}) {
    checkOptions('toBeClean', options);
    return cleanResult(received, options, Boolean(this.isNot));
  },
  toBreak(received: unknown, property: string, options: BreakOptions = {}) {
    checkOptions('toBreak', options);
    return breakResult(received, property, options, Boolean(this.isNot));
  },
  toReplay(received: unknown, journal: JournalPlace, options: SubjectOptions = {}) {
    checkOptions('toReplay', options);
    return replayResult(received, journal, options, Boolean(this.isNot));
  },
});
