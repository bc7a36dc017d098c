/**
 * Vocabulary of a VM's nested page table, and of the translations that CPUs keep of it, where a
 * host lets them go stale.
 */
import type { ActorId, Delivery, EventOf } from '../event.ts';
import type { AccessContent, AccessOutcome, GuestAccess } from './rmp.ts';

/** Options about them, in SEV_SNP_OPTIONS. */
export const NPT_OPTIONS = {
  /**
   * Whether RMPUPDATE ends the translations that CPUs keep of the frame. Hardware does not document
   * it; with `stale` an access by such a translation is not checked again.
   * @see domain snp b.3, b.5, h, R25
   */
  'rmp.tlb': ['coherent', 'stale'],
  /**
   * What is done before a page of guest_memfd is made the hypervisor's: nested mappings are removed
   * and TLBs flushed, as kvm_gmem_invalidate_begin() does, or nothing. Under `rmp.tlb: coherent`
   * nothing shows it, and it has no steps.
   */
  'kvm.gmemZap': ['before', 'none'],
  /**
   * What an entry does about the TLB of a CPU on which the vCPU did not run last: pre_sev_run()
   * flushes the ASID, or that is left out.
   * @see domain snp f.11, h, R28
   */
  'kvm.preSevRun': ['flush-if-moved', 'left-out'],
} as const;

export type NptEvent = EventOf<{
  /** A guest's access on a CPU: by a translation that the CPU keeps, or by a walk. */
  'npt.access': { cpu: ActorId; content?: AccessContent } & GuestAccess;
  /** What the region says to an access that came by a walk. */
  'rmp.accessed': { outcome: AccessOutcome };
  /** kvm_mmu_unmap_gfn_range(), between kvm_mmu_invalidate_begin() and kvm_mmu_invalidate_end(). */
  'npt.zap': { gfn: number };
  'npt.zapEnd': { gfn: number };
  /** kvm_tdp_mmu_map(), refused while the range is invalidated. */
  'npt.map': { gfn: number };
  /** A flush of the ASID on one CPU. */
  'npt.flush': { cpu: ActorId };
  /** pre_sev_run(), with the CPU that the vCPU is about to run on. */
  'npt.preRun': { cpu: ActorId; vcpu: ActorId };
}>;
export type NptAnswer = EventOf<{ 'npt.mapped': { granted: boolean } }>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    npt: NptAnswer;
  }
}

export const NPT_EVENTS = {
  'npt.access': 'bus',
  'npt.zap': 'bus',
  'npt.zapEnd': 'bus',
  'npt.map': 'bus',
  'npt.mapped': 'bus',
  'npt.flush': 'bus',
  'npt.preRun': 'bus',
} as const satisfies Record<Exclude<(NptEvent | NptAnswer)['type'], 'rmp.accessed'>, Delivery>;

export const nptId = (vm: ActorId): ActorId => `npt:${vm.slice(vm.indexOf(':') + 1)}`;
