/**
 * The ordered checks of RMPUPDATE, PSMASH, PVALIDATE, RMPADJUST and RMPQUERY as pure functions of
 * one region: the first check that applies says what the instruction ends with. The lock of the
 * entry has been taken before, but by RMPQUERY. RMPREAD has no check that a frame of a region
 * meets.
 *
 * Each check has its grade; the order among those of one group is a decision.
 *
 * @see domain snp b.2, b.3
 */
import type { RmpEntry, RmpQueried, RmpResult, RmpUpdate } from '../../events/sev-snp/rmp.ts';
import type { Grade } from '../path/path.ts';
import { covering, entryAt, headOf, isHuge, permsOf, type Region } from './rmp-table.ts';

/**
 * What a guest's instruction ends with. `NO_CHANGE` is SUCCESS with the carry flag. `NPF` and
 * `NPF.SIZEM` leave the guest, and the instruction starts again. `WAIT`: the page is in use; the
 * guest has no code for that, so the instruction waits.
 * @see domain snp a.4, b.2
 */
export type GuestVerdict = Exclude<RmpResult, 'FAIL_INUSE' | 'FAIL_OVERLAP'> | 'NO_CHANGE' | '#GP' | 'NPF' | 'NPF.SIZEM' | 'WAIT';

interface Check<A, V extends string> {
  /** What is wrong. */
  readonly name: string;
  readonly grade: Grade;
  readonly applies: (region: Region, args: A) => boolean;
  readonly verdict: V;
}

const decide =
  <A, V extends string>(checks: readonly Check<A, V>[]) =>
  (region: Region, args: A): V | 'SUCCESS' =>
    checks.find(({ applies }) => applies(region, args))?.verdict ?? 'SUCCESS';

export interface UpdateArgs {
  readonly pfn: number;
  readonly update: RmpUpdate;
}
/** The frames that the operand is of. */
const targets = ({ frames }: Region, { pfn, update }: UpdateArgs) => (update.pageSize === '2M' ? [...new Set([pfn, ...frames])] : [pfn]);

export const UPDATE_CHECKS: readonly Check<UpdateArgs, RmpResult>[] = [
  {
    name: 'a 2M operand on a frame that is not aligned',
    grade: 'memory',
    applies: (_region, { pfn, update }) => update.pageSize === '2M' && pfn !== headOf(pfn),
    verdict: 'FAIL_INPUT',
  },
  {
    name: 'an ASID or Immutable on a page of no guest',
    grade: 'memory',
    applies: (_region, { update }) => !update.assigned && (update.asid !== 0 || update.immutable),
    verdict: 'FAIL_INPUT',
  },
  {
    name: 'in use',
    grade: 'read',
    applies: (region, args) => targets(region, args).some((pfn) => region.inUse.includes(pfn)),
    verdict: 'FAIL_INUSE',
  },
  {
    name: 'a frame that shares its 2 MiB with the end of the RMP, also behind it',
    grade: 'read',
    applies: ({ tableEnd }) => tableEnd === true,
    verdict: 'FAIL_PERMISSION',
  },
  {
    name: 'immutable, in the head for all frames of a 2M entry',
    grade: 'decision',
    applies: (region, args) => targets(region, args).some((pfn) => covering(region.entries, pfn).immutable),
    verdict: 'FAIL_PERMISSION',
  },
  {
    name: '4K in a 2M entry, or 2M over frames assigned as 4K',
    grade: 'memory',
    applies: ({ entries, subCount }, { pfn, update }) => (update.pageSize === '4K' ? isHuge(entries, pfn) : subCount > 0),
    verdict: 'FAIL_OVERLAP',
  },
];
export const checkUpdate = decide(UPDATE_CHECKS);

export const SMASH_CHECKS: readonly Check<number, RmpResult>[] = [
  {
    name: 'no head of an assigned 2M entry',
    grade: 'memory',
    applies: ({ entries }, pfn) => pfn !== headOf(pfn) || !isHuge(entries, pfn),
    verdict: 'FAIL_INPUT',
  },
  { name: 'in use', grade: 'decision', applies: ({ inUse, frames }) => inUse.some((pfn) => frames.includes(pfn)), verdict: 'FAIL_INUSE' },
  { name: 'immutable', grade: 'memory', applies: ({ entries }, pfn) => entryAt(entries, pfn).immutable, verdict: 'FAIL_PERMISSION' },
];
export const checkSmash = decide(SMASH_CHECKS);

/** A page as the walks of a guest's instruction find it, and the VMPL that asks. */
export interface GuestArgs {
  readonly pfn: number;
  readonly asid: number;
  readonly gfn: number;
  readonly size: '4K' | '2M';
  /** The VMPL of the caller. */
  readonly current: number;
}

const isUnaligned = ({ size, gfn }: GuestArgs) => size === '2M' && gfn !== headOf(gfn);
type EntryVerdict = 'NPF' | 'NPF.SIZEM' | 'WAIT' | 'FAIL_SIZEMISMATCH';
const notOwn: Check<Pick<GuestArgs, 'pfn' | 'asid' | 'gfn'>, 'NPF'> = {
  name: 'not assigned to this guest at this GPA',
  grade: 'memory',
  applies: ({ entries }, { pfn, asid, gfn }) => {
    const entry = covering(entries, pfn);
    return !entry.assigned || entry.asid !== asid || entry.gfn !== gfn;
  },
  verdict: 'NPF',
};
/** What PVALIDATE and RMPADJUST find of the entry, after their walks. */
const ENTRY_CHECKS: readonly Check<GuestArgs, EntryVerdict>[] = [
  notOwn,
  {
    name: 'immutable: only the firmware may change the entry',
    grade: 'decision',
    applies: ({ entries }, { pfn }) => covering(entries, pfn).immutable,
    verdict: 'NPF',
  },
  { name: 'in use', grade: 'decision', applies: ({ inUse }, { pfn }) => inUse.includes(pfn), verdict: 'WAIT' },
  {
    name: '4K of a 2M entry',
    grade: 'read',
    applies: ({ entries }, { pfn, size }) => size === '4K' && isHuge(entries, pfn),
    verdict: 'NPF.SIZEM',
  },
  {
    name: '2M of a 4K entry, or of a nested mapping that is no 2M',
    grade: 'read',
    applies: ({ entries }, { pfn, size }) => size === '2M' && (pfn !== headOf(pfn) || !isHuge(entries, pfn)),
    verdict: 'FAIL_SIZEMISMATCH',
  },
];
/** What every instruction of a guest needs of the entry. */
export const checkEntry = decide(ENTRY_CHECKS);

export interface ValidateArgs extends GuestArgs {
  readonly validated: boolean;
}
export const VALIDATE_CHECKS: readonly Check<ValidateArgs, GuestVerdict>[] = [
  { name: 'not at VMPL 0', grade: 'memory', applies: (_region, { current }) => current !== 0, verdict: '#GP' },
  { name: 'not aligned', grade: 'memory', applies: (_region, args) => isUnaligned(args), verdict: 'FAIL_INPUT' },
  ...ENTRY_CHECKS,
  {
    name: 'Validated is so already',
    grade: 'read',
    applies: ({ entries }, { pfn, validated }) => entryAt(entries, pfn).validated === validated,
    verdict: 'NO_CHANGE',
  },
];
export const checkValidate = decide(VALIDATE_CHECKS);

export interface AdjustArgs extends GuestArgs {
  /** The VMPL whose permissions change, and what it gets, if they change. */
  readonly vmpl: number;
  readonly mask?: number | undefined;
}
const VMPL_MAX = 3;
export const ADJUST_CHECKS: readonly Check<AdjustArgs, GuestVerdict>[] = [
  {
    name: 'not aligned, or no such VMPL',
    grade: 'memory',
    applies: (_region, args) => isUnaligned(args) || args.vmpl > VMPL_MAX,
    verdict: 'FAIL_INPUT',
  },
  {
    name: 'a VMPL that is not below that of the caller',
    grade: 'read',
    applies: (_region, { current, vmpl }) => vmpl <= current,
    verdict: 'FAIL_PERMISSION',
  },
  ...ENTRY_CHECKS,
  {
    name: 'a permission that the caller lacks',
    grade: 'memory',
    applies: ({ entries }, { pfn, current, mask = 0 }) => (mask & ~permsOf(entryAt(entries, pfn))[current]!) !== 0,
    verdict: 'FAIL_PERMISSION',
  },
];
export const checkAdjust = decide(ADJUST_CHECKS);

export interface QueryArgs extends Pick<GuestArgs, 'pfn' | 'asid' | 'gfn' | 'current'> {
  /** The VMPL whose permissions are asked for. */
  readonly vmpl: number;
}
/**
 * Nothing is written: an entry that is immutable or in use says what it has, and the size is an
 * answer.
 */
const QUERY_CHECKS: readonly Check<QueryArgs, 'FAIL_INPUT' | 'FAIL_PERMISSION' | 'NPF'>[] = [
  { name: 'no such VMPL', grade: 'memory', applies: (_region, { vmpl }) => vmpl > VMPL_MAX, verdict: 'FAIL_INPUT' },
  {
    name: 'a VMPL above that of the caller',
    grade: 'memory',
    applies: (_region, { current, vmpl }) => vmpl < current,
    verdict: 'FAIL_PERMISSION',
  },
  notOwn,
];
export const checkQuery = decide(QUERY_CHECKS);

/** What RMPQUERY writes to registers. @see domain snp b.1 */
export function queryOut({ entries }: Region, { pfn, vmpl }: Pick<QueryArgs, 'pfn' | 'vmpl'>): RmpQueried {
  const entry = covering(entries, pfn);
  return { pageSize: entry.pageSize, perms: permsOf(entry)[vmpl]!, vmsa: entry.vmsa };
}

/**
 * What RMPREAD writes to its buffer: the slot of the frame, in the form of RMPUPDATE's operand.
 * Validated, VMSA and permissions are not in it.
 * @see domain snp a.2; kernel arch/x86/virt/svm/sev.c, struct rmpentry (6.14)
 */
export const readOut = ({ assigned, pageSize, immutable, asid, gfn }: RmpEntry): RmpUpdate => ({
  assigned,
  pageSize,
  immutable,
  asid,
  gfn,
});
