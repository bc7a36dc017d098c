/** Changes of one line in the launch of guests, each of which a claim must notice. */

import { type PathPatch, replaceStep, swapSteps, withoutSteps } from '../../../actors/path/patch.ts';
import type { Item } from '../../../actors/path/path.ts';
import { LAUNCH_RULES, type LaunchRules } from '../../../actors/sev-es-debug/launch-rule.ts';
import { esVcpuMachine } from '../../../actors/sev-es-debug/launch-vcpu.ts';
import type { LaunchDesign } from '../../../events/sev-es-debug/launch.ts';
import type { Mutant } from '../../host/mechanism.ts';

/** Another rule of a vCPU, all else as the scenario has it. */
const rule = (summary: string, change: Partial<LaunchRules>): Mutant => ({
  summary,
  machines: { esVcpu: (_machine, { host: { options } }) => esVcpuMachine(options, { ...LAUNCH_RULES, ...change }) },
});

/** Another design of a vCPU, while the paths stay those of the scenario. */
const machines = (change: Partial<LaunchDesign>): NonNullable<Mutant['machines']> => ({
  esVcpu: (_machine, { host: { options } }) => esVcpuMachine({ ...options, ...change }),
});

const path = (summary: string, name: string, ...patches: readonly PathPatch[]): Mutant => ({ summary, paths: { [name]: patches } });

/** A step in the place of another: it does nothing, and takes its time. */
const insteadOf =
  (...names: readonly string[]): PathPatch =>
  (before) =>
    names.reduce(
      (current, name) =>
        replaceStep(current, name, (item) => [
          { kind: 'step', name: `no_${name}` } as typeof item as Item<never, never, never> as typeof item,
        ]),
      before,
    );

const { interceptsOf, registerIoctl, syncedRegisters, updateVmsa } = LAUNCH_RULES;

export const sevLaunchMutants: Readonly<Record<string, Mutant>> = {
  'sev-debug-after-launch': rule('KVM_SET_GUEST_DEBUG works on a vCPU whose registers are protected', { setGuestDebug: () => null }),
  'sev-debug-before-launch': rule('KVM_SET_GUEST_DEBUG works until the registers are encrypted, whatever the design', {
    setGuestDebug: (_design, { encrypted }) => (encrypted ? 'EINVAL' : null),
  }),
  'sev-debug-never': rule('KVM_SET_GUEST_DEBUG fails on every vCPU', { setGuestDebug: () => 'EINVAL' }),
  'sev-debug-does-not-ask': path(
    'KVM_SET_GUEST_DEBUG does not ask for guest_state_protected',
    'KVM_SET_GUEST_DEBUG',
    withoutSteps('guest_state_protected_test'),
  ),
  'sev-launch-ignores-debugger': rule('LAUNCH_UPDATE_VMSA does not look at guest_debug', {
    updateVmsa: (design, at, debugged) => updateVmsa(design, at, { ...debugged, guestDebug: false }),
  }),
  'sev-launch-sees-debugger': rule('LAUNCH_UPDATE_VMSA fails where a debugger is, whatever the design', {
    updateVmsa: (_design, { encrypted }, { guestDebug }) => ({ errno: encrypted || guestDebug ? 'EINVAL' : null, sanitizes: false }),
  }),
  'sev-launch-refuses-always': rule('LAUNCH_UPDATE_VMSA fails', { updateVmsa: () => ({ errno: 'EINVAL', sanitizes: false }) }),
  'sev-sanitize-nothing': rule('LAUNCH_UPDATE_VMSA leaves a debugger that it should take away', {
    updateVmsa: (design, at, debugged) => ({ ...updateVmsa(design, at, debugged), sanitizes: false }),
  }),
  'sev-registers-after-launch': rule('ioctls set registers that are protected', { registerIoctl: () => 'done' }),
  'sev-registers-refused-early': rule('ioctls on registers fail before the launch', { registerIoctl: () => 'EINVAL' }),
  'sev-registers-refused': rule('ioctls on protected registers fail, whatever the type of the VM', {
    registerIoctl: (design, ioctl, at) => (registerIoctl(design, ioctl, at) === 'done' ? 'done' : 'EINVAL'),
  }),
  'sev-sregs-stored': rule('KVM_SET_SREGS stores until the registers are encrypted', {
    registerIoctl: (design, ioctl, at) => registerIoctl({ ...design, 'sev.sregsKey': 'vmsa-encrypted' }, ioctl, at),
  }),
  'sev-fpu-allocated': rule('a vCPU has an FPU that no design gives it', {
    registerIoctl: (design, ioctl, at) => registerIoctl({ ...design, 'sev.guestFpu': 'confidential-at-launch' }, ioctl, at),
  }),
  'sev-v3-protects-late': rule('guest_state_protected is clear until the launch', { protectedFromStart: () => false }),
  'sev-sync-forgets-registers': rule('the sync leaves the general registers out', {
    syncedRegisters: (vcpu, features) => ({ ...syncedRegisters(vcpu, features), gprs: 0 }),
  }),
  'sev-sync-forgets-features': rule('the sync leaves SEV_FEATURES out', { syncedRegisters: (vcpu) => syncedRegisters(vcpu, 0) }),
  'sev-sync-adds-debug-swap': rule('the sync adds DebugSwap', {
    syncedRegisters: (vcpu, features) => syncedRegisters(vcpu, features | 0x20),
  }),
  'sev-intercepts-stay': rule('DR7 and #DB stay intercepted with DebugSwap', { interceptsOf: () => ({ dr7: true, db: true }) }),
  'sev-db-intercept-stays': rule('#DB stays intercepted with DebugSwap, and DR7 does not', {
    interceptsOf: (features) => ({ ...interceptsOf(features), db: true }),
  }),
  'sev-launch-unlocked': path(
    'SNP_LAUNCH_FINISH takes no mutex of a vCPU',
    'snp_launch_finish',
    insteadOf('kvm_lock_all_vcpus', 'kvm_unlock_all_vcpus'),
  ),
  'sev-move-writes-null': {
    summary: 'a move writes SEV_FEATURES before the VMSA is there',
    machines: machines({ 'sev.featuresWrite': 'init-vmcb' }),
  },
  'sev-move-writes-encrypted': {
    summary: 'a move writes SEV_FEATURES when the VMSA is there',
    paths: { sev_migrate_from: [swapSteps('sev_init_vmcb', 'transfer_vmsa')] },
    machines: machines({ 'sev.featuresWrite': 'init-vmcb-transferred' }),
  },
  'sev-move-keeps-vmcb': path('a move leaves the VMCB of the destination as it is', 'sev_migrate_from', withoutSteps('sev_init_vmcb')),
  'sev-move-vcpus-unlocked': path(
    'a move takes no mutex of the vCPUs of its source',
    'KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM',
    insteadOf('lock_vcpus_source', 'unlock_vcpus_source'),
  ),
  'sev-move-forgets-guest': path(
    'a move leaves struct kvm_sev_info, and with it the handle of the firmware, to the source',
    'sev_migrate_from',
    insteadOf('copy_kvm_sev_info'),
  ),
  'sev-move-unguarded': path(
    'a move does not set migration_in_progress',
    'KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM',
    insteadOf('migration_in_progress_destination', 'migration_in_progress_source'),
  ),
};
