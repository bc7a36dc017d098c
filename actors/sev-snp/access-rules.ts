/**
 * What the RMP says to each kind of access, as one pure function: rows 1 to 15 of domain snp c.
 * Regions ask it about accesses of the host and of devices; rmp-check.ts has what a guest's access
 * and VMRUN ask of the entry itself.
 */
import type { AccessOutcome, GuestAccess } from '../../events/sev-snp/rmp.ts';
import { guestAccess, hostWriteFaults, vmsaIsValid } from './rmp-check.ts';
import { assignedAs4K, type Entries, entryAt, headOf, isHuge } from './rmp-table.ts';

/** One region as an access finds it. */
export interface AccessRegion {
  readonly entries: Entries;
  readonly inUse: readonly number[];
  /** What the head counts as assigned, where it keeps a count of its own. */
  readonly head?: { readonly subCount: number };
  /** Early silicon takes all of 2 MiB for in use where its first frame is (row 7). */
  readonly erratum?: boolean | undefined;
}

/** `mapping`, `nested`: the size of the translation that the access goes through. */
export type Access =
  | { readonly by: 'host'; readonly does: 'write' | 'walk'; readonly pfn: number; readonly mapping: '4K' | '2M' | '1G' }
  | { readonly by: 'host'; readonly does: 'read' | 'fetch'; readonly pfn: number }
  | { readonly by: 'device'; readonly pfn: number }
  | { readonly by: 'plain-guest'; readonly does: 'read' | 'write'; readonly pfn: number; readonly mapping: '4K' | '2M' }
  | ({ readonly by: 'guest'; readonly nested: '4K' | '2M' } & GuestAccess)
  | { readonly by: 'vmrun'; readonly pfn: number; readonly asid: number };

/** `ciphertext`: the load succeeds, and gives nothing to read. `dropped`: by the IOMMU. */
export type AccessVerdict = AccessOutcome | '#PF' | 'ciphertext' | 'dropped' | 'invalid';

/** Rows 1 to 3, 5 to 7: the walk writes A and D bits as a store to the table's page. */
function writeFaults({ entries, inUse, head, erratum }: AccessRegion, pfn: number, mapping: '4K' | '2M' | '1G'): boolean {
  if (hostWriteFaults(entries, inUse, pfn)) return true;
  if (mapping === '4K') return false;
  // A 1G mapping is checked as one of 2M, by what the head says and counts (h, R18).
  const count = head?.subCount ?? assignedAs4K(entries);
  return isHuge(entries, pfn) || count > 0 || (erratum === true && inUse.includes(headOf(pfn)));
}

/** Rows 11 and 12: a private access needs a nested mapping of the size of the entry. */
const sizesDiffer = ({ entries }: AccessRegion, { pfn, nested, ...access }: Extract<Access, { by: 'guest' }>): boolean =>
  access.private && entryAt(entries, pfn).assigned && isHuge(entries, pfn) !== (nested === '2M');

export function checkAccess(region: AccessRegion, access: Access): AccessVerdict {
  const { entries, inUse } = region;
  switch (access.by) {
    case 'host':
      if ('mapping' in access) return writeFaults(region, access.pfn, access.mapping) ? '#PF' : 'ok';
      return entryAt(entries, access.pfn).assigned ? 'ciphertext' : 'ok';
    case 'device':
      return entryAt(entries, access.pfn).assigned ? 'dropped' : 'ok';
    case 'plain-guest':
      return access.does === 'write' && writeFaults(region, access.pfn, access.mapping) ? 'npf' : 'ok';
    case 'guest': {
      const outcome = guestAccess(entries, inUse, access);
      // The owner of the page is looked at before sizes, and sizes before Validated.
      return outcome !== 'npf' && sizesDiffer(region, access) ? 'npf' : outcome;
    }
    case 'vmrun':
      return vmsaIsValid(entries, inUse, access.pfn, access.asid) ? 'ok' : 'invalid';
  }
}
