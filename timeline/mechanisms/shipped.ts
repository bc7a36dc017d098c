/**
 * What the shipped mechanisms add to a timeline. An actor or a value that none of them knows is
 * shown as any other.
 */
import type { Texts } from '../text.ts';
import type { MechanismViews } from '../view.ts';
import { guestDebugViews } from './guest-debug.ts';
import { osLockViews } from './os-lock.ts';
import { sevSnpViews } from './sev-snp.ts';
import { splitLockViews } from './split-lock.ts';

const SHIPPED: readonly MechanismViews[] = [sevSnpViews, splitLockViews, osLockViews, guestDebugViews];

export const VIEWS: NonNullable<MechanismViews['views']> = Object.assign({}, ...SHIPPED.map(({ views }) => views));
export const TEXTS: Texts = Object.assign({}, ...SHIPPED.map(({ texts }) => texts));
