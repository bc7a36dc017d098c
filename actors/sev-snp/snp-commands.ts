/**
 * Every command of the SNP firmware as a pure function: in which states of the platform and of the
 * guest it is taken, its checks in their order, and what it changes. A command that fails changes
 * nothing, but for the page of a refused CPUID table.
 *
 * Left out: what SNP_PAGE_SWAP_OUT, SNP_PAGE_SWAP_IN and SNP_PAGE_MOVE do to pages, and what no
 * other command sees of SNP_DOWNLOAD_FIRMWARE_EX, SNP_COMMIT, SNP_VLEK_LOAD and SNP_FEATURE_INFO.
 *
 * @see SEV-SNP firmware ABI, "Command reference"; AMD-ASPFW, sev_mcmd.c, sev_rmp.c; domain snp f.3
 * to f.6
 */
import type { PspStatus } from '../../events/sev-snp/psp.ts';
import type { RmpEntry } from '../../events/sev-snp/rmp.ts';
import {
  GUEST_STATES,
  type PlatformState,
  type SnpCommand,
  type SnpFirmware,
  type SnpGuest,
  type SnpGuestState,
  type SnpOutput,
} from '../../events/sev-snp/snp-command.ts';
import type { Grade } from '../path/path.ts';
import { DIGEST_BYTES, extendDigest } from './firmware/launch-digest.ts';
import { CHIP_VERSION } from './firmware/simulated-report.ts';
import { BEHIND_HEAD, HYPERVISOR_PAGE } from './rmp-table.ts';
import * as c from './snp-checks.ts';

/** What a command changes. Entries are by PFN. */
export interface SnpChange {
  readonly platform?: PlatformState;
  readonly firmware?: Partial<SnpFirmware>;
  readonly entries?: Readonly<Record<number, Partial<RmpEntry>>>;
  readonly output?: SnpOutput;
}

export interface SnpRule {
  readonly platform: readonly PlatformState[];
  /** Null: the command has to do with no guest context. */
  readonly guest: readonly SnpGuestState[] | null;
  /** Of the states. */
  readonly grade: Grade;
  readonly checks: readonly c.SnpCheck[];
  readonly effect?: (world: c.SnpWorld, cpus: readonly number[]) => SnpChange;
}

const PLATFORM_ANY: readonly PlatformState[] = ['UNINIT', 'INIT'];
const UNINIT: readonly PlatformState[] = ['UNINIT'];
const INIT: readonly PlatformState[] = ['INIT'];

const hexOf = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g)!, (byte) => Number.parseInt(byte, 16));
const PAGE_SHIFT = 12n;
export const FIRST_SNP_DIGEST = '0'.repeat(2 * DIGEST_BYTES);

/** The guest with this change, in a firmware that is otherwise the same. */
function withGuest({ firmware, args }: c.SnpWorld, change: Partial<SnpGuest>): Partial<SnpFirmware> {
  const context = args.context!;
  return { guests: { ...firmware.guests, [context]: { ...firmware.guests[context]!, ...change } } };
}
const sorted = (numbers: readonly number[]): readonly number[] => [...new Set(numbers)].sort((a, b) => a - b);

const FIRMWARE_PAGE: Partial<RmpEntry> = { ...HYPERVISOR_PAGE, assigned: true, immutable: true };
/** What no guest and no command can have. @see domain snp a.3 */
export const HV_FIXED: RmpEntry = { ...HYPERVISOR_PAGE, immutable: true };

function decommission(world: c.SnpWorld, cpus: readonly number[]): SnpChange {
  const { firmware, args } = world;
  const { asid } = c.guestOf(world)!;
  const { [args.context!]: _gone, ...guests } = firmware.guests;
  return {
    firmware: { guests, ...(asid !== null && { unflushed: sorted([...firmware.unflushed, asid]), wbinvdNeeded: cpus }) },
    entries: { [args.context!]: FIRMWARE_PAGE },
  };
}

/** Measures the page at the GPA of its RMP entry, encrypts it, and gives it to the guest. */
function launchUpdate(world: c.SnpWorld): SnpChange {
  const { launch, page } = world.args;
  const { type, sha384 } = launch!;
  const gpa = BigInt(c.pageOf(world).gfn) << PAGE_SHIFT;
  const measured = { type, gpa, ...(sha384 !== undefined && { sha384: bytesOf(sha384) }) };
  return {
    firmware: withGuest(world, { digest: hexOf(extendDigest(bytesOf(c.guestOf(world)!.digest), measured)) }),
    entries: { [page!]: { immutable: false, validated: true, vmsa: type === 'vmsa' } },
  };
}

const NO_CONFIG = { reportedTcb: c.SNP_TCB, maskChipId: false, maskChipKey: false } as const;
const statusOf = ({ platform, firmware: { guests, config = NO_CONFIG } }: c.SnpWorld): SnpChange => ({
  output: {
    ...CHIP_VERSION,
    state: platform === 'INIT' ? 1 : 0,
    rmpInitialized: platform === 'INIT',
    guestCount: Object.keys(guests).length,
    tcb: c.SNP_TCB,
    ...config,
  },
});
function guestStatus(world: c.SnpWorld): SnpChange {
  const { state, asid, policy } = c.guestOf(world)!;
  return { output: { state, asid: asid ?? 0, policy } };
}

const activate: SnpRule = {
  platform: INIT,
  guest: ['LAUNCH', 'RUNNING'],
  grade: 'memory',
  checks: [c.badAsid, c.ownedAsid, c.isActive, c.unflushedAsid],
  effect: (world) => ({ firmware: withGuest(world, { asid: world.args.asid! }) }),
};
const init: SnpRule = {
  platform: UNINIT,
  guest: null,
  grade: 'read',
  checks: [c.cpusNotReady],
  // No ASID can be used before the caches of all CPUs have been written back and flushed.
  effect: (_world, cpus) => ({ platform: 'INIT', firmware: { wbinvdNeeded: cpus, flushNeeded: true } }),
};
const shutdown: SnpRule = {
  platform: PLATFORM_ANY,
  guest: null,
  grade: 'read',
  checks: [c.guestsLeft],
  // Contexts that no ASID was given to are gone with the firmware that knew them; a decision.
  effect: ({ firmware: { guests } }) => ({
    platform: 'UNINIT',
    firmware: { guests: {} },
    entries: Object.fromEntries(Object.keys(guests).map((pfn) => [pfn, FIRMWARE_PAGE])),
  }),
};
const debugPage: SnpRule = { platform: INIT, guest: ['LAUNCH', 'RUNNING'], grade: 'memory', checks: [c.noDebug, c.pageIsNot('Firmware')] };
const swap: SnpRule = { platform: INIT, guest: ['RUNNING'], grade: 'memory', checks: [c.noSwap] };
const platformOnly = (platform: readonly PlatformState[]): SnpRule => ({ platform, guest: null, grade: 'memory', checks: [] });

export const SNP_RULES: Readonly<Record<SnpCommand, SnpRule>> = {
  SNP_INIT: init,
  SNP_INIT_EX: init,
  SNP_SHUTDOWN: shutdown,
  SNP_SHUTDOWN_EX: shutdown,
  SNP_PLATFORM_STATUS: { platform: PLATFORM_ANY, guest: null, grade: 'memory', checks: [c.bufferIsNotFirmware], effect: statusOf },
  SNP_DF_FLUSH: {
    platform: INIT,
    guest: null,
    grade: 'read',
    checks: [c.unwrittenCaches],
    effect: () => ({ firmware: { unflushed: [], flushNeeded: undefined } }),
  },
  SNP_DECOMMISSION: { platform: INIT, guest: GUEST_STATES, grade: 'read', checks: [], effect: decommission },
  SNP_ACTIVATE: activate,
  SNP_ACTIVATE_EX: activate,
  SNP_GUEST_STATUS: { platform: INIT, guest: GUEST_STATES, grade: 'memory', checks: [c.pageIsNot('Firmware')], effect: guestStatus },
  SNP_GCTX_CREATE: {
    platform: INIT,
    guest: null,
    grade: 'memory',
    checks: [c.pageIsNot('Firmware')],
    effect: ({ firmware, args: { page } }) => ({
      firmware: { guests: { ...firmware.guests, [page!]: { state: 'INIT', asid: null, policy: 0, digest: FIRST_SNP_DIGEST } } },
      entries: { [page!]: { vmsa: true } },
    }),
  },
  SNP_GUEST_REQUEST: { platform: INIT, guest: ['RUNNING'], grade: 'memory', checks: [c.pageIsNot('Firmware')] },
  SNP_LAUNCH_START: {
    platform: INIT,
    guest: ['INIT'],
    grade: 'memory',
    checks: [c.badPolicy],
    effect: (world) => ({ firmware: withGuest(world, { state: 'LAUNCH', policy: world.args.policy ?? 0, digest: FIRST_SNP_DIGEST }) }),
  },
  SNP_LAUNCH_UPDATE: {
    platform: INIT,
    guest: ['LAUNCH'],
    grade: 'memory',
    checks: [c.isInactive, c.pageIsNot('Pre-Guest'), c.wrongOwner, c.wrongSize, c.refusedCpuid],
    effect: launchUpdate,
  },
  SNP_LAUNCH_FINISH: {
    platform: INIT,
    guest: ['LAUNCH'],
    grade: 'memory',
    checks: [c.badSignature, c.badMeasurement, c.otherPolicy],
    effect: (world) => ({ firmware: withGuest(world, { state: 'RUNNING' }) }),
  },
  SNP_DBG_DECRYPT: debugPage,
  SNP_DBG_ENCRYPT: debugPage,
  SNP_PAGE_SWAP_OUT: swap,
  SNP_PAGE_SWAP_IN: swap,
  SNP_PAGE_MOVE: swap,
  SNP_PAGE_MD_INIT: {
    platform: INIT,
    guest: ['RUNNING'],
    grade: 'memory',
    checks: [c.noSwap, c.pageIsNot('Firmware')],
    // The GPA of a metadata page names its place among those of the guest.
    effect: ({ args: { page } }) => ({ entries: { [page!]: { gfn: 1 } } }),
  },
  SNP_PAGE_SET_STATE: {
    platform: INIT,
    guest: null,
    grade: 'read',
    checks: [c.pageIsNot('Firmware')],
    effect: ({ args: { page } }) => ({ entries: { [page!]: HV_FIXED } }),
  },
  SNP_PAGE_RECLAIM: {
    platform: INIT,
    guest: null,
    grade: 'read',
    checks: [c.pageIsNot('Firmware', 'Pre-Guest', 'Metadata', 'Pre-Swap')],
    effect: ({ args: { page } }) => ({ entries: { [page!]: { ...HYPERVISOR_PAGE, assigned: true } } }),
  },
  SNP_PAGE_UNSMASH: {
    platform: INIT,
    guest: null,
    grade: 'read',
    checks: [c.notAligned, c.notOfFirmware4K, c.notOfOneKind],
    effect: ({ args: { page, frames } }) => ({
      entries: Object.fromEntries(frames!.map((pfn) => [pfn, pfn === page ? { pageSize: '2M' } : BEHIND_HEAD])),
    }),
  },
  SNP_CONFIG: {
    platform: INIT,
    guest: null,
    grade: 'memory',
    checks: [c.badConfig],
    effect: ({ args: { config } }) => ({ firmware: { ...(config && { config }) } }),
  },
  SNP_DOWNLOAD_FIRMWARE_EX: platformOnly(PLATFORM_ANY),
  SNP_COMMIT: platformOnly(PLATFORM_ANY),
  SNP_VLEK_LOAD: platformOnly(INIT),
  SNP_FEATURE_INFO: platformOnly(PLATFORM_ANY),
};

/** The pages whose RMP entries decide of a command. */
export function pagesOf(command: SnpCommand, { context, page, frames }: c.SnpWorld['args'], platform: PlatformState): readonly number[] {
  const { guest, checks, effect } = SNP_RULES[command];
  if (command === 'SNP_PAGE_UNSMASH') return frames ?? [];
  if (command === 'SNP_PLATFORM_STATUS' && platform === 'UNINIT') return [];
  const looks = page !== undefined && (checks.length > 0 || effect !== undefined);
  return [...(guest !== null && context !== undefined ? [context] : []), ...(looks ? [page] : [])];
}

export interface SnpResult extends SnpChange {
  readonly status: PspStatus;
}

/** What a command ends with; of a command that fails there is a status and nothing else. */
export function runSnpCommand(command: SnpCommand, world: c.SnpWorld, cpus: readonly number[], rules = SNP_RULES): SnpResult {
  const { platform, guest, checks, effect } = rules[command];
  if (!platform.includes(world.platform)) return { status: 'INVALID_PLATFORM_STATE' };
  if (guest !== null) {
    if (c.noGuest.applies(world)) return { status: c.noGuest.status };
    if (!guest.includes(c.guestOf(world)!.state)) return { status: 'INVALID_GUEST_STATE' };
  }
  const failed = checks.find(({ applies }) => applies(world));
  return failed === undefined ? { status: 'SUCCESS', ...effect?.(world, cpus) } : { status: failed.status };
}
