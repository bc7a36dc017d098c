/** All claims that stand in docs/claims.json, by mechanism. */
import type { Claim } from './claim.ts';
import { OSL_CLAIMS } from './osl-claims.ts';
import { SLD_CLAIMS } from './sld-claims.ts';
import { SNP_CLAIMS } from './snp-claims.ts';

export const ALL_CLAIMS: readonly Claim[] = [...SLD_CLAIMS, ...OSL_CLAIMS, ...SNP_CLAIMS];
