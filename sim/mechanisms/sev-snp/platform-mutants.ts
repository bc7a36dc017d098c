/** Changes of one line of how a host brings SEV-SNP up, or gives it up. */
import { type AnyStateMachine, assign, createMachine, emit, enqueueActions } from 'xstate';
import { hasStep, type PathPatch, replaceStep, swapSteps, withoutSteps } from '../../../actors/path/patch.ts';
import { runCommand } from '../../../actors/sev-snp/platform-rules.ts';
import { type RmpRegionContext, regionIn } from '../../../actors/sev-snp/rmp-region.ts';
import { checkUpdate } from '../../../actors/sev-snp/rmp-rules.ts';
import { entryAt, HYPERVISOR_PAGE } from '../../../actors/sev-snp/rmp-table.ts';
import { executed, type PlatformContext } from '../../../actors/sev-snp/snp-platform.ts';
import { outgoing, type Stamped, sender } from '../../../events/event.ts';
import type { PlatformEvent, PlatformInfo } from '../../../events/sev-snp/platform.ts';
import type { RmpEntry, RmpRequest } from '../../../events/sev-snp/rmp.ts';
import type { Mutant } from '../../host/mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import { memoryOf } from './memory-map.ts';
import { provided } from './provided.ts';

interface EnqueueArgs {
  readonly context: PlatformContext;
  readonly event: Stamped<Extract<PlatformEvent, { readonly type: 'platform.command' }>>;
  readonly enqueue: { assign(change: object): void; emit(message: object): void };
}
type Release = Extract<RmpRequest, { readonly type: 'rmp.release' }>;
type UpdateCheck = Extract<RmpRequest, { readonly type: 'rmp.checkUpdate' }>;

const changed = (summary: string, path: string, patch: PathPatch): Mutant => ({ summary, paths: { [path]: [patch] } });
/** A path that differs by option may lack the step. */
const without = (summary: string, path: string, name: string): Mutant =>
  changed(summary, path, (items) => (hasStep(items, name) ? withoutSteps(name)(items) : items));
/** A step with another effect, where the path has it. */
const alter = (summary: string, path: string, name: string, effect: object): Mutant =>
  changed(summary, path, (items) =>
    hasStep(items, name) ? replaceStep(items, name, (item) => [{ ...item, ...effect } as typeof item]) : items,
  );
/** The host takes this for what it reads. */
const sees = (info: Partial<PlatformInfo>) => ({
  answers: {
    'platform.info': (e: { readonly info: PlatformInfo }) => ({ platformInfo: { ...e.info, ...info } }),
  },
});

const ENABLE = 'snp_rmptable_init';
const INIT = '__sev_snp_init_locked';

const ofEnabling: Readonly<Record<string, Mutant>> = {
  'snp-table-not-zeroed': without('The RMP is not filled with zeros before SNP is enabled.', ENABLE, 'memset_rmptable'),
  'snp-zeros-cached': without('The zeros of the RMP stay in the caches when SNP is enabled.', ENABLE, 'wbinvd_on_all_cpus'),
  'snp-no-mfdm': without('MtrrFixDramModEn is not set before SNP is enabled.', ENABLE, 'mfd_enable'),
  'snp-enabled-first': changed('SNP is enabled before MtrrFixDramModEn is set.', ENABLE, swapSteps('mfd_enable', 'snp_enable')),
  'snp-iommu-ungated': alter('SNP is enabled whatever the IOMMU does.', ENABLE, 'snp_probe_rmptable_info', sees({ iommu: true })),
  'snp-coverage-ungated': alter('SNP is enabled whatever the RMP covers.', ENABLE, 'snp_probe_rmptable_info', sees({ covers: true })),
};

const ofFirmware: Readonly<Record<string, Mutant>> = {
  'snp-version-ungated': alter(
    'Firmware of any version is initialized for SNP.',
    INIT,
    'sev_version_greater_or_equal',
    sees({ minor: 55 }),
  ),
  'snp-reserved-unlisted': alter('Memory that is reserved is not on the list of SNP_INIT_EX.', INIT, 'SNP_INIT_EX', {
    send: () => ({ to: 'snp-platform', event: { type: 'platform.command', command: 'SNP_INIT_EX' } }),
  }),
  'snp-hsave-kept': without('VM_HSAVE_PA is not cleared before SNP_INIT_EX.', INIT, 'snp_set_hsave_pa'),
  'snp-no-init-wbinvd': without('SNP_DF_FLUSH comes after SNP_INIT_EX without WBINVD.', INIT, 'wbinvd_for_df_flush'),
  'snp-param-ignored': alter(
    'KVM creates an SNP VM whatever the parameter says.',
    'kvm_arch_init_vm',
    'kvm_dev_ioctl_create_vm',
    sees({ param: true }),
  ),
  'snp-gctx-unchecked': alter('KVM goes on with a context page that the firmware refused.', 'kvm_arch_init_vm', 'SNP_GCTX_CREATE', {
    answers: { 'platform.done': () => ({ platformStatus: 'SUCCESS' }) },
  }),
  'snp-tmr-first': alter(
    'The TMR is allocated as on a host without SNP.',
    '_sev_platform_init_locked',
    'sev_es_tmr_size',
    sees({ initialized: false }),
  ),
  'snp-tmr-unaligned': alter('The TMR of 2 MiB begins in the middle of 2 MiB.', '_sev_platform_init_locked', 'sev_fw_alloc_2M', {
    send: () => ({ to: 'snp-platform', event: { type: 'platform.tmr', pfn: 0x40100, frames: 512 } }),
  }),
};

/** The allocator has other frames than the boot has given it. */
const allocatorOf = (freeIn: (scenario: ResolvedScenario) => readonly number[]): NonNullable<Mutant['machines']> => ({
  pageAllocator: (machine, scenario) =>
    createMachine({ ...machine.config, context: { free: freeIn(scenario), refused: null } }, machine.implementations) as AnyStateMachine,
});

const ofMemory: Readonly<Record<string, Mutant>> = {
  'snp-ksm-scans-all': alter('KSM takes any mapping for a mergeable one.', 'ksm_do_scan', 'scan_get_next_rmap_item', {
    local: () => ({ mergeable: true }),
  }),
  'snp-end-not-in-memblock': {
    summary: 'RAM at the end of the RMP is not reserved in memblock.',
    machines: allocatorOf((scenario) => memoryOf(scenario).free),
  },
  'rmp-update-table-end': provided('rmpRegion', 'RMPUPDATE changes a frame that shares its 2 MiB with the end of the RMP.', {
    actions: {
      answerUpdateChecked: emit(({ context: c, event }: { readonly context: RmpRegionContext; readonly event: Stamped<UpdateCheck> }) => {
        const { tableEnd, ...region } = regionIn(c);
        const result = checkUpdate(region, { pfn: event.pfn, update: event });
        return outgoing(sender(event), { type: 'rmp.checked', result, fault: false, entry: entryAt(c.entries, event.pfn) });
      }),
    },
  }),
};

const SHUTDOWN = '__sev_snp_shutdown_locked';

const ofKexec: Readonly<Record<string, Mutant>> = {
  'kexec-no-wait': alter('The next kernel does not wait until the other CPUs have stopped.', 'stop_other_cpus', 'wait_for_stop', {
    answers: { 'cpu.stopped': () => ({ kickMask: {} }) },
  }),
  'snp-kexec-zeroes': alter('A kernel that finds SNP enabled zeroes the RMP.', ENABLE, 'snp_probe_rmptable_info', sees({ enabled: false })),
  'snp-share-known-owners': alter(
    'auto-share shares no frame whose guest is not of this kernel.',
    'exc_page_fault',
    'snp_lookup_rmpentry',
    {
      answers: { 'rmp.entry': (e: { readonly entry: RmpEntry }) => ({ assigned: e.entry.assigned, asid: 0, vmsa: false }) },
    },
  ),
  'snp-kexec-no-shutdown': without('kexec does not shut the firmware down.', 'kernel_kexec', SHUTDOWN),
  'snp-no-second-shutdown': without('SNP_SHUTDOWN_EX is not sent again behind SNP_DF_FLUSH.', SHUTDOWN, 'SNP_SHUTDOWN_EX_again'),
  'snp-nmi-no-wbinvd': without('The NMI that stops a CPU does not write its caches back.', 'panic', 'svm_emergency_disable'),
  'snp-iommu-not-shared': changed("Pages that the firmware gave up are not made the hypervisor's.", 'amd_iommu_snp_disable', (path) =>
    replaceStep(path, 'rmpupdate', (item) => [
      { kind: 'step', name: 'not_shared', local: () => ({ result: 'SUCCESS' }) } as unknown as typeof item,
    ]),
  ),
  'psp-decommission-untagged': provided('snpPlatform', 'SNP_DECOMMISSION leaves no CPU with caches to write back.', {
    actions: {
      carryOut: enqueueActions(({ context: c, event, enqueue }: EnqueueArgs) => {
        const { change, messages, answer } = executed(c, event, (...args) => {
          const result = runCommand(...args);
          return { ...result, platform: { ...result.platform, unflushed: [] } };
        });
        enqueue.assign(change);
        for (const message of [...messages, outgoing(sender(event), answer)]) enqueue.emit(message);
      }),
    },
  }),
  'rmp-release-miscounts': provided('rmpRegion', 'Firmware of any version miscounts the pages of the IOMMU.', {
    actions: {
      release: assign(({ context: c, event }: { readonly context: RmpRegionContext; readonly event: object }) => ({
        entries: { ...c.entries, [(event as Release).pfn]: HYPERVISOR_PAGE },
      })),
    },
  }),
};

export const PLATFORM_MUTANTS: Readonly<Record<string, Mutant>> = { ...ofKexec, ...ofEnabling, ...ofFirmware, ...ofMemory };
