/** Whether a journal has all records of the run whose end it is to tell. */
import type { RunEnd } from '../events/journal.ts';

/** @throws RangeError if records are missing that a run with this end has */
export function expectWhole({ ended, violation }: RunEnd, records: number, steps: number): void {
  const isCut = violation !== null && violation.step > steps;
  if (!isCut && (records > 0 || ended === 'stopped')) return;
  const what = isCut ? `breaks ${violation.property} at step ${violation.step}` : `ended (${ended})`;
  throw new RangeError(
    `the run ${what}, and the journal has ${records} records, the last of step ${steps}; expected all of them: flush() hands over the rest`,
  );
}
