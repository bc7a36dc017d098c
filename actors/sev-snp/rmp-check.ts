/**
 * The checks that the RMP makes of each access and of VMRUN, as pure functions of the entries of
 * one region. Those of instructions are in rmp-rules.ts.
 */
import type { AccessOutcome, GuestAccess } from '../../events/sev-snp/rmp.ts';
import { covering, type Entries, entryAt, isHuge } from './rmp-table.ts';

/**
 * A host store through a 4K mapping: the frame must be shared and not in use.
 * @see domain snp c, rows 1, 3 and 6
 */
export const hostWriteFaults = (entries: Entries, inUse: readonly number[], pfn: number): boolean =>
  entryAt(entries, pfn).assigned || inUse.includes(pfn);

/**
 * A host store through a 2M mapping: no frame of the 2 MiB may be assigned, as the head counts.
 * @see domain snp c, row 2; h, R18
 */
export const hugeWriteFaults = (entries: Entries, subCount: number, pfn: number): boolean => isHuge(entries, pfn) || subCount > 0;

/**
 * A guest's load or store: nested walk, assignment, in use, then Validated. The nested mapping has
 * the size of the entry.
 * @see domain snp c, rows 9, 10 and 15, and the order below them
 */
export function guestAccess(entries: Entries, inUse: readonly number[], access: GuestAccess): AccessOutcome {
  const entry = covering(entries, access.pfn);
  if (!access.private) return access.write && entry.assigned ? 'npf' : 'ok';
  if (!entry.assigned || entry.asid !== access.asid || entry.gfn !== access.gfn) return 'npf';
  // The VMSA of a vCPU that runs, also its own: the host has nothing to mend, and the fault comes
  // again.
  if (inUse.includes(access.pfn)) return 'npf';
  return entry.validated ? 'ok' : 'vc';
}

/** VMRUN's check of a VMSA page. @see domain snp c, row 13 */
export const vmsaIsValid = (entries: Entries, inUse: readonly number[], pfn: number, asid: number): boolean => {
  const entry = covering(entries, pfn);
  return entry.assigned && entry.vmsa && entry.asid === asid && !inUse.includes(pfn);
};
