/** One region with a page in each state, and every RMP instruction as its checks and its write. */
import { type RmpRegionContext, rmpRegionMachine } from '../../../actors/sev-snp/rmp-region.ts';
import { checkAdjust, checkQuery, checkSmash, checkUpdate, checkValidate } from '../../../actors/sev-snp/rmp-rules.ts';
import {
  HYPERVISOR_PAGE,
  type PageState,
  type Region,
  smashHead,
  smashTails,
  writePerms,
  writeUpdate,
  writeValidated,
} from '../../../actors/sev-snp/rmp-table.ts';
import type { RmpEntry, RmpUpdate } from '../../../events/sev-snp/rmp.ts';
import { Given } from '../given.ts';

export const HEAD = 0x1000;
export const TAIL = HEAD + 1;
export const FRAMES = [HEAD, TAIL, HEAD + 2];
export const GFN = 0x400;
export const ASID = 1;

/** Columns "assigned | validated | ASID | immutable | GPA | VMSA" of the table of page states. */
export const STATES: Readonly<Record<PageState, Partial<RmpEntry>>> = {
  Hypervisor: {},
  'HV-Fixed': { immutable: true },
  Reclaim: { assigned: true },
  Firmware: { assigned: true, immutable: true },
  Context: { assigned: true, immutable: true, vmsa: true },
  Metadata: { assigned: true, immutable: true, gfn: GFN },
  'Pre-Guest': { assigned: true, immutable: true, asid: ASID, gfn: GFN },
  'Pre-Swap': { assigned: true, immutable: true, asid: ASID, gfn: GFN, validated: true },
  'Guest-Invalid': { assigned: true, asid: ASID, gfn: GFN },
  'Guest-Valid': { assigned: true, asid: ASID, gfn: GFN, validated: true },
};
export const entryOf = (state: PageState): RmpEntry => ({ ...HYPERVISOR_PAGE, ...STATES[state] });
export const SLOT_BEHIND = { ...HYPERVISOR_PAGE, assigned: true };

export type Shape = '4K' | 'head' | 'tail';
/** The page in this state: alone in its region as 4K, or as a 2M entry. */
export function regionIn(state: PageState, shape: Shape): Region {
  const entry = entryOf(state);
  if (shape === '4K') return { entries: { [HEAD]: entry }, frames: FRAMES, subCount: entry.assigned ? 1 : 0, inUse: [] };
  const entries = { [HEAD]: { ...entry, pageSize: '2M' as const }, [TAIL]: SLOT_BEHIND, [HEAD + 2]: SLOT_BEHIND };
  return { entries, frames: FRAMES, subCount: 0, inUse: [] };
}

export const SHARE: RmpUpdate = { assigned: false, pageSize: '4K', immutable: false, asid: 0, gfn: 0 };
export const TAKE: RmpUpdate = { assigned: true, pageSize: '4K', immutable: false, asid: 2, gfn: 0x800 };
export const LEND: RmpUpdate = { assigned: true, pageSize: '4K', immutable: true, asid: 0, gfn: 0 };

interface Done {
  readonly verdict: string;
  readonly region: Region;
}
type Insn = (region: Region, pfn: number) => Done;
export const update =
  (operand: RmpUpdate): Insn =>
  (region, pfn) => {
    const verdict = checkUpdate(region, { pfn, update: operand });
    return { verdict, region: verdict === 'SUCCESS' ? writeUpdate(region, pfn, operand) : region };
  };
const smash: Insn = (region, pfn) => {
  const verdict = checkSmash(region, pfn);
  return { verdict, region: verdict === 'SUCCESS' ? smashHead(smashTails(region, pfn), pfn) : region };
};
/** The guest that owns the page, at VMPL 0. */
export const owner = (pfn: number, size: '4K' | '2M') => ({ pfn, asid: ASID, gfn: GFN + (pfn - HEAD), size, current: 0 });
const pvalidate =
  (size: '4K' | '2M', validated: boolean): Insn =>
  (region, pfn) => {
    const verdict = checkValidate(region, { ...owner(pfn, size), validated });
    return { verdict, region: verdict === 'SUCCESS' ? writeValidated(region, pfn, validated) : region };
  };
const rmpadjust =
  (size: '4K' | '2M'): Insn =>
  (region, pfn) => {
    const verdict = checkAdjust(region, { ...owner(pfn, size), ...{ vmpl: 1, mask: 0b11 } });
    return { verdict, region: verdict === 'SUCCESS' ? writePerms(region, pfn, GRANT) : region };
  };
const rmpquery: Insn = (region, pfn) => ({ verdict: checkQuery(region, { ...owner(pfn, '4K'), vmpl: 1 }), region });
const GRANT = { current: 0, vmsa: true, adjust: { vmpl: 1, perms: 0b11 } };

export const INSNS: Readonly<Record<string, Insn>> = {
  'RMPUPDATE to shared': update(SHARE),
  'RMPUPDATE to another guest': update(TAKE),
  'RMPUPDATE to the firmware': update(LEND),
  'RMPUPDATE 2M to another guest': update({ ...TAKE, pageSize: '2M' }),
  'RMPUPDATE 2M to shared': update({ ...SHARE, pageSize: '2M' }),
  PSMASH: smash,
  'PVALIDATE set': pvalidate('4K', true),
  'PVALIDATE clear': pvalidate('4K', false),
  'PVALIDATE 2M set': pvalidate('2M', true),
  'PVALIDATE 2M clear': pvalidate('2M', false),
  RMPADJUST: rmpadjust('4K'),
  'RMPADJUST 2M': rmpadjust('2M'),
  RMPQUERY: rmpquery,
};

/** The same instruction as the messages of its micro-steps to the region. */
type Steps = (pfn: number) => {
  readonly wide?: true;
  readonly unlocked?: true;
  readonly check: object;
  readonly writes: readonly object[];
};
const updateSteps =
  (operand: RmpUpdate): Steps =>
  () => ({
    ...(operand.pageSize === '2M' && { wide: true }),
    check: { type: 'rmp.checkUpdate', ...operand },
    writes: [{ type: 'rmp.writeUpdate', ...operand }],
  });
const guestSteps =
  (size: '4K' | '2M', operand: object, write: object): Steps =>
  (pfn) => {
    const { asid, gfn } = owner(pfn, size);
    const large = size === '2M' ? ({ size } as const) : {};
    return { ...(size === '2M' && { wide: true }), check: { type: 'rmp.checkGuest', asid, gfn, ...large, ...operand }, writes: [write] };
  };
const validateSteps = (size: '4K' | '2M', validated: boolean) => guestSteps(size, { validated }, { type: 'rmp.writeValidated', validated });
const adjustSteps = (size: '4K' | '2M') => guestSteps(size, { adjust: GRANT.adjust }, { type: 'rmp.writeVmsa', ...GRANT });
const STEPS: Readonly<Record<string, Steps>> = {
  'RMPUPDATE to shared': updateSteps(SHARE),
  'RMPUPDATE to another guest': updateSteps(TAKE),
  'RMPUPDATE to the firmware': updateSteps(LEND),
  'RMPUPDATE 2M to another guest': updateSteps({ ...TAKE, pageSize: '2M' }),
  'RMPUPDATE 2M to shared': updateSteps({ ...SHARE, pageSize: '2M' }),
  PSMASH: () => ({ check: { type: 'rmp.checkSmash' }, writes: [{ type: 'rmp.smashTails' }, { type: 'rmp.smashHead' }] }),
  'PVALIDATE set': validateSteps('4K', true),
  'PVALIDATE clear': validateSteps('4K', false),
  'PVALIDATE 2M set': validateSteps('2M', true),
  'PVALIDATE 2M clear': validateSteps('2M', false),
  RMPADJUST: adjustSteps('4K'),
  'RMPADJUST 2M': adjustSteps('2M'),
  RMPQUERY: (pfn) => ({ unlocked: true, check: { type: 'rmp.query', ...owner(pfn, '4K'), vmpl: 1 }, writes: [] }),
};

interface Checked {
  readonly result: string;
  readonly fault: boolean;
  readonly carryFlag?: true;
}
/** What the region has told, as a verdict of the manual. */
const verdictOf = ({ result, fault, carryFlag }: Checked): string => {
  if (fault) return result === 'FAIL_SIZEMISMATCH' ? 'NPF.SIZEM' : 'NPF';
  return carryFlag === true ? 'NO_CHANGE' : result;
};

/** Walks an instruction through the machine of a region: lock, check, writes, unlock. */
export function inRegion(insn: string, { entries, frames, subCount }: Region, pfn: number): Done {
  const { wide, unlocked, check, writes } = STEPS[insn]!(pfn);
  const from = (event: object) => ({ type: '', from: 'thread:a/0', pfn, ...event });
  const start = Given.start<RmpRegionContext>(rmpRegionMachine, { entries, head: { frames, subCount }, contention: 'inuse' });
  const locked = unlocked ? start : start.after(from({ type: 'rmp.lock', ...(wide && { wide }) }));
  const checked = locked.when(from(check));
  const verdict = verdictOf(checked.sent[0]!.event as unknown as Checked);
  const unlock = from({ type: 'rmp.unlock' });
  const { context } = checked.and.after(...(verdict === 'SUCCESS' ? writes.map(from) : []), ...(unlocked ? [] : [unlock]));
  return { verdict, region: { entries: context.entries, ...context.head!, inUse: context.inUse } };
}

/** Counted from what the entries say, and not as the instructions count. */
export const assignedAs4K = ({ entries }: Region) =>
  entries[HEAD]?.assigned && entries[HEAD].pageSize === '2M' ? 0 : Object.values(entries).filter(({ assigned }) => assigned).length;
