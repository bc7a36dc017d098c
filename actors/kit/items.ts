/** The constructors of items under names of their own: what host threads and guests walk alike. */
import { host } from '../host/host-env.ts';

/** One micro-step: all that it does happens at once, seen from any other CPU. @public */
export const { step } = host;
/** Walks another path. @public */
export const { call } = host;
/** Walks its items again and again, until `leaveLoop`. @public */
export const { loop } = host;
/** A branch, decided at the end of the step before it. @public */
export const { when } = host;
/** Locals set at the end of the step before it. @public */
export const { note } = host;
/** Leaves the innermost loop. @public */
export const { leaveLoop } = host;
/** Returns from the path. @public */
export const { leavePath } = host;
/** preempt_disable(). @public */
export const { preemptDisable } = host;
/** preempt_enable(). @public */
export const { preemptEnable } = host;
