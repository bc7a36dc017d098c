/** What was found of the steps out of a state of a search over classes. */
import type { ClassStep } from './steps.ts';

/** Steps, each with the members of a class in which it is the same. */
export class Taken {
  readonly steps: ClassStep[] = [];
  readonly subsets: number[] = [];

  /** Leaves out what was added after the first ones. */
  cut(length: number): void {
    this.steps.length = length;
    this.subsets.length = length;
  }

  add(step: ClassStep, subset: number): void {
    this.steps.push(step);
    this.subsets.push(subset);
  }
}
