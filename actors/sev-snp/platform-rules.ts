/**
 * What a host with SEV-SNP is as a whole, and what its CPUs and its firmware make of it, as pure
 * functions: registers of each CPU, the RMP as a table in memory, the firmware's state.
 *
 * @see domain snp a.1, f.2, f.3; kernel arch/x86/virt/svm/sev.c, snp_rmptable_init();
 * drivers/crypto/ccp/sev-dev.c, __sev_snp_init_locked(), __sev_snp_shutdown_locked()
 */
import type { ActorId } from '../../events/event.ts';
import type { PlatformCommand, PlatformStatus } from '../../events/sev-snp/platform.ts';

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

/** What a step does to the RMP besides. `release` is of the pages that the IOMMU has. */
export type TableChange = 'clear' | 'release' | null;
export interface Changed {
  readonly platform: Platform;
  readonly table: TableChange;
}

const same = (platform: Platform): Changed => ({ platform, table: null });

/** Before anything of SNP is enabled. KVM, where it is loaded, has an address in VM_HSAVE_PA. */
const FRESH: CpuRegisters = { mfdm: false, snp: false, hsave: true };
const ENABLED: CpuRegisters = { mfdm: true, snp: true, hsave: true };

/** A host before bring-up, or one that has it behind it. */
export const platformOf = (cpus: readonly ActorId[], isUp: boolean, guests: boolean): Platform => ({
  cpus: Object.fromEntries(cpus.map((cpu) => [cpu, isUp ? ENABLED : FRESH])),
  table: isUp ? 'clear' : 'bios',
  zeroedBy: null,
  firmware: isUp ? 'INIT' : 'UNINIT',
  guests,
  unflushed: [],
  flushNeeded: false,
  enforced: isUp,
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

type Executed = Changed & { readonly status: PlatformStatus };
const refused = (platform: Platform, status: PlatformStatus): Executed => ({ platform, table: null, status });
const done = (platform: Platform, table: TableChange = null): Executed => ({ platform, table, status: 'SUCCESS' });

/** The checks of all CPUs end, and the kernel fills the RMP with zeros. */
const withoutChecks = (p: Platform): Platform => ({
  ...p,
  cpus: Object.fromEntries(Object.entries(p.cpus).map(([cpu, registers]) => [cpu, { ...registers, mfdm: false, snp: false }])),
});

const COMMANDS: Readonly<Record<PlatformCommand, (p: Platform, x86: boolean) => Executed>> = {
  SNP_INIT_EX: (p) => {
    if (p.firmware === 'INIT') return refused(p, 'INVALID_PLATFORM_STATE');
    if (!isConfigured(p)) return refused(p, 'INVALID_CONFIG');
    // INIT_RMP: whatever the table has, all its pages are the hypervisor's again.
    return done({ ...p, firmware: 'INIT', table: 'clear', unflushed: everyCpu(p), flushNeeded: true, enforced: true }, 'clear');
  },
  SNP_DF_FLUSH: (p) => {
    if (p.firmware === 'UNINIT') return refused(p, 'INVALID_PLATFORM_STATE');
    if (p.unflushed.length > 0) return refused(p, 'WBINVD_REQUIRED');
    return done({ ...p, flushNeeded: false });
  },
  SNP_DECOMMISSION: (p) => {
    if (p.firmware === 'UNINIT') return refused(p, 'INVALID_PLATFORM_STATE');
    return done({ ...p, guests: false, unflushed: everyCpu(p), flushNeeded: true });
  },
  SNP_SHUTDOWN_EX: (p, x86) => {
    if (p.guests || p.flushNeeded) return refused(p, 'DFFLUSH_REQUIRED');
    const down: Platform = { ...p, firmware: 'UNINIT', enforced: false };
    return x86 ? done(withoutChecks(down), 'clear') : done(down, 'release');
  },
  SNP_GCTX_CREATE: (p) => (p.firmware === 'UNINIT' ? refused(p, 'INVALID_PLATFORM_STATE') : done(p)),
};
/** One command, and what the firmware ends it with. */
export const runCommand = (p: Platform, command: PlatformCommand, x86 = false): Executed => COMMANDS[command](p, x86);
