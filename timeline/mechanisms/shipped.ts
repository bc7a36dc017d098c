/**
 * What the shipped mechanisms add to a timeline. An actor or a value that none of them knows is
 * shown as any other.
 */
import type { Texts } from '../text.ts';
import type { MechanismViews } from '../view.ts';
import { sevSnpViews } from './sev-snp.ts';

const SHIPPED: readonly MechanismViews[] = [sevSnpViews];

export const VIEWS: NonNullable<MechanismViews['views']> = Object.assign({}, ...SHIPPED.map(({ views }) => views));
export const TEXTS: Texts = Object.assign({}, ...SHIPPED.map(({ texts }) => texts));
