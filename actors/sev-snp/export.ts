/**
 * Policy P6, as on s390: the firmware encrypts a page of a guest, keeps its hash, and gives it to
 * the host; it takes the page back where the hash is the same. No processor with an RMP does this.
 *
 * @see domain snp SNP-71; kernel arch/s390/kernel/uv.c
 */
import type { RmpEntry, RmpUpdate } from '../../events/sev-snp/rmp.ts';
import { headOf, type Region, smashHead, smashTails, writeUpdate } from './rmp-table.ts';

/** A page that is out: its entry as it was, and whether a store of the host has changed it. */
export interface Exported {
  readonly entry: RmpEntry;
  readonly isChanged: boolean;
}
/** By PFN. */
export type Exports = Readonly<Record<number, Exported>>;

const GIVEN: RmpUpdate = { assigned: false, pageSize: '4K', immutable: false, asid: 0, gfn: 0 };

/** The page goes out. A 2M entry is split before. */
export const exportedIn = (region: Region, pfn: number, entry: RmpEntry): Region => {
  const split = entry.pageSize === '2M' ? smashHead(smashTails(region, headOf(pfn)), headOf(pfn)) : region;
  return writeUpdate(split, pfn, GIVEN);
};

/** The page comes back, validated as it was. */
export const importedIn = (region: Region, pfn: number, { entry }: Exported): Region => {
  const back = writeUpdate(region, pfn, { ...GIVEN, assigned: true, asid: entry.asid, gfn: entry.gfn });
  return { ...back, entries: { ...back.entries, [pfn]: { ...entry, pageSize: '4K' } } };
};
