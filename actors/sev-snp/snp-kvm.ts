/**
 * What SEV-SNP fills of KVM and SVM: the VMSA's RMP entry around VMRUN, nested faults, page-state
 * changes, and the blocked entry.
 */

import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, signalPending } from '../host/host-env.ts';
import { blockPath } from '../kvm/block.ts';
import { kickPath } from '../kvm/kick.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import type { KvmParts, SlotItems, WithinStep } from '../kvm/slots.ts';
import { acceptInitAndSipi, leaveIfHalted, updateProtectedState, vmsaOfVmcb } from './ap-creation.ts';
import { npfPath, pscPath } from './exits.ts';
import { ghcbMsrPath, ghcbPath } from './ghcb-exits.ts';
import { toSevEs, unmapGhcbPath } from './ghcb-map.ts';
import type { MsrEffect, NaeEffect } from './ghcb-protocol.ts';
import { guestRequestEvents } from './guest-request.ts';
import { toRmp, vmcbOf, vmsaOf } from './snp-env.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath } = host;

/**
 * VMRUN looks at the RMP entry of the VMSA, and marks it in use; a locked entry is waited for. V1
 * to V4 are one micro-step, V5 is VMRUN itself, E1 to E3 are #VMEXIT.
 * @see domain snp b.5, c 13; R12
 */
const checkVmsa = (exchanged: boolean): SlotItems => ({
  order: 10,
  locals: ['vmsaCheck', ...(exchanged ? (['vmsaPa', 'vmsaIsFresh'] as const) : [])],
  items: (env: HostEnv) => [
    when([
      (t) => vmsaOf(env, t).vmsa !== null,
      [
        ...(exchanged ? vmsaOfVmcb(env, noVmsa) : []),
        loop(
          step('VMRUN_check_vmsa', {
            idles: true,
            ns: 500,
            send: (t, l) => toRmp({ type: 'rmp.enter', pfn: usedVmsa(env, t, l)!, asid: vmsaOf(env, t).asid }),
            answers: { 'rmp.entered': (e) => ({ vmsaCheck: e.outcome }) },
          }),
          when([(_t, l) => l.vmsaCheck !== 'locked', [leaveLoop]]),
        ),
        when([(_t, l) => l.vmsaCheck === 'invalid', noVmsa]),
      ],
    ]),
  ],
});
/** VMEXIT_INVALID, or KVM_EXIT_FAIL_ENTRY without VMRUN. */
const noVmsa: readonly HostItem[] = [note(() => ({ exit: { reason: 'INVALID', info: null } })), leavePath];
/** PFN of the VMSA: the one that the vCPU has all along, unless guests exchange theirs. */
const usedVmsa = (env: HostEnv, t: HostThread, l: HostLocals): number | null => (l.vmsaPa === undefined ? vmsaOf(env, t).vmsa : l.vmsaPa);

/** VMRUN marks the VMCB of every VM, once SNP is enabled. @see domain snp a.4 */
const useVmcb: WithinStep = {
  order: 10,
  send: (env, t, l) => {
    const vmcb = vmcbOf(env, t);
    return [
      ...(vmcb === undefined ? [] : [toRmp({ type: 'rmp.use', pfn: vmcb })]),
      ...(l.vmsaIsFresh ? [outgoing(vcpuOf(env, t).id, { type: 'guest.reset' })] : []),
    ];
  },
};
const leaveVmsa: WithinStep = {
  order: 10,
  send: (env, t, l) => {
    const used = [usedVmsa(env, t, l), vmcbOf(env, t) ?? null].filter((pfn) => pfn !== null);
    return used.map((pfn) => toRmp({ type: 'rmp.leave', pfn }));
  },
};

/** A signal ends the wait and KVM_RUN: the request is still there, and R6 would wait again. */
const blockEntry = (env: HostEnv): readonly HostItem[] => [
  call(blockPath(env, { cleared: 'KVM_REQ_BLOCK_ENTRY' })),
  when([signalPending, [note(() => ({ returns: true })), leaveLoop]]),
];

const snpKvm: KvmParts = {
  entering: useVmcb,
  leaving: leaveVmsa,
  exits: { NPF: (env) => [call(npfPath(env))] },
  nae: { PSC: (env) => [call(pscPath(env))] },
  requests: { KVM_REQ_BLOCK_ENTRY: blockEntry },
};

/** What of the GHCB guests of a scenario use; the rest has no steps. */
export interface GhcbUse {
  /** A guest asks for a report; and for one with certificates. */
  readonly reports: boolean;
  readonly certs: boolean;
  /** What its requests in the GHCB MSR, and its NAE events, have KVM do. */
  readonly msr: ReadonlySet<MsrEffect>;
  readonly page: ReadonlySet<NaeEffect>;
  /** A vCPU sends INIT and SIPI to another one. */
  readonly sipi: boolean;
}

/** INIT and SIPI make their target runnable, which looks at them when it runs. */
const sendSipi = (env: HostEnv): readonly HostItem[] => [
  call(
    path(
      'kvm_apic_send_ipi',
      kernelSource('arch/x86/kvm/lapic.c, kvm_apic_send_ipi(), __apic_accept_irq()'),
      [call(kickPath(env, 'KVM_APIC_SIPI'), (t, l) => ({ owner: vcpuOf(env, t).vm, vcpu: exitInfo(l, 'SIPI').apicId }))],
      { locals: ['owner', 'vcpu'] },
    ),
  ),
];
const acceptEvents = (env: HostEnv): readonly HostItem[] => [
  step('kvm_apic_accept_events', {
    ...kernelSource('arch/x86/kvm/lapic.c, kvm_apic_accept_events(); arch/x86/kvm/svm/sev.c, sev_vcpu_deliver_sipi_vector()'),
    send: (t) => [
      toSevEs(env, t, { type: 'sevEs.sipi' }),
      outgoing(vcpuOf(env, t).id, { type: 'vcpu.clearRequest', request: 'KVM_APIC_SIPI' }),
    ],
  }),
];
const unmapGhcb = (env: HostEnv): readonly HostItem[] => [
  when([(t: HostThread) => env.vms[vcpuOf(env, t).vm]!.hasSevEsState, [call(unmapGhcbPath(env))]]),
];

export function snpKvmOf({ reports, certs, msr, page, sipi }: GhcbUse): KvmParts {
  const exchanged = page.has('ap-creation');
  return {
    ...snpKvm,
    entry: checkVmsa(exchanged),
    exits: { ...snpKvm.exits, ...(sipi && { SIPI: sendSipi }) },
    requests: {
      ...snpKvm.requests,
      ...(sipi && { KVM_APIC_SIPI: exchanged ? (env: HostEnv) => [acceptInitAndSipi(env)] : acceptEvents }),
      ...(exchanged && { KVM_REQ_UPDATE_PROTECTED_GUEST_STATE: updateProtectedState }),
    },
    ...(exchanged && { injection: { order: 10, items: () => leaveIfHalted } }),
    ...(msr.size + page.size > 0 && { beforeEntry: { order: 10, items: unmapGhcb } }),
    nae: {
      ...snpKvm.nae,
      ...(reports && guestRequestEvents(certs)),
      ...(msr.size > 0 && { GHCB_MSR: (env: HostEnv) => [call(ghcbMsrPath(env, msr))] }),
      ...(page.size > 0 && { GHCB: (env: HostEnv) => [call(ghcbPath(env, page))] }),
    },
  };
}
