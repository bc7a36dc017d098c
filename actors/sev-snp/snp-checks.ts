/**
 * The checks that commands of the SNP firmware share, each with the status it ends the command with
 * and its grade. The order among those of a command is a decision.
 *
 * @see SEV-SNP firmware ABI, "Command reference"; domain snp f.3, f.4
 */
import type { PspStatus } from '../../events/sev-snp/psp.ts';
import { REGION_FRAMES, type RmpEntry } from '../../events/sev-snp/rmp.ts';
import type { PlatformState, SnpArguments, SnpFirmware, SnpGuest } from '../../events/sev-snp/snp-command.ts';
import type { Grade } from '../path/path.ts';
import { CHIP_TCB, CHIP_VERSION } from './firmware/simulated-report.ts';
import { HYPERVISOR_PAGE, type PageState, pageStateOf, permsOf } from './rmp-table.ts';

/** What a command meets: the firmware, its arguments, and RMP entries of pages that it names. */
export interface SnpWorld {
  readonly platform: PlatformState;
  readonly firmware: SnpFirmware;
  readonly args: SnpArguments;
  /** By PFN. */
  readonly entries: Readonly<Record<number, RmpEntry>>;
  /** False: SNP is not enabled on some CPU, or VM_HSAVE_PA of one is not 0. */
  readonly cpusReady?: boolean;
}

export interface SnpCheck {
  /** What is wrong. */
  readonly name: string;
  readonly grade: Grade;
  readonly applies: (world: SnpWorld) => boolean;
  readonly status: PspStatus;
}

/** The TCB of the chip, as SNP_CONFIG and SNP_PLATFORM_STATUS have it. */
export const SNP_TCB = `0x${CHIP_TCB.toString(16).padStart(16, '0')}`;

/** ASIDs of guests with encrypted registers: 1 to this. @see CPUID 0x8000001F, EDX - 1 */
const SNP_ASID_MAX = 0xffff;

export const guestOf = ({ firmware, args }: SnpWorld): SnpGuest | undefined =>
  args.context === undefined ? undefined : firmware.guests[args.context];
const entryOf = ({ entries }: SnpWorld, pfn: number | undefined): RmpEntry =>
  pfn === undefined ? HYPERVISOR_PAGE : (entries[pfn] ?? HYPERVISOR_PAGE);
export const pageOf = (world: SnpWorld): RmpEntry => entryOf(world, world.args.page);

/** Bits of the guest policy. @see domain snp f.8 */
export const POLICY_BITS = { smt: 16, mustBeOne: 17, migrationAgent: 18, debugging: 19, singleSocket: 20, noPageSwap: 25 } as const;
const POLICY_RESERVED_FROM = 26;
export const hasPolicy = (policy: number, bit: keyof typeof POLICY_BITS): boolean => Math.floor(policy / 2 ** POLICY_BITS[bit]) % 2 === 1;

const isOlder = (policy: number): boolean => {
  const [major, minor] = [Math.floor(policy / 0x100) % 0x100, policy % 0x100];
  return CHIP_VERSION.major < major || (CHIP_VERSION.major === major && CHIP_VERSION.minor < minor);
};

export const pageIsNot = (...states: readonly PageState[]): SnpCheck => ({
  name: `the page is not ${states.join(' or ')}`,
  grade: 'memory',
  applies: (world) => !states.includes(pageStateOf(pageOf(world))),
  status: 'INVALID_PAGE_STATE',
});
/** Before SNP_INIT there is no RMP, and the firmware writes to any page. */
export const bufferIsNotFirmware: SnpCheck = {
  ...pageIsNot('Firmware'),
  name: 'the buffer is not Firmware while the platform is INIT',
  grade: 'read',
  applies: (world) => world.platform === 'INIT' && pageStateOf(pageOf(world)) !== 'Firmware',
};
export const noGuest: SnpCheck = {
  name: 'the page is no guest context',
  grade: 'memory',
  applies: (world) => guestOf(world) === undefined || pageStateOf(entryOf(world, world.args.context)) !== 'Context',
  status: 'INVALID_GUEST',
};
export const badPolicy: SnpCheck = {
  name: 'the policy has a reserved bit, lacks bit 17, or asks for a newer ABI',
  grade: 'memory',
  applies: ({ args: { policy = 0 } }) => policy >= 2 ** POLICY_RESERVED_FROM || !hasPolicy(policy, 'mustBeOne') || isOlder(policy),
  status: 'POLICY_FAILURE',
};
export const badAsid: SnpCheck = {
  name: 'the ASID is none of an SNP guest',
  grade: 'memory',
  applies: ({ args: { asid = 0 } }) => asid < 1 || asid > SNP_ASID_MAX,
  status: 'INVALID_ASID',
};
export const ownedAsid: SnpCheck = {
  name: 'another guest has the ASID',
  grade: 'memory',
  applies: ({ firmware, args }) =>
    Object.entries(firmware.guests).some(([pfn, { asid }]) => asid === args.asid && Number(pfn) !== args.context),
  status: 'ASID_OWNED',
};
export const isActive: SnpCheck = {
  name: 'the guest has an ASID',
  grade: 'memory',
  applies: (world) => guestOf(world)!.asid !== null,
  status: 'ACTIVE',
};
export const isInactive: SnpCheck = {
  name: 'the guest has no ASID',
  grade: 'memory',
  applies: (world) => guestOf(world)!.asid === null,
  status: 'INACTIVE',
};
export const unflushedAsid: SnpCheck = {
  name: 'no SNP_DF_FLUSH since SNP_INIT, or since a guest gave the ASID up',
  grade: 'memory',
  applies: ({ firmware, args }) => firmware.flushNeeded === true || firmware.unflushed.includes(args.asid!),
  status: 'DFFLUSH_REQUIRED',
};
/** @see AMDESE/AMDSEV issues 176 and 189: what most hosts report that lack a setting */
export const cpusNotReady: SnpCheck = {
  name: 'SNP is not enabled on some CPU, or VM_HSAVE_PA of one is not 0',
  grade: 'memory',
  applies: ({ cpusReady }) => cpusReady === false,
  status: 'INVALID_CONFIG',
};
export const unwrittenCaches: SnpCheck = {
  name: 'a CPU has not executed WBINVD since the last deactivation',
  grade: 'read',
  applies: ({ firmware }) => firmware.wbinvdNeeded.length > 0,
  status: 'WBINVD_REQUIRED',
};
/** @see kernel thread on host kdump, August 2024; domain snp d.3, h R17 */
export const guestsLeft: SnpCheck = {
  name: 'an ASID is active, or is not flushed',
  grade: 'read',
  applies: ({ firmware }) =>
    firmware.flushNeeded === true || firmware.unflushed.length > 0 || Object.values(firmware.guests).some(({ asid }) => asid !== null),
  status: 'DFFLUSH_REQUIRED',
};

export const wrongSize: SnpCheck = {
  name: 'the page has another size in the RMP',
  grade: 'memory',
  applies: (world) => pageOf(world).pageSize !== (world.args.launch?.pageSize ?? '4K'),
  status: 'INVALID_PAGE_SIZE',
};
export const wrongOwner: SnpCheck = {
  name: 'the page is of another guest',
  grade: 'memory',
  applies: (world) => pageOf(world).asid !== guestOf(world)!.asid,
  status: 'INVALID_PAGE_OWNER',
};
/** The page holds acceptable values afterwards, and is not encrypted. */
export const refusedCpuid: SnpCheck = {
  name: 'the CPUID page has a leaf that the firmware does not accept',
  grade: 'read',
  applies: ({ args }) => args.launch?.type === 'cpuid' && args.launch.refused === true,
  status: 'INVALID_PARAM',
};

export const badSignature: SnpCheck = {
  name: 'a signature of the ID block does not hold',
  grade: 'memory',
  applies: ({ args }) => args.idBlock?.signed === false,
  status: 'BAD_SIGNATURE',
};
export const badMeasurement: SnpCheck = {
  name: 'the ID block names another launch digest',
  grade: 'memory',
  applies: (world) => world.args.idBlock !== undefined && world.args.idBlock.digest !== guestOf(world)!.digest,
  status: 'BAD_MEASUREMENT',
};
export const otherPolicy: SnpCheck = {
  name: 'the ID block names another policy',
  grade: 'memory',
  applies: (world) => world.args.idBlock !== undefined && world.args.idBlock.policy !== guestOf(world)!.policy,
  status: 'POLICY_FAILURE',
};
export const noDebug: SnpCheck = {
  name: 'the policy does not allow debugging',
  grade: 'memory',
  applies: (world) => !hasPolicy(guestOf(world)!.policy, 'debugging'),
  status: 'POLICY_FAILURE',
};
export const noSwap: SnpCheck = {
  name: 'the policy forbids page swapping',
  grade: 'memory',
  applies: (world) => hasPolicy(guestOf(world)!.policy, 'noPageSwap'),
  status: 'POLICY_FAILURE',
};
export const notAligned: SnpCheck = {
  name: 'the page is not aligned to 2 MiB',
  grade: 'read',
  applies: ({ args }) => (args.page ?? 0) % REGION_FRAMES !== 0,
  status: 'INVALID_PARAM',
};
/** The entries of the 2 MiB. Frames that the run does not have are the hypervisor's. */
const entriesOf2M = (world: SnpWorld): readonly RmpEntry[] => (world.args.frames ?? []).map((pfn) => entryOf(world, pfn));
export const notOfFirmware4K: SnpCheck = {
  name: 'a frame of the 2 MiB is no 4K page of a guest that the firmware alone may change, or is a VMSA',
  grade: 'read',
  applies: (world) => {
    const entries = entriesOf2M(world);
    return (
      entries.length === 0 || entries.some(({ pageSize, immutable, vmsa, asid }) => pageSize !== '4K' || !immutable || vmsa || asid === 0)
    );
  },
  status: 'INVALID_PAGE_STATE',
};
export const notOfOneKind: SnpCheck = {
  name: 'the frames of the 2 MiB differ in state, ASID or permissions, or their GPAs are not those of 2 MiB',
  grade: 'read',
  applies: (world) => {
    const entries = entriesOf2M(world);
    const [head] = entries;
    return entries.some(
      (entry, at) =>
        entry.gfn !== head!.gfn + (world.args.frames![at]! - world.args.page!) ||
        head!.gfn % REGION_FRAMES !== 0 ||
        pageStateOf(entry) !== pageStateOf(head!) ||
        entry.asid !== head!.asid ||
        permsOf(entry).some((mask, vmpl) => mask !== permsOf(head!)[vmpl]),
    );
  },
  status: 'INVALID_PAGE_STATE',
};
const bytesOf = (tcb: string): number[] => (tcb.slice(2).match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));
/** Each part of a TCB is a byte, and is compared by itself. */
export const badConfig: SnpCheck = {
  name: 'a part of the reported TCB is above that of the chip',
  grade: 'memory',
  applies: ({ args }) => {
    const own = bytesOf(SNP_TCB);
    return bytesOf(args.config?.reportedTcb ?? SNP_TCB).some((byte, i) => byte > own[i]!);
  },
  status: 'INVALID_PARAM',
};
