/**
 * The buffer of a page-state change as KVM reads it: which headers and entries it takes, what is
 * left to do of an entry, which entries make one range, and the codes of its answer.
 *
 * @see arch/x86/kvm/svm/sev.c, snp_begin_psc() (6.12); series v5, map_to_psc_vmgexit_code();
 * domain snp e.3
 */
import type { HostOptions } from '../../events/options.ts';
import type { PscEntry } from '../../events/sev-snp/ghcb.ts';
import { REGION_FRAMES, type RmpResult } from '../../events/sev-snp/rmp.ts';

/** VMGEXIT_PSC_MAX_COUNT: what the shared buffer has room for behind the header. */
export const PSC_ENTRIES = 253;

const SPEC = 2 ** 32;
/** SW_EXITINFO2. */
export const PSC_CODES = { DONE: 0, BAD_HEADER: SPEC + 1, BAD_ENTRY: SPEC + 2, GENERIC: 0x100 * SPEC } as const;
/** What series v5 and v6 say of a failure: RMPUPDATE_FAIL_OVERLAP, and any other. */
const V5_CODES = { OVERLAP: 3 * SPEC + 2, OTHER: 4 * SPEC } as const;

export const failedCode = (codes: HostOptions['kvm.pscCodes'], result: RmpResult | undefined): number =>
  codes === 'specification' ? PSC_CODES.GENERIC : result === 'FAIL_OVERLAP' ? V5_CODES.OVERLAP : V5_CODES.OTHER;

export const pagesIn = ({ huge }: PscEntry): number => (huge ? REGION_FRAMES : 1);

/** More pages done than it has, or a GFN that is not aligned to its size. */
export const isBadEntry = (entry: PscEntry): boolean => entry.done > pagesIn(entry) || entry.gfn % pagesIn(entry) !== 0;

/** What is left of an entry; one of 2M that was begun goes on as 4K. */
export function leftOf(entry: PscEntry): { readonly gfn: number; readonly pages: number; readonly huge: boolean } {
  return { gfn: entry.gfn + entry.done, pages: pagesIn(entry) - entry.done, huge: entry.huge && entry.done === 0 };
}

/** Whether an entry behind `pages` pages that begin with the first one goes on with their range. */
export const joins = (first: PscEntry, pages: number, next: PscEntry): boolean =>
  next.operation === first.operation && next.gfn === first.gfn + pages && next.done === 0 && next.huge === leftOf(first).huge;

/** PSMASH, UNSMASH and what has no name are done without being done. */
export const stateAsked = ({ operation }: PscEntry): 'private' | 'shared' | null =>
  operation === 1 ? 'private' : operation === 2 ? 'shared' : null;
