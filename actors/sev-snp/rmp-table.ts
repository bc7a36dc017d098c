/**
 * The RMP entries of one 2 MiB region: what the head says for the frames behind it, page states,
 * and what each instruction writes.
 */
import { REGION_FRAMES, type RmpAdjust, type RmpEntry, type RmpPerms, type RmpUpdate } from '../../events/sev-snp/rmp.ts';

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
/** What the slot of a frame behind an assigned 2M head reads. @see domain snp a.2 */
export const BEHIND_HEAD: RmpEntry = { ...HYPERVISOR_PAGE, assigned: true };

/** VMPL 0 has all permissions, the others none. @see domain snp a.2, b.3 */
const PERMS_RESET: RmpPerms = [0xf, 0, 0, 0];
export const permsOf = ({ perms = PERMS_RESET }: RmpEntry): RmpPerms => perms;

/** Entries by PFN; a frame that is not named is a hypervisor page. */
export type Entries = Readonly<Record<number, RmpEntry>>;
export const entryAt = (entries: Entries, pfn: number): RmpEntry => entries[pfn] ?? HYPERVISOR_PAGE;
export const headOf = (pfn: number): number => pfn - (pfn % REGION_FRAMES);

/** One region, of which only some frames are modelled: a real one has 512. */
export interface Region {
  readonly entries: Entries;
  /** PFNs of the frames that a 2M entry covers and PSMASH splits into; the head is the first. */
  readonly frames: readonly number[];
  /** Frames assigned as 4K: the count that hardware keeps in the head. */
  readonly subCount: number;
  /** Frames that a running vCPU has as VMSA. */
  readonly inUse: readonly number[];
  /** The last byte of the RMP lies in it. */
  readonly tableEnd?: true | undefined;
}

/** Whether the frame lies in an assigned 2M entry: only the head says so. @see domain snp a.2 */
export function isHuge(entries: Entries, pfn: number): boolean {
  const head = entryAt(entries, headOf(pfn));
  return head.assigned && head.pageSize === '2M';
}

/** Frames of one region that are assigned as 4K, from what their slots say. */
export function assignedAs4K(entries: Entries): number {
  const pfns = Object.keys(entries).map(Number);
  return pfns.filter((pfn) => entryAt(entries, pfn).assigned && !isHuge(entries, pfn)).length;
}

/**
 * The entry that counts for a frame: in a 2M region that of the head, at the frame's own GFN.
 * @see domain snp a.2
 */
export function covering(entries: Entries, pfn: number): RmpEntry {
  if (!isHuge(entries, pfn)) return entryAt(entries, pfn);
  const head = entryAt(entries, headOf(pfn));
  return { ...head, gfn: gfnBehind(head, pfn) };
}
const gfnBehind = (head: RmpEntry, pfn: number) => head.gfn + (pfn - headOf(pfn));

/** The states of the firmware ABI, chapter "Page States". @see domain snp a.3 */
export type PageState =
  | 'Hypervisor'
  | 'HV-Fixed'
  | 'Reclaim'
  | 'Firmware'
  | 'Context'
  | 'Metadata'
  | 'Pre-Guest'
  | 'Pre-Swap'
  | 'Guest-Invalid'
  | 'Guest-Valid';

export function pageStateOf({ assigned, immutable, asid, gfn, validated, vmsa }: RmpEntry): PageState {
  if (!assigned) return immutable ? 'HV-Fixed' : 'Hypervisor';
  if (asid > 0) {
    if (immutable) return validated ? 'Pre-Swap' : 'Pre-Guest';
    return validated ? 'Guest-Valid' : 'Guest-Invalid';
  }
  if (!immutable) return 'Reclaim';
  if (vmsa) return 'Context';
  return gfn > 0 ? 'Metadata' : 'Firmware';
}

/**
 * What RMPUPDATE leaves of its operand: Validated, VMSA and permissions are reset. An entry of no
 * guest has no size.
 * @see domain snp b.3, RMPUPDATE, step 8
 */
const updated = ({ assigned, pageSize, immutable, asid, gfn }: RmpUpdate): RmpEntry => ({
  assigned,
  pageSize: assigned ? pageSize : '4K',
  immutable,
  asid,
  gfn,
  validated: false,
  vmsa: false,
});

const filled = (region: Region, entry: (pfn: number) => RmpEntry): Entries => ({
  ...region.entries,
  ...Object.fromEntries(region.frames.map((pfn) => [pfn, entry(pfn)])),
});

/** RMPUPDATE after its checks. A 2M operand is of all frames of the region. */
export function writeUpdate(region: Region, pfn: number, update: RmpUpdate): Region {
  if (update.pageSize === '4K') {
    const added = Number(update.assigned) - Number(entryAt(region.entries, pfn).assigned);
    return { ...region, entries: { ...region.entries, [pfn]: updated(update) }, subCount: region.subCount + added };
  }
  const tail = update.assigned ? BEHIND_HEAD : HYPERVISOR_PAGE;
  return { ...region, entries: filled(region, (frame) => (frame === pfn ? updated(update) : tail)), subCount: 0 };
}

/**
 * PSMASH, S5: the slots behind the head get 4K entries of their own. The head still says 2M.
 * Validated, ASID, permissions and VMSA are those of the head.
 * @see domain snp b.3, b.5
 */
export function smashTails(region: Region, head: number): Region {
  const whole = entryAt(region.entries, head);
  const entry = (pfn: number): RmpEntry => (pfn === head ? whole : { ...whole, pageSize: '4K', gfn: gfnBehind(whole, pfn) });
  return { ...region, entries: filled(region, entry) };
}
/** PSMASH, S6: the head says 4K from now on, and counts. @see domain snp b.3, b.5 */
export const smashHead = (region: Region, head: number): Region => ({
  ...region,
  entries: { ...region.entries, [head]: { ...entryAt(region.entries, head), pageSize: '4K' } },
  subCount: region.frames.length,
});

/** A region whose entries are all zero. */
export const zeroed = (region: Region): Region => ({
  ...region,
  entries: Object.fromEntries(Object.keys(region.entries).map((pfn) => [Number(pfn), HYPERVISOR_PAGE])),
  subCount: 0,
});

/** The slot that an instruction of the guest writes: it has the size of the entry. */
const patch = (region: Region, pfn: number, change: Partial<RmpEntry>): Region => ({
  ...region,
  entries: { ...region.entries, [pfn]: { ...entryAt(region.entries, pfn), ...change } },
});
export const writeValidated = (region: Region, pfn: number, validated: boolean): Region => patch(region, pfn, { validated });

/**
 * RMPADJUST: the mask of one VMPL; the VMSA bit from VMPL 0 alone, and silently not from others.
 * @see domain snp b.3
 */
export function writePerms(
  region: Region,
  pfn: number,
  { current, vmsa, adjust }: { readonly current: number; readonly vmsa: boolean; readonly adjust?: RmpAdjust | undefined },
): Region {
  const old = permsOf(entryAt(region.entries, pfn));
  const perms = old.map((mask, level) => (level === adjust?.vmpl ? (adjust.perms ?? mask) : mask)) as unknown as RmpPerms;
  return patch(region, pfn, { ...(adjust !== undefined && { perms }), ...(current === 0 && { vmsa }) });
}
