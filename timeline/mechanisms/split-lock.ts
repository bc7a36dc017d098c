/** Split-lock detection on a timeline: MSR_TEST_CTRL in hexadecimal digits, as manuals have it. */
import { registerText } from '../text.ts';
import type { MechanismViews } from '../view.ts';

export const splitLockViews: MechanismViews = { texts: { value: registerText } };
