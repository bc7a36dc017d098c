/** All claims that stand in docs/claims.json, by mechanism. */
import type { Claim } from './claim.ts';
import { SLD_CLAIMS } from './sld-claims.ts';

export const ALL_CLAIMS: readonly Claim[] = [...SLD_CLAIMS];
