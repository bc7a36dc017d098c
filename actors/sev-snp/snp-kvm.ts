/**
 * What SEV-SNP fills of KVM and SVM: the VMSA's RMP entry around VMRUN, nested faults, page-state
 * changes, and the blocked entry.
 */
import { type HostEnv, type HostItem, host, signalPending } from '../host/host-env.ts';
import { blockPath } from '../kvm/block.ts';
import type { KvmParts, SlotItems, WithinStep } from '../kvm/slots.ts';
import { npfPath, pscPath } from './exits.ts';
import { guestRequestPath } from './guest-request.ts';
import { toRmp, vmcbOf, vmsaOf } from './snp-env.ts';

const { step, call, loop, when, note, leaveLoop, leavePath } = host;

/**
 * VMRUN looks at the RMP entry of the VMSA, and marks it in use; a locked entry is waited for. V1
 * to V4 are one micro-step, V5 is VMRUN itself, E1 to E3 are #VMEXIT.
 * @see domain snp b.5, c 13; R12
 */
const checkVmsa: SlotItems = {
  order: 10,
  locals: ['vmsaCheck'],
  items: (env: HostEnv) => [
    when([
      (t) => vmsaOf(env, t).vmsa !== null,
      [
        loop(
          step('VMRUN_check_vmsa', {
            idles: true,
            ns: 500,
            send: (t) => toRmp({ type: 'rmp.enter', pfn: vmsaOf(env, t).vmsa!, asid: vmsaOf(env, t).asid }),
            answers: { 'rmp.entered': (e) => ({ vmsaCheck: e.outcome }) },
          }),
          when([(_t, l) => l.vmsaCheck !== 'locked', [leaveLoop]]),
        ),
        when([(_t, l) => l.vmsaCheck === 'invalid', [note(() => ({ exit: { reason: 'INVALID', info: null } })), leavePath]]),
      ],
    ]),
  ],
};

/** VMRUN marks the VMCB of every VM, once SNP is enabled. @see domain snp a.4 */
const useVmcb: WithinStep = {
  order: 10,
  send: (env, t) => {
    const vmcb = vmcbOf(env, t);
    return vmcb === undefined ? [] : [toRmp({ type: 'rmp.use', pfn: vmcb })];
  },
};
const leaveVmsa: WithinStep = {
  order: 10,
  send: (env, t) => {
    const { vmsa } = vmsaOf(env, t);
    const used = [vmsa, vmcbOf(env, t) ?? null].filter((pfn) => pfn !== null);
    return used.map((pfn) => toRmp({ type: 'rmp.leave', pfn }));
  },
};

/** A signal ends the wait and KVM_RUN: the request is still there, and R6 would wait again. */
const blockEntry = (env: HostEnv): readonly HostItem[] => [
  call(blockPath(env, { cleared: 'KVM_REQ_BLOCK_ENTRY' })),
  when([signalPending, [note(() => ({ returns: true })), leaveLoop]]),
];

export const snpKvm: KvmParts = {
  entry: checkVmsa,
  entering: useVmcb,
  leaving: leaveVmsa,
  exits: { NPF: (env) => [call(npfPath(env))] },
  nae: { PSC: (env) => [call(pscPath(env))] },
  requests: { KVM_REQ_BLOCK_ENTRY: blockEntry },
};

/** Where a guest asks for a report; elsewhere nothing takes the path to the firmware. */
export const snpKvmWithReports: KvmParts = {
  ...snpKvm,
  nae: { ...snpKvm.nae, GUEST_REQUEST: (env) => [call(guestRequestPath(env))] },
};
