/**
 * What a host with SEV-SNP is as a whole, and what its CPUs and its firmware make of it, as pure
 * functions: registers of each CPU, the RMP as a table in memory, the firmware's state.
 *
 * @see domain snp a.1, f.2, f.3; kernel arch/x86/virt/svm/sev.c, snp_rmptable_init();
 * drivers/crypto/ccp/sev-dev.c, __sev_snp_init_locked(), __sev_snp_shutdown_locked()
 */
import type { ActorId } from '../../events/event.ts';
import type { PlatformCommand } from '../../events/sev-snp/platform.ts';
import type { PspStatus } from '../../events/sev-snp/psp.ts';
import type { RmpEntry } from '../../events/sev-snp/rmp.ts';
import { HYPERVISOR_PAGE } from './rmp-table.ts';
import type { SnpWorld } from './snp-checks.ts';
import { FIRST_SNP_DIGEST, runSnpCommand, type SnpChange } from './snp-commands.ts';

/** What a CPU has in its registers. */
export interface CpuRegisters {
  /** SYSCFG.MtrrFixDramModEn. */
  readonly mfdm: boolean;
  /** SYSCFG.SecureNestedPagingEn, and VMPLEn with it. */
  readonly snp: boolean;
  /** Whether VM_HSAVE_PA is another address than 0. */
  readonly hsave: boolean;
}

export interface Platform {
  readonly cpus: Readonly<Record<ActorId, CpuRegisters>>;
  /** `bios`: what was there before; `cached`: zeros in caches of one CPU; `clear`: in memory. */
  readonly table: 'bios' | 'cached' | 'clear';
  /** Whose caches have the zeros. */
  readonly zeroedBy: ActorId | null;
  readonly firmware: 'UNINIT' | 'INIT';
  /** SNP guests whose ASID is in use. */
  readonly guests: boolean;
  /** CPUs that have to execute WBINVD before SNP_DF_FLUSH; sorted. */
  readonly unflushed: readonly ActorId[];
  readonly flushNeeded: boolean;
  /** Whether the IOMMU enforces the RMP. */
  readonly enforced: boolean;
}

/**
 * What a step does to the RMP besides. `init`: it is cleared, but for what the list of SNP_INIT_EX
 * has. `release` is of the pages that the IOMMU has.
 */
export type TableChange = 'clear' | 'init' | 'release' | null;
export interface Changed {
  readonly platform: Platform;
  readonly table: TableChange;
}

const same = (platform: Platform): Changed => ({ platform, table: null });

/** Before anything of SNP is enabled. KVM, where it is loaded, has an address in VM_HSAVE_PA. */
const FRESH: CpuRegisters = { mfdm: false, snp: false, hsave: true };
const ENABLED: CpuRegisters = { mfdm: true, snp: true, hsave: true };

/**
 * A host before bring-up, or one that has it behind it. `inits`: whether the driver has initialized
 * the firmware then.
 */
export const platformOf = (cpus: readonly ActorId[], isUp: boolean, guests: boolean, inits = isUp): Platform => ({
  cpus: Object.fromEntries(cpus.map((cpu) => [cpu, isUp ? ENABLED : FRESH])),
  table: isUp ? 'clear' : 'bios',
  zeroedBy: null,
  firmware: inits ? 'INIT' : 'UNINIT',
  guests,
  unflushed: [],
  flushNeeded: false,
  enforced: inits,
});

export const writeRegisters = (p: Platform, cpu: ActorId, change: Partial<CpuRegisters>): Platform => ({
  ...p,
  cpus: { ...p.cpus, [cpu]: { ...p.cpus[cpu]!, ...change } },
});

/** memset(): the zeros are in the caches of the CPU that writes them. */
export const zeroTable = (p: Platform, cpu: ActorId): Platform => ({ ...p, table: 'cached', zeroedBy: cpu });

/** WBINVD writes back what the CPU has written, zeros of the table among it. */
export function writeBack(p: Platform, cpu: ActorId): Changed {
  const flushed = { ...p, unflushed: p.unflushed.filter((one) => one !== cpu) };
  if (p.table !== 'cached' || p.zeroedBy !== cpu) return same(flushed);
  return { platform: { ...flushed, table: 'clear', zeroedBy: null }, table: 'clear' };
}

const everyCpu = ({ cpus }: Platform): readonly ActorId[] => Object.keys(cpus).sort();

/**
 * Whether SNP_INIT_EX finds each CPU as it has to be, also one that is offline.
 * @see domain snp f.3
 */
const isConfigured = ({ cpus }: Platform): boolean => Object.values(cpus).every(({ snp, hsave }) => snp && !hsave);

/** The guests are one context, which has an ASID while they are active. PFNs are of no frame. */
const CONTEXT = 0;
const PAGE = 1;
const ASID = 1;
const FIRMWARE_PAGE: RmpEntry = { ...HYPERVISOR_PAGE, assigned: true, immutable: true };
const ENTRIES = { [CONTEXT]: { ...FIRMWARE_PAGE, vmsa: true }, [PAGE]: FIRMWARE_PAGE };

/** The platform as the table of commands sees it. */
const worldOf = (p: Platform): SnpWorld => ({
  platform: p.firmware,
  firmware: {
    guests: { [CONTEXT]: { state: 'RUNNING', asid: p.guests ? ASID : null, policy: 0, digest: FIRST_SNP_DIGEST } },
    unflushed: [],
    wbinvdNeeded: everyCpu(p).flatMap((cpu, at) => (p.unflushed.includes(cpu) ? [at] : [])),
    ...(p.flushNeeded && { flushNeeded: true }),
  },
  args: { context: CONTEXT, page: PAGE },
  entries: ENTRIES,
  cpusReady: isConfigured(p),
});

/** What a command that has succeeded leaves of the firmware. */
function changedBy(p: Platform, { platform, firmware }: SnpChange): Platform {
  const { guests, unflushed, wbinvdNeeded, flushNeeded } = { ...worldOf(p).firmware, ...firmware };
  return {
    ...p,
    firmware: platform ?? p.firmware,
    guests: Object.values(guests).some(({ asid }) => asid !== null),
    unflushed: everyCpu(p).filter((_cpu, at) => wbinvdNeeded.includes(at)),
    flushNeeded: flushNeeded === true || unflushed.length > 0,
  };
}

/** The checks of all CPUs end, and the kernel fills the RMP with zeros. */
const withoutChecks = (p: Platform): Platform => ({
  ...p,
  cpus: Object.fromEntries(Object.entries(p.cpus).map(([cpu, registers]) => [cpu, { ...registers, mfdm: false, snp: false }])),
});

/** What a command does beside what the table of commands has: to CPUs, to the IOMMU, to the RMP. */
function besides(p: Platform, command: PlatformCommand, x86: boolean): Changed {
  // INIT_RMP: whatever the table has, all its pages are the hypervisor's again.
  if (command === 'SNP_INIT_EX') return { platform: { ...p, table: 'clear', enforced: true }, table: 'init' };
  if (command !== 'SNP_SHUTDOWN_EX') return same(p);
  const down = { ...p, enforced: false };
  return x86 ? { platform: withoutChecks(down), table: 'clear' } : { platform: down, table: 'release' };
}

type Executed = Changed & { readonly status: PspStatus };

/**
 * One command, by the table of commands, and what the firmware ends it with. SNP_DECOMMISSION is of
 * all guests.
 */
export function runCommand(p: Platform, command: PlatformCommand, x86 = false): Executed {
  const { status, ...change } = runSnpCommand(command, worldOf(p), Object.keys(everyCpu(p)).map(Number));
  return { status, ...(status === 'SUCCESS' ? besides(changedBy(p, change), command, x86) : same(p)) };
}
