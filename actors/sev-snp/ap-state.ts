/**
 * What KVM keeps of the VMSA of one vCPU whose guest can ask for another: the fields of struct
 * vcpu_sev_es_state, vmsa_pa of the VMCB, and what a CPU keeps of a VMCB that is not marked dirty.
 *
 * That VMRUN uses a kept VMSA is a decision: the manual lists no clean bit for vmsa_pa.
 *
 * @see arch/x86/kvm/svm/sev.c, sev_snp_ap_creation(), sev_snp_init_protected_guest_state(),
 * sev_es_init_vmcb(), pre_sev_run() (6.12); APM vol. 2, "VMCB Clean Bits"
 */
import type { ActorId } from '../../events/event.ts';
import type { ApEvent, ApRequest } from '../../events/sev-snp/ap.ts';

export interface ApState {
  /** PFN of the VMSA that KVM has allocated, svm->sev_es.vmsa. */
  readonly initial: number;
  /** PFN in vmcb->control.vmsa_pa; null: INVALID_PAGE. */
  readonly vmsa: number | null;
  /** snp_has_guest_vmsa: from then on the initial one is not used again. */
  readonly hasGuestVmsa?: true | undefined;
  /** snp_ap_waiting_for_reset, snp_vmsa_gpa, and the request that has set them. */
  readonly pending?: { readonly gpa: number | null; readonly request: ApRequest | null } | undefined;
  /** Why it has no VMSA: a DESTROY, a GPA without memory, or a request that was refused. */
  readonly off?: 'destroyed' | 'not-found' | 'refused' | undefined;
  /** VMRUN has not used the VMSA yet. */
  readonly isFresh?: true | undefined;
  /** What the CPU of the last VMRUN has kept, while the VMCB is clean. */
  readonly kept?: { readonly cpu: ActorId; readonly vmsa: number } | undefined;
  /** The first VMRUN that should not have been: without a VMSA, of an old one, of a dead vCPU. */
  readonly wrongEntry?: 'no-vmsa' | 'stale' | 'destroyed' | undefined;
}

export const apAtStart = (initial: number): ApState => ({ initial, vmsa: initial });

/** PFN of the VMSA that VMRUN uses on a CPU; null: vmsa_pa is no address. */
export const usedOn = ({ kept, vmsa }: ApState, cpu: ActorId): number | null => (kept?.cpu === cpu ? kept.vmsa : vmsa);
/** The VMSA is another than the one before, and the guest begins where that says. */
export const startsAfresh = (ap: ApState, cpu: ActorId): boolean => ap.isFresh === true && usedOn(ap, cpu) === ap.vmsa;

function wrongEntry(ap: ApState, used: number | null): ApState['wrongEntry'] {
  if (ap.wrongEntry !== undefined) return ap.wrongEntry;
  if (used === null) return 'no-vmsa';
  if (used !== ap.vmsa) return 'stale';
  return ap.off === 'destroyed' ? 'destroyed' : undefined;
}

const OFF = { create: 'not-found', 'create-on-init': 'not-found', destroy: 'destroyed' } as const;
const offBy = (request: ApRequest | null): ApState['off'] => (request === null ? 'refused' : OFF[request]);

/** The state after what KVM or VMRUN does. */
export function apAfter(ap: ApState, event: ApEvent): ApState {
  switch (event.type) {
    case 'sevEs.apRequest':
      return { ...ap, pending: { gpa: event.gpa, request: event.request } };
    case 'sevEs.dropVmsa':
      return { ...ap, vmsa: null, off: offBy(ap.pending?.request ?? null), pending: undefined, isFresh: undefined };
    case 'sevEs.setVmsa':
      return { ...ap, vmsa: event.pfn, hasGuestVmsa: true, off: undefined, isFresh: true };
    case 'sevEs.initVmcb':
      return { ...ap, kept: undefined, vmsa: ap.hasGuestVmsa ? ap.vmsa : ap.initial };
    case 'sevEs.vmrun': {
      const used = usedOn(ap, event.cpu);
      const kept = used === null ? undefined : { cpu: event.cpu, vmsa: used };
      return { ...ap, kept, wrongEntry: wrongEntry(ap, used), ...(startsAfresh(ap, event.cpu) && { isFresh: undefined }) };
    }
    default:
      return ap;
  }
}
