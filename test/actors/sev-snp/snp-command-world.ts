/** A firmware with a page and a guest context, in which every command succeeds in its state. */
import { HYPERVISOR_PAGE } from '../../../actors/sev-snp/rmp-table.ts';
import { SNP_TCB, type SnpWorld } from '../../../actors/sev-snp/snp-checks.ts';
import { FIRST_SNP_DIGEST } from '../../../actors/sev-snp/snp-commands.ts';
import type { RmpEntry } from '../../../events/sev-snp/rmp.ts';
import type { SnpCommand, SnpGuest } from '../../../events/sev-snp/snp-command.ts';

export const CONTEXT = 0x1900;
export const PAGE = 0x1a00;
export const ASID = 3;
export const GFN = 0x10;
export const HUGE_GFN = 0x400;
export const SHA384 = 'ab'.repeat(48);
export const DEBUGGED = 0x3_0000 | (1 << 19);
export const CPUS = [0, 1];

export const FIRMWARE: RmpEntry = { ...HYPERVISOR_PAGE, assigned: true, immutable: true };
export const CONTEXT_PAGE: RmpEntry = { ...FIRMWARE, vmsa: true };
export const PRE_GUEST: RmpEntry = { ...FIRMWARE, asid: ASID, gfn: GFN };

/** The frame behind that of SNP_PAGE_UNSMASH. */
const BEHIND: RmpEntry = { ...PRE_GUEST, gfn: HUGE_GFN + 1 };

/** What each command needs of its page, and its arguments beside the pages. */
const PAGES: Readonly<Partial<Record<SnpCommand, RmpEntry>>> = {
  SNP_LAUNCH_UPDATE: PRE_GUEST,
  SNP_PAGE_UNSMASH: { ...PRE_GUEST, gfn: HUGE_GFN },
};
export const GOOD = {
  policy: DEBUGGED,
  launch: { type: 'normal', sha384: SHA384 },
  config: { reportedTcb: SNP_TCB, maskChipId: true, maskChipKey: false },
} as const;

/** Guest contexts by name: none, just created, being launched without and with an ASID, running. */
export const GUESTS: Readonly<Record<string, SnpGuest | undefined>> = {
  none: undefined,
  init: { state: 'INIT', asid: null, policy: 0, digest: FIRST_SNP_DIGEST },
  launch: { state: 'LAUNCH', asid: null, policy: DEBUGGED, digest: FIRST_SNP_DIGEST },
  active: { state: 'LAUNCH', asid: ASID, policy: DEBUGGED, digest: FIRST_SNP_DIGEST },
  ended: { state: 'RUNNING', asid: null, policy: DEBUGGED, digest: FIRST_SNP_DIGEST },
  running: { state: 'RUNNING', asid: ASID, policy: DEBUGGED, digest: FIRST_SNP_DIGEST },
};

export const world = (command: SnpCommand, platform: SnpWorld['platform'], guest: SnpGuest | undefined): SnpWorld => ({
  platform,
  firmware: { guests: guest === undefined ? {} : { [CONTEXT]: guest }, unflushed: [], wbinvdNeeded: [] },
  args: { ...GOOD, context: CONTEXT, page: PAGE, asid: ASID, frames: [PAGE, PAGE + 1] },
  entries: { [CONTEXT]: guest === undefined ? FIRMWARE : CONTEXT_PAGE, [PAGE]: PAGES[command] ?? FIRMWARE, [PAGE + 1]: BEHIND },
});
