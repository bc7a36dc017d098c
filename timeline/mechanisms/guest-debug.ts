/** Debug registers and RIP on a timeline, in hexadecimal digits as manuals have them. */
import { registerText } from '../text.ts';
import type { MechanismViews } from '../view.ts';

const REGISTERS = [
  'rip',
  'next',
  'db',
  'dr6',
  'dr7',
  'effDb',
  'guestDebugDr7',
  'singlestepRip',
  'untoldStep',
  'bits',
  'pending',
  'address',
  'gva',
  'mask',
  'masks',
  'features',
] as const;

export const guestDebugViews: MechanismViews = {
  texts: {
    ...Object.fromEntries(REGISTERS.map((name) => [name, registerText])),
    dr: (value) => (typeof value === 'number' ? `DR${value}` : null),
  },
};
