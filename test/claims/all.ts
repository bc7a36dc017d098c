/** All claims that stand in docs/claims.json, by mechanism. */
import { DEBUG_CLAIMS } from '../sev-es-debug/debug-claims.ts';
import { LAUNCH_CLAIMS } from '../sev-es-debug/launch-claims.ts';
import type { Claim } from './claim.ts';
import { OSL_CLAIMS } from './os-lock/osl-claims.ts';
import { SNP_CLAIMS } from './sev-snp/snp-claims.ts';
import { SLD_CLAIMS } from './split-lock/sld-claims.ts';

export const ALL_CLAIMS: readonly Claim[] = [...SLD_CLAIMS, ...OSL_CLAIMS, ...SNP_CLAIMS, ...DEBUG_CLAIMS, ...LAUNCH_CLAIMS];
