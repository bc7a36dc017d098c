/**
 * SNP-1 to SNP-72, those that the model can express; docs/fidelity.md has the others.
 * @see domain snp g
 */
import type { Claim } from '../claim.ts';
import { SNP_ACCESS_CLAIMS } from './snp-accesses.ts';
import { SNP_AP_CLAIMS } from './snp-ap.ts';
import { SNP_CONTEXT_CLAIMS } from './snp-contexts.ts';
import { SNP_FIRMWARE_CLAIMS } from './snp-firmware.ts';
import { SNP_GHCB_CLAIMS } from './snp-ghcb.ts';
import { SNP_GMEM_CLAIMS } from './snp-gmem.ts';
import { SNP_GUEST_CLAIMS } from './snp-guests.ts';
import { SNP_HUGE_CLAIMS } from './snp-huge.ts';
import { SNP_KEXEC_CLAIMS } from './snp-kexec.ts';
import { SNP_LAUNCH_CLAIMS } from './snp-launches.ts';
import { SNP_MEMORY_CLAIMS } from './snp-memory.ts';
import { SNP_OTHER_POLICY_CLAIMS } from './snp-other-policies.ts';
import { SNP_OVERTAKEN_CLAIMS } from './snp-overtaken.ts';
import { SNP_PLATFORM_CLAIMS } from './snp-platform.ts';
import { SNP_POLICY_CLAIMS } from './snp-policies.ts';
import { SNP_REQUEST_CLAIMS } from './snp-requests.ts';
import { SNP_RMP_CLAIMS } from './snp-rmp.ts';
import { SNP_VMSA_CLAIMS } from './snp-vmsa.ts';

const numberOf = ({ id }: Claim): number => Number(id.slice('SNP-'.length));

export const SNP_CLAIMS: readonly Claim[] = [
  ...SNP_POLICY_CLAIMS,
  ...SNP_OVERTAKEN_CLAIMS,
  ...SNP_OTHER_POLICY_CLAIMS,
  ...SNP_GUEST_CLAIMS,
  ...SNP_VMSA_CLAIMS,
  ...SNP_RMP_CLAIMS,
  ...SNP_FIRMWARE_CLAIMS,
  ...SNP_CONTEXT_CLAIMS,
  ...SNP_LAUNCH_CLAIMS,
  ...SNP_HUGE_CLAIMS,
  ...SNP_PLATFORM_CLAIMS,
  ...SNP_ACCESS_CLAIMS,
  ...SNP_KEXEC_CLAIMS,
  ...SNP_MEMORY_CLAIMS,
  ...SNP_GMEM_CLAIMS,
  ...SNP_GHCB_CLAIMS,
  ...SNP_AP_CLAIMS,
  ...SNP_REQUEST_CLAIMS,
].sort((a, b) => numberOf(a) - numberOf(b));
