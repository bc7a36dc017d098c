/**
 * How a host brings SEV-SNP up: the kernel enables it on all CPUs, the driver initializes the
 * firmware, KVM creates a VM; and what a store of the kernel meets meanwhile.
 *
 * @see domain snp a.1, f.2; SNP-34, SNP-40 to SNP-42, SNP-53, SNP-63
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { PlatformCommand, PlatformEvent, PlatformInfo } from '../../events/sev-snp/platform.ts';
import type { PspStatus } from '../../events/sev-snp/psp.ts';
import { faultItems, type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { onEachCpu } from '../host/on-each-cpu.ts';
import { otherwise } from '../path/path.ts';
import { storeTo } from './direct-map.ts';
import { SNP_PLATFORM } from './snp-platform.ts';

const { path, step, call, loop, when, leaveLoop, leavePath } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    readonly platformInfo?: PlatformInfo | undefined;
    readonly platformStatus?: PspStatus | undefined;
  }
}

export const toPlatform = (event: PlatformEvent) => outgoing(SNP_PLATFORM, event);

/** The registers of the CPU on which the thread is, and what the kernel knows. */
export const readPlatform = (name: string, insn?: true): HostItem =>
  step(name, {
    ...(insn && { insn }),
    send: (t) => toPlatform({ type: 'platform?', cpu: t.cpu! }),
    answers: { 'platform.info': (e) => ({ platformInfo: e.info }) },
  });
export const knows = (test: (info: PlatformInfo) => boolean) => (_t: HostThread, l: HostLocals) => test(l.platformInfo!);

/** A command of the firmware; the mailbox, and the wait for it, are one step. */
export const firmwareCommand = (name: string, command: PlatformCommand, x86 = false, list?: readonly number[]): HostItem =>
  step(name, {
    ns: 50_000,
    send: () => toPlatform({ type: 'platform.command', command, ...(x86 && { x86 }), ...(list && { list }) }),
    answers: { 'platform.done': (e) => ({ platformStatus: e.status }) },
  });
export const hasFailed = (_t: HostThread, l: HostLocals): boolean => l.platformStatus !== 'SUCCESS';

const onAll = (name: string, cpus: readonly ActorId[], event: (cpu: ActorId) => PlatformEvent): HostItem =>
  onEachCpu(name, cpus, (cpu) => ({ to: SNP_PLATFORM, event: event(cpu) }));
export const writeBackAll = (name: string, cpus: readonly ActorId[]): HostItem =>
  onAll(name, cpus, (cpu) => ({ type: 'platform.wbinvd', cpu }));

/**
 * A kernel that finds SNP enabled, after a kexec, leaves the table as it is.
 * @see domain snp a.1
 */
export const rmptableInitPath = (cpus: readonly ActorId[]) =>
  path(
    'snp_rmptable_init',
    kernelSource('arch/x86/virt/svm/sev.c, snp_rmptable_init(), snp_probe_rmptable_info()'),
    [
      readPlatform('snp_probe_rmptable_info'),
      when([
        knows(({ iommu, covers }) => !iommu || !covers),
        [step('cc_platform_clear', { send: () => toPlatform({ type: 'platform.incapable' }) }), leavePath],
      ]),
      when([
        knows(({ enabled }) => !enabled),
        [
          step('memset_rmptable', { ns: 1_000_000, send: (t) => toPlatform({ type: 'platform.zero', cpu: t.cpu! }) }),
          writeBackAll('wbinvd_on_all_cpus', cpus),
          onAll('mfd_enable', cpus, (cpu) => ({ type: 'platform.syscfg', cpu, set: 'mfdm' })),
          onAll('snp_enable', cpus, (cpu) => ({ type: 'platform.syscfg', cpu, set: 'snp' })),
        ],
      ]),
      step('cpuhp_setup_state'),
    ],
    { locals: ['platformInfo'] },
  );

/** @see domain snp f.2, "Required init order" */
export const MINOR_MIN = 51;
/** From this version on the firmware takes a list of ranges. */
export const LIST_MINOR = 52;
const initCommand = (list?: readonly number[]) => firmwareCommand('SNP_INIT_EX', 'SNP_INIT_EX', false, list);
/** Memory that the e820 tables reserve, as the platform writes there too. */
const listedInit = (reserved: readonly number[]): HostItem =>
  when(
    [
      knows(({ minor }) => minor >= LIST_MINOR),
      [
        step('walk_iomem_res_desc', {
          source: 'drivers/crypto/ccp/sev-dev.c, __sev_snp_init_locked(), snp_filter_reserved_mem_regions()',
          grade: 'read',
        }),
        initCommand(reserved),
      ],
    ],
    [otherwise, [firmwareCommand('SNP_INIT_EX_unlisted', 'SNP_INIT_EX')]],
  );
const snpInitPath = (cpus: readonly ActorId[], reserved: readonly number[]) =>
  path(
    '__sev_snp_init_locked',
    kernelSource('drivers/crypto/ccp/sev-dev.c, __sev_snp_init_locked()'),
    [
      readPlatform('sev_version_greater_or_equal'),
      when([knows(({ capable, initialized, minor }) => !capable || initialized || minor < MINOR_MIN), [leavePath]]),
      onAll('snp_set_hsave_pa', cpus, (cpu) => ({ type: 'platform.hsave', cpu })),
      writeBackAll('wbinvd_on_all_cpus', cpus),
      ...(reserved.length === 0 ? [initCommand()] : [listedInit(reserved)]),
      when([hasFailed, [step('dev_err_failed_to_INIT'), leavePath]]),
      writeBackAll('wbinvd_for_df_flush', cpus),
      firmwareCommand('SNP_DF_FLUSH', 'SNP_DF_FLUSH'),
    ],
    { locals: ['platformInfo', 'platformStatus'] },
  );

/**
 * The trusted memory region, in the buddy allocator's order: 2 MiB where SNP is initialized, which
 * are then one RMP entry, else 1 MiB. The PFNs are those of this model.
 */
const TMR_SNP = { pfn: 0x40000, frames: 512 };
const TMR = { pfn: 0x40100, frames: 256 };
const allocateTmr = (name: string, tmr: typeof TMR): HostItem => step(name, { send: () => toPlatform({ type: 'platform.tmr', ...tmr }) });

export const platformInitPath = (cpus: readonly ActorId[], reserved: readonly number[]) =>
  path(
    '_sev_platform_init_locked',
    kernelSource('drivers/crypto/ccp/sev-dev.c, _sev_platform_init_locked(), __sev_platform_init_handle_tmr(), sev_fw_alloc()'),
    [
      step('sev_pci_init', { mode: 'kernel' }),
      call(snpInitPath(cpus, reserved)),
      readPlatform('sev_es_tmr_size'),
      when(
        [knows(({ initialized }) => initialized), [allocateTmr('sev_fw_alloc_2M', TMR_SNP)]],
        [otherwise, [allocateTmr('sev_fw_alloc_1M', TMR)]],
      ),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['platformInfo'] },
  );

export const createVmPath = path(
  'kvm_arch_init_vm',
  kernelSource('arch/x86/kvm/x86.c, kvm_is_vm_type_supported(); arch/x86/kvm/svm/sev.c, sev_hardware_setup(), snp_launch_start()'),
  [
    step('kvm_dev_ioctl_create_vm', {
      mode: 'kernel',
      send: (t) => toPlatform({ type: 'platform?', cpu: t.cpu! }),
      answers: { 'platform.info': (e) => ({ platformInfo: e.info }) },
    }),
    when(
      [knows(({ capable, param }) => !capable || !param), [step('EINVAL_vm_type')]],
      [
        otherwise,
        [
          firmwareCommand('SNP_GCTX_CREATE', 'SNP_GCTX_CREATE'),
          when(
            [hasFailed, [step('EIO_gctx')]],
            [otherwise, [step('sev_snp_guest', { send: () => toPlatform({ type: 'platform.vmCreated' }) })]],
          ),
        ],
      ],
    ),
    step('sysret', { mode: 'user' }),
  ],
  { locals: ['platformInfo', 'platformStatus'] },
);

/**
 * W1 to W3 of domain snp b.5, by a kernel that may not have enabled SNP: the CPU checks a store
 * from the moment its own SYSCFG says so. Expects `pfn` and `kernel`.
 */
export const storeItems = (env: HostEnv, isHuge: (t: HostThread) => boolean = () => false): readonly HostItem[] => [
  loop(
    readPlatform('translate', true),
    when(
      [
        knows(({ enabled }) => enabled),
        [
          step('store', {
            insn: false,
            send: (t, l) => storeTo(env, t, l, isHuge(t)),
            answers: { 'rmp.hostWritten': (e) => ({ fault: e.fault, errorCode: e.errorCode }) },
          }),
          when(
            [(_t, l) => l.fault === true, [...faultItems(env, '#PF.RMP'), when([(_t, l) => l.verdict !== 'retry', [leaveLoop]])]],
            [otherwise, [leaveLoop]],
          ),
        ],
      ],
      [otherwise, [step('store_before_enabling', { insn: false }), leaveLoop]],
    ),
  ),
];
export const STORE_LOCALS = ['pfn', 'kernel', 'platformInfo', 'fault', 'errorCode', 'verdict'] as const;
export const storePath = (env: HostEnv) =>
  path(
    'clear_page',
    kernelSource('mm/page_alloc.c, clear_highpage(): a store through the direct map'),
    [step('syscall', { mode: 'kernel' }), ...storeItems(env), step('sysret', { mode: 'user' })],
    { locals: [...STORE_LOCALS] },
  );
export const bindStore = (env: HostEnv) => (t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'store-frame') throw new Error(`${op.op} stores to no frame`);
  return { pfn: op.pfn, kernel: true };
};
