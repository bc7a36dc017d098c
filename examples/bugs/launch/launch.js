/**
 * SNP_LAUNCH_FINISH copies the registers of each vCPU to its VMSA, and gives that page to the guest.
 * Without the mutex of the vCPU another ioctl changes the registers in the middle.
 *
 * @see CVE-2026-31591; cb923ee6a80f
 */
import { cell, fail, GFN, holds, local, makePagePrivate, race, storeToPage, thisVm, under, vcpu, vcpuMutex, when } from 'worldswitch/kit';

const at = vcpu('vm0/0');
/** vcpu->arch.regs, the VMSA, and guest_state_protected. Two registers stand for all. */
const regs = cell('regs', { rip: 0, rsp: 0, vmsaRip: 0, vmsaRsp: 0, isProtected: false }, { per: 'vcpu' });
const value = local('register');
const isProtected = local('isProtected');
const copy = (from, to) => [regs.load(from, value, { at }), regs.store(to, value, { at })];
const isTorn = ({ rip, rsp, vmsaRip, vmsaRsp }) => rip !== vmsaRip || rsp !== vmsaRsp;

const launchFinish = (env, arg) => {
  const vmsa = { at: thisVm(env), gfn: arg('gfn') };
  const protect = [storeToPage(env, vmsa), makePagePrivate(env, vmsa), regs.store('isProtected', true, { at })];
  const items = [...copy('rip', 'vmsaRip'), ...copy('rsp', 'vmsaRsp'), ...protect];
  return env.options['kvm.launchFinish'] === 'locked' ? under(vcpuMutex, { at }, items) : items;
};
const setRegs = (env, arg) => [
  regs.load('isProtected', isProtected, { at }),
  when([isProtected.is(true), fail('EINVAL')]),
  ...['rip', 'rsp'].map((register) => regs.store(register, 1, { at })),
  storeToPage(env, { at: thisVm(env), gfn: arg('gfn') }),
];
const source = 'arch/x86/kvm/svm/sev.c, snp_launch_update_vmsa(); arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_set_regs()';
const args = { gfn: GFN };

export const mechanism = race({
  name: 'launch',
  arches: ['amd'],
  uses: [regs],
  options: { 'kvm.launchFinish': ['off', 'unlocked', 'locked'] },
  ioctls: {
    'launch-finish': { of: 'vm', summary: 'SNP_LAUNCH_FINISH; the page is the VMSA of vCPU 0.', source, args, does: launchFinish },
    'set-regs': { of: 'vcpu', summary: 'KVM_SET_REGS: RIP and RSP.', source, args, does: setRegs },
  },
  properties: [
    holds(regs, 'launch.vmsa-has-the-registers', source, (c) => c.isProtected && isTorn(c) && `protected as ${JSON.stringify(c)}`),
  ],
});
