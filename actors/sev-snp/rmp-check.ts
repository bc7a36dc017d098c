/**
 * The checks that the RMP makes of each instruction and access, as pure functions of the entries of
 * one region.
 */
import {
  type AccessOutcome,
  type GuestAccess,
  REGION_FRAMES,
  type RmpEntry,
  type RmpResult,
  type RmpUpdate,
} from '../../events/sev-snp/rmp.ts';

/** Hypervisor-owned, as after the table is zeroed. @see domain snp a.3 */
export const HYPERVISOR_PAGE: RmpEntry = {
  assigned: false,
  pageSize: '4K',
  immutable: false,
  asid: 0,
  gfn: 0,
  validated: false,
  vmsa: false,
};

/** Entries by PFN; a frame that is not named is a hypervisor page. */
export type Entries = Readonly<Record<number, RmpEntry>>;
export const entryAt = (entries: Entries, pfn: number): RmpEntry => entries[pfn] ?? HYPERVISOR_PAGE;
const headOf = (pfn: number) => pfn - (pfn % REGION_FRAMES);

/** Whether the frame lies in an assigned 2M entry: only the head says so. @see domain snp a.2 */
const isHuge = (entries: Entries, pfn: number) => {
  const head = entryAt(entries, headOf(pfn));
  return head.assigned && head.pageSize === '2M';
};

/** Frames of the region assigned as 4K: the sub-entry count that hardware keeps in the head. */
export const subCount = (entries: Entries): number =>
  Object.values(entries).filter((entry) => entry.assigned && entry.pageSize === '4K').length;

/**
 * What RMPUPDATE finds wrong with its operand before it looks at the table: step 3 of the ordered
 * checks.
 * @see domain snp b.3
 */
const isBadInput = (pfn: number, update: RmpUpdate) =>
  (update.pageSize === '2M' && pfn !== headOf(pfn)) || (!update.assigned && (update.asid !== 0 || update.immutable));

/**
 * Steps 3 and 5 to 7 of RMPUPDATE: input, in use, immutable, overlap. The lock has been taken.
 * @see domain snp b.3
 */
export function checkUpdate(entries: Entries, inUse: readonly number[], pfn: number, update: RmpUpdate): RmpResult {
  if (isBadInput(pfn, update)) return 'FAIL_INPUT';
  if (inUse.includes(pfn)) return 'FAIL_INUSE';
  if (entryAt(entries, pfn).immutable) return 'FAIL_PERMISSION';
  const overlaps = update.pageSize === '4K' ? isHuge(entries, pfn) : subCount(entries) > 0;
  return overlaps ? 'FAIL_OVERLAP' : 'SUCCESS';
}

/**
 * What RMPUPDATE writes: the operand, and Validated, VMSA and permissions cleared.
 * @see domain snp b.3, step 8
 */
export const updated = (update: RmpUpdate): RmpEntry => ({ ...update, validated: false, vmsa: false });

/**
 * PVALIDATE and RMPADJUST of a 4K page: whether the nested walk faults to the host, and the result
 * if it does not. A page in use as VMSA is not changed; the guest has no code for that, so the
 * instruction waits.
 * @see domain snp a.4, b.2
 */
export function checkGuest(
  entries: Entries,
  inUse: readonly number[],
  pfn: number,
  asid: number,
  gfn: number,
): { readonly result: RmpResult; readonly fault: boolean } {
  const entry = entryAt(entries, pfn);
  if (!entry.assigned || entry.asid !== asid || entry.gfn !== gfn) return { result: 'SUCCESS', fault: true };
  if (inUse.includes(pfn)) return { result: 'FAIL_INUSE', fault: false };
  return isHuge(entries, pfn) ? { result: 'FAIL_SIZEMISMATCH', fault: true } : { result: 'SUCCESS', fault: false };
}

/**
 * A host store through a 4K mapping: the frame must be shared and not in use.
 * @see domain snp c, rows 1, 3 and 6
 */
export const hostWriteFaults = (entries: Entries, inUse: readonly number[], pfn: number): boolean =>
  entryAt(entries, pfn).assigned || inUse.includes(pfn);

/**
 * A guest's load or store: nested walk, assignment, in use, then Validated.
 * @see domain snp c, rows 9, 10 and 15, and the order below them
 */
export function guestAccess(entries: Entries, inUse: readonly number[], access: GuestAccess): AccessOutcome {
  const entry = entryAt(entries, access.pfn);
  if (!access.private) return access.write && entry.assigned ? 'npf' : 'ok';
  if (!entry.assigned || entry.asid !== access.asid || entry.gfn !== access.gfn) return 'npf';
  // The VMSA of a vCPU that runs, also its own: the host has nothing to mend, and the fault comes
  // again.
  if (inUse.includes(access.pfn)) return 'npf';
  return entry.validated ? 'ok' : 'vc';
}

/** VMRUN's check of a VMSA page. @see domain snp c, row 13 */
export const vmsaIsValid = (entries: Entries, inUse: readonly number[], pfn: number, asid: number): boolean => {
  const entry = entryAt(entries, pfn);
  return entry.assigned && entry.vmsa && entry.asid === asid && !inUse.includes(pfn);
};
