/**
 * The flag of thread_info that says whether detection is off for a task, by whichever name and
 * polarity.
 * @see SLD-1, SLD-20, SLD-21
 */
import type { SldFlag } from '../../events/split-lock/sld-options.ts';

/** Whether a set flag means that detection is on. */
export const isPositive = (flag: SldFlag): boolean => flag === 'TIF_SLD_ENABLED';

/** Whether these flags of a task say that detection is off for it. */
export const isDetectionOff = (flag: SldFlag, tif: readonly string[] | undefined): boolean =>
  (tif ?? []).includes(flag) !== isPositive(flag);

/** The task's flags with detection off, or on; undefined if none is left. */
export function withDetection(flag: SldFlag, tif: readonly string[] | undefined, on: boolean): readonly string[] | undefined {
  const others = (tif ?? []).filter((name) => name !== flag);
  const flags = on === isPositive(flag) ? [...others, flag].sort() : others;
  return flags.length > 0 ? flags : undefined;
}
