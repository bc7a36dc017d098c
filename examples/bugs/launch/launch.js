/**
 * SNP_LAUNCH_FINISH copies the registers of each vCPU to its VMSA, and gives that page to the guest.
 * Without the mutex of the vCPU another ioctl changes the registers in the middle.
 *
 * @see CVE-2026-31591; cb923ee6a80f
 */
import { cell, fail, GFN, holds, local, makePagePrivate, race, storeToPage, thisVm, vcpu, vcpuMutex, when } from 'worldswitch/kit';

const at = vcpu('vm0/0');
/** vcpu->arch.regs, the VMSA, and guest_state_protected. Two registers stand for all. */
const regs = cell('regs', { rip: 0, rsp: 0, vmsaRip: 0, vmsaRsp: 0, isProtected: false }, { per: 'vcpu' });
const value = local('register');
const isProtected = local('isProtected');
const copy = (from, to) => [regs.load(from, value, { at }), regs.store(to, (_thread, locals) => value.of(locals), { at })];
const vmsa = (env, arg) => ({ at: thisVm(env), gfn: arg('gfn') });

export const mechanism = race({
  name: 'launch',
  arches: ['amd'],
  uses: [regs],
  options: { 'kvm.launchFinish': ['off', 'unlocked', 'locked'] },
  ioctls: {
    'launch-finish': {
      of: 'vm',
      summary: 'SNP_LAUNCH_FINISH of a VM with one vCPU, whose VMSA is this page.',
      source: 'arch/x86/kvm/svm/sev.c, snp_launch_update_vmsa()',
      args: { gfn: GFN },
      does: (env, arg) => {
        const protect = [storeToPage(env, vmsa(env, arg)), makePagePrivate(env, vmsa(env, arg)), regs.store('isProtected', true, { at })];
        const items = [...copy('rip', 'vmsaRip'), ...copy('rsp', 'vmsaRsp'), ...protect];
        return env.options['kvm.launchFinish'] === 'locked' ? [vcpuMutex.lock({ at }), ...items, vcpuMutex.unlock({ at })] : items;
      },
    },
    'set-regs': {
      of: 'vcpu',
      summary: 'KVM_SET_REGS: RIP and RSP of a vCPU.',
      source: 'arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_set_regs()',
      args: { gfn: GFN },
      does: (env, arg) => [
        regs.load('isProtected', isProtected, { at }),
        when([isProtected.is(true), fail('EINVAL')]),
        ...['rip', 'rsp'].map((register) => regs.store(register, 1, { at })),
        storeToPage(env, vmsa(env, arg)),
      ],
    },
  },
  properties: [
    holds(
      regs,
      'launch.vmsa-has-the-registers',
      'SEV-SNP firmware ABI, "SNP_LAUNCH_UPDATE"',
      (c) => c.isProtected && (c.rip !== c.vmsaRip || c.rsp !== c.vmsaRsp) && `protected with others than were set: ${JSON.stringify(c)}`,
    ),
  ],
});
