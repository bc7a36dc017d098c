/**
 * The kernel of the host is replaced, by kexec or after a panic: what it does about SNP before
 * that, and what the next kernel meets, which finds the RMP as the last one has left it.
 *
 * The next kernel runs on the CPU of the thread that has called it; all others have stopped. It
 * ends once it has stored to a frame and the IOMMU is up.
 *
 * @see kernel drivers/crypto/ccp/sev-dev.c, __sev_firmware_shutdown(), __sev_snp_shutdown_locked();
 * drivers/iommu/amd/init.c, amd_iommu_snp_disable(); domain snp d.3, "kexec/kdump"; h, R17, R18
 */
import type { ActorId } from '../../events/event.ts';
import type { HostOptions } from '../../events/options.ts';
import { type HostEnv, type HostItem, type HostThread, host, kernelSource, opOf, toCpu } from '../host/host-env.ts';
import { peersOf, stopOtherCpus } from '../host/stop-cpus.ts';
import { otherwise } from '../path/path.ts';
import { SHARED } from './page-fault.ts';
import { headOf } from './rmp-table.ts';
import { rmpupdatePath } from './rmpupdate.ts';
import { mailboxInPanic, polledCommand, shutdownOnPanic } from './sev-panic.ts';
import {
  firmwareCommand,
  hasFailed,
  knows,
  readPlatform,
  rmptableInitPath,
  STORE_LOCALS,
  storeItems,
  toPlatform,
  writeBackAll,
} from './snp-boot.ts';
import { toRmp } from './snp-env.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** Which page of the IOMMU is next. */
    readonly iommuPage?: number | undefined;
  }
}

/** What a host has that a shutdown is about. */
export interface KexecSetup {
  readonly options: HostOptions;
  readonly cpus: readonly ActorId[];
  /** Pages of the IOMMU. */
  readonly iommuPages: readonly number[];
  /** Frames of memory that the e820 tables reserve. */
  readonly reserved: readonly number[];
}

const SOURCE = kernelSource('drivers/crypto/ccp/sev-dev.c, __sev_firmware_shutdown(), __sev_snp_shutdown_locked()');

/**
 * One page after the other, up to one that cannot be shared. The first frame of 2 MiB alone is
 * looked up: its entry may be one of 2M, which no scenario has. Leaves `result`.
 */
const iommuDisablePath = (env: HostEnv, pages: readonly number[]) =>
  path(
    'amd_iommu_snp_disable',
    kernelSource('drivers/iommu/amd/init.c, amd_iommu_snp_disable(), iommu_page_make_shared()'),
    [
      note(() => ({ iommuPage: 0 })),
      loop(
        when([(_t, l) => l.iommuPage === pages.length, [leaveLoop]]),
        note((_t, l) => ({ pfn: pages[l.iommuPage!]!, iommuPage: l.iommuPage! + 1 })),
        when([
          (_t, l) => l.pfn === headOf(l.pfn!),
          [
            step('snp_lookup_rmpentry', {
              send: (_t, l) => toRmp({ type: 'rmp.read', pfn: l.pfn! }),
              answers: { 'rmp.entry': (e) => ({ assigned: e.entry.assigned }) },
            }),
            when([(_t, l) => l.assigned !== true, [step('pr_warn_not_assigned'), leaveLoop]]),
          ],
        ]),
        call(rmpupdatePath(env.options), () => ({ update: SHARED })),
        when([(_t, l) => l.result !== 'SUCCESS', [leaveLoop]]),
      ),
    ],
    { locals: ['iommuPage', 'pfn', 'assigned', 'update', 'result'] },
  );

/**
 * SNP_SHUTDOWN_EX, once more behind SNP_DF_FLUSH if the firmware asks for one; then the pages of
 * the IOMMU become the hypervisor's. `panics`: the other CPUs have stopped, so this one alone
 * writes its caches back. Leaves `platformStatus`.
 */
function shutdownPath(env: HostEnv, { options, cpus, iommuPages }: KexecSetup, panics: boolean) {
  const x86 = options['host.snpTeardown'] === 'firmware-and-x86';
  const polls = panics && mailboxInPanic(env);
  const shutdown = (name: string) =>
    polls ? polledCommand(env, name, 'SNP_SHUTDOWN_EX', x86) : firmwareCommand(name, 'SNP_SHUTDOWN_EX', x86);
  return path('__sev_snp_shutdown_locked', SOURCE, [
    panics
      ? step('wbinvd', { send: (t) => toPlatform({ type: 'platform.wbinvd', cpu: t.cpu! }) })
      : writeBackAll('wbinvd_on_all_cpus', cpus),
    shutdown('SNP_SHUTDOWN_EX'),
    when([
      (_t, l) => l.platformStatus === 'DFFLUSH_REQUIRED',
      [
        polls ? polledCommand(env, 'SNP_DF_FLUSH', 'SNP_DF_FLUSH', false) : firmwareCommand('SNP_DF_FLUSH', 'SNP_DF_FLUSH'),
        when([hasFailed, [step('dev_err_df_flush'), leavePath]]),
        shutdown('SNP_SHUTDOWN_EX_again'),
      ],
    ]),
    when([hasFailed, [step('dev_err_shutdown'), leavePath]]),
    ...(x86 || iommuPages.length === 0 ? [] : [call(iommuDisablePath(env, iommuPages))]),
  ]);
}

/**
 * SNP_DECOMMISSION of all guests and WBINVD on all CPUs before they stop. By a panic it happens in
 * the NMI handlers, which are one step here.
 */
const decommissionEarly = ({ cpus }: KexecSetup, panics: boolean): readonly HostItem[] => [
  firmwareCommand('SNP_DECOMMISSION', 'SNP_DECOMMISSION'),
  panics
    ? step('svm_emergency_disable', { send: (t) => peersOf(cpus, t).map((cpu) => toPlatform({ type: 'platform.wbinvd', cpu })) })
    : writeBackAll('wbinvd_after_decommission', cpus),
];

const kexecOp = (env: HostEnv, t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'kexec' && op.op !== 'crash') throw new Error(`${op.op} replaces no kernel`);
  return op;
};
const isHuge = (env: HostEnv) => (t: HostThread) => kexecOp(env, t).mapping === '2M';

const goDown = (env: HostEnv, setup: KexecSetup, panics: boolean): HostItem => {
  const { options, cpus } = setup;
  const decommission = options['host.snpDecommission'];
  const shutdown = call(shutdownPath(env, setup, panics));
  const whole = panics && mailboxInPanic(env) ? shutdownOnPanic(shutdown) : shutdown;
  const teardown: HostItem[] = options['host.snpTeardown'] === 'none' ? [] : [whole];
  const early = decommission === 'before-stop' ? decommissionEarly(setup, panics) : [];
  const late = decommission === 'after-stop' ? [firmwareCommand('SNP_DECOMMISSION_late', 'SNP_DECOMMISSION')] : [];
  return call(
    panics
      ? path('panic', kernelSource('kernel/panic.c, panic(): crash_kexec_post_notifiers'), [
          ...early,
          stopOtherCpus(cpus),
          ...late,
          ...teardown,
        ])
      : path('kernel_kexec', kernelSource('kernel/kexec_core.c, kernel_kexec(); kernel/reboot.c, kernel_restart_prepare()'), [
          ...early,
          ...teardown,
          stopOtherCpus(cpus),
        ]),
  );
};

/** The frame that the next kernel stores to. */
const bindFrame = (env: HostEnv) => (t: HostThread) => ({ pfn: kexecOp(env, t).pfn, kernel: true });

/** From the first step of the next kernel to the end of the story. */
const nextKernel = (env: HostEnv): readonly HostItem[] => [
  step('relocate_kernel', { local: bindFrame(env), send: (t) => toPlatform({ type: 'platform.kexec', cpu: t.cpu! }) }),
  call(rmptableInitPath([])),
  ...storeItems(env, isHuge(env)),
  readPlatform('early_enable_iommus'),
  when(
    [knows(({ enforced }) => enforced), [step('panic_if_irq_remap', { send: () => toPlatform({ type: 'platform.booted', hung: true }) })]],
    [otherwise, [step('start_kernel_done', { send: () => toPlatform({ type: 'platform.booted', hung: false }) })]],
  ),
  step('rest_init', { send: (t) => toCpu(t, { type: 'cpu.replaced' }) }),
  host.stop('replaced'),
];

const replaced = (env: HostEnv, setup: KexecSetup, panics: boolean): HostItem =>
  call(
    path(
      panics ? 'crash' : 'kexec',
      kernelSource('kernel/kexec_core.c, kernel_kexec(), crash_kexec()'),
      [step(panics ? 'sysrq_crash' : 'reboot_syscall', { mode: 'kernel' }), goDown(env, setup, panics), ...nextKernel(env)],
      { locals: [...STORE_LOCALS, 'platformStatus'] },
    ),
  );

export const kexecOperations = (env: HostEnv, setup: KexecSetup): readonly (readonly [string, HostItem])[] => [
  ['kexec', replaced(env, setup, false)],
  ['crash', replaced(env, setup, true)],
];
