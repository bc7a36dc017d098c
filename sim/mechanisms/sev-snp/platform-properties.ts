/** What must hold of a host that brings SEV-SNP up. */
import type { PcpuContext } from '../../../actors/host/pcpu-context.ts';
import type { AllocatorContext } from '../../../actors/sev-snp/page-allocator.ts';
import type { PlatformContext } from '../../../actors/sev-snp/snp-platform.ts';
import { always, alwaysEach, type Property, sometimes } from '../../property.ts';
import { hex } from '../../view.ts';

const registers = ({ platform }: PlatformContext) => Object.entries(platform.cpus);

const enabledInOrder = alwaysEach<PlatformContext>('snp.enabled-in-order', {
  kind: 'snpPlatform',
  source: 'arch/x86/virt/svm/sev.c, snp_rmptable_init(); domain snp a.1',
  grade: 'read',
  each: ({ context }) => {
    const first = registers(context).find(([, { snp }]) => snp);
    if (first === undefined) return null;
    const late = registers(context).find(([cpu, { mfdm }]) => !mfdm && !context.offline.includes(cpu));
    if (late !== undefined) return `${first[0]} has SNP enabled, and ${late[0]} has not set MtrrFixDramModEn`;
    return context.platform.table === 'clear' ? null : `${first[0]} has SNP enabled, and the RMP in memory is not zero`;
  },
});

const gatesHold = alwaysEach<PlatformContext>('snp.gates-hold', {
  kind: 'snpPlatform',
  source: 'arch/x86/virt/svm/sev.c, snp_rmptable_init(); drivers/crypto/ccp/sev-dev.c, __sev_snp_init_locked(); SNP-40 to SNP-42, SNP-53',
  grade: 'read',
  each: ({ context: { platform, firm, vms, ...context } }) => {
    const enabled = registers({ platform } as PlatformContext).some(([, { snp }]) => snp);
    if (enabled && !firm.iommu) return 'SNP is enabled, and the IOMMU lets devices pass';
    if (enabled && !firm.covers) return 'SNP is enabled, and the RMP does not cover all RAM';
    if (context.initialized && firm.minor < 51) return `SNP is initialized by firmware 1.${firm.minor}`;
    if (vms > 0 && !firm.param) return 'there is an SNP VM, and the parameter sev_snp is off';
    return vms > 0 && platform.firmware !== 'INIT' ? 'there is an SNP VM, and the firmware is not initialized' : null;
  },
});

const tmrIsOneEntry = alwaysEach<PlatformContext>('snp.tmr-is-one-entry', {
  kind: 'snpPlatform',
  source: 'drivers/crypto/ccp/sev-dev.c, SNP_TMR_SIZE; SNP-63',
  grade: 'read',
  each: ({ context: { initialized, tmr } }) =>
    !initialized || tmr === null || (tmr.frames === 512 && tmr.pfn % 512 === 0)
      ? null
      : `SNP is initialized, and the TMR has ${tmr.frames} frames from PFN ${hex(tmr.pfn)} on`,
});

const enabledOnSome = sometimes('snp.enabled-on-some', {
  kinds: ['snpPlatform'],
  source: 'domain snp SNP-34: the check begins with SNP, on each CPU by itself',
  grade: 'decision',
  check: (world) => {
    const platform = world.actors<PlatformContext>('snpPlatform')[0];
    const cpus = platform ? registers(platform.context) : [];
    const on = cpus.find(([, { snp }]) => snp);
    const off = cpus.find(([, { snp }]) => !snp);
    return on && off ? `${on[0]} checks stores against the RMP, and ${off[0]} does not yet` : null;
  },
});

const firmwareAgrees = alwaysEach<PlatformContext>('snp.firmware-agrees', {
  kind: 'snpPlatform',
  source: 'drivers/crypto/ccp/sev-dev.c, __sev_snp_init_locked(), __sev_snp_shutdown_locked(); domain snp f.2, f.3',
  grade: 'memory',
  each: ({ context: { refused } }) => (refused === null ? null : `the firmware refused ${refused}`),
});

const nextKernelBoots = alwaysEach<PlatformContext>('snp.next-kernel-boots', {
  kind: 'snpPlatform',
  source: 'linux-kernel, September 2024, "x86/sev: Fix host kdump support for SNP"; domain snp h, R17',
  grade: 'read',
  each: ({ context: { next } }) =>
    next?.boot === 'hung'
      ? `the kernel that ${next.cpu} has booted hangs: the IOMMU still enforces what the last kernel left in the RMP`
      : null,
});

const oldKernelIsOver = always('snp.old-kernel-is-over', {
  kinds: ['snpPlatform', 'pcpu'],
  source: 'kernel/kexec_core.c, kernel_kexec(), machine_shutdown(); SNP-14',
  grade: 'read',
  check: (world) => {
    const next = world.actors<PlatformContext>('snpPlatform')[0]?.context.next ?? null;
    const old =
      next && world.actors<PcpuContext>('pcpu').find(({ id, value }) => id !== next.cpu && value !== 'stopped' && value !== 'panic');
    return old ? `${next.cpu} runs another kernel, and ${old.id} still runs the old one` : null;
  },
});

const guestCutOff = sometimes('snp.guest-cut-off', {
  kinds: ['pcpu'],
  source: 'domain snp SNP-14: what VMs had in memory is of no use to the next kernel',
  grade: 'read',
  check: (world) => {
    const cut = world.actors<PcpuContext>('pcpu').find(({ value, context }) => value === 'stopped' && context.letter === 'G');
    return cut ? `${cut.id} has stopped in guest mode` : null;
  },
});

const frameIsUsable = alwaysEach<AllocatorContext>('rmp.free-frame-is-usable', {
  kind: 'pageAllocator',
  source: 'GitHub AMDESE/AMDSEV, issue 245: RMPUPDATE fails with 2 for a frame behind the end of the RMP; domain snp h, R16',
  grade: 'read',
  each: ({ context: { refused } }) =>
    refused === null ? null : `${refused.vm} was given PFN ${hex(refused.pfn)}, which RMPUPDATE does not make private`,
});

export const platformProperties: readonly Property[] = [
  nextKernelBoots,
  oldKernelIsOver,
  frameIsUsable,
  enabledInOrder,
  gatesHold,
  tmrIsOneEntry,
  firmwareAgrees,
  enabledOnSome,
  guestCutOff,
];
