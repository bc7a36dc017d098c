/** The OS Lock on a timeline: the debug registers in hexadecimal digits, as manuals have them. */
import { registerText } from '../text.ts';
import type { MechanismViews } from '../view.ts';

export const osLockViews: MechanismViews = {
  texts: { value: registerText, mdscr: registerText, bcr: registerText, wcr: registerText, vcr: registerText },
};
