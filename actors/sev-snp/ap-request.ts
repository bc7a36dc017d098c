/**
 * What KVM makes of an AP creation event: which vCPU it is for and what is asked, or why it is
 * refused. Pure.
 *
 * SVM_VMGEXIT_AP_CREATION has the request in SW_EXITINFO1 31:0, with the VMPL in its bits 19:16,
 * and the APIC ID in 63:32; the GPA of the VMSA in SW_EXITINFO2; SEV_FEATURES in RAX. A request of
 * another VMPL than 0 is one that KVM does not know.
 *
 * @see arch/x86/kvm/svm/sev.c, sev_snp_ap_creation() (6.12); domain snp e.4
 */
import { AP_REQUESTS, type ApRequest } from '../../events/sev-snp/ap.ts';
import type { GhcbFields } from '../../events/sev-snp/ghcb.ts';

const HIGH = 2 ** 32;
const PAGE_BYTES = 4096;
const PMD_SIZE = 2 ** 21;
/** MAXPHYADDR of a guest. */
const GPA_END = 2 ** 52;
/** SVM_SEV_FEAT_INT_INJ_MODES: restricted and alternate injection, which KVM gives no VM. */
const INJECTION_MODES = 0b11000;

/** `kicks`: the kernel that changes the target of a refused request kicks it as well. */
export type ApVerdict =
  | { readonly target: number; readonly request: ApRequest; readonly gpa: number | null }
  | { readonly target: number | null; readonly refused: string; readonly kicks: boolean };

/** SW_EXITINFO1 of a request. */
export const apInfo = (request: ApRequest, apicId: number): number => apicId * HIGH + AP_REQUESTS.indexOf(request);

/** The request of a guest of so many vCPUs, whose fields are those that it needs. */
export function checkApRequest({ info1 = 0, info2 = 0, rax = 0 }: GhcbFields, vcpus: number): ApVerdict {
  const target = Math.floor(info1 / HIGH);
  const request = AP_REQUESTS[info1 % HIGH];
  if (target >= vcpus) return { target: null, refused: 'invalid AP APIC ID', kicks: false };
  if (request === undefined) return { target, refused: 'invalid AP creation request', kicks: true };
  if (request === 'destroy') return { target, request, gpa: null };
  if (((rax % HIGH) & INJECTION_MODES) !== 0) return { target, refused: 'invalid AP injection mode', kicks: true };
  const kicks = request !== 'create-on-init';
  if (info2 % PAGE_BYTES !== 0 || info2 >= GPA_END) return { target, refused: 'invalid AP VMSA address', kicks };
  // A page in use that is aligned to 2 MiB trips early silicon (`rmp.inUseErratum`).
  if (info2 % PMD_SIZE === 0) return { target, refused: 'AP VMSA address is unsafe as it is 2M aligned', kicks };
  return { target, request, gpa: info2 };
}
