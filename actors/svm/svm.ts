/**
 * The SVM half of the run loop: VMRUN to #VMEXIT, and VMGEXIT, by which an SEV-ES guest asks for
 * something.
 *
 * @see kernel arch/x86/kvm/svm/svm.c, svm_vcpu_run(); arch/x86/kvm/svm/sev.c, sev_handle_vmgexit();
 * APM vol. 2, "VMRUN"
 */
import type { NaeEvent } from '../../events/svm.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { exitInfo } from '../kvm/kvm-env.ts';
import type { Vendor } from '../kvm/kvm-run.ts';
import { x86Vendor } from '../kvm/x86.ts';
import { otherwise } from '../path/path.ts';
import { saying } from '../path/saying.ts';

const { step, when, note } = host;

declare module '../kvm/slots.ts' {
  interface Keyed {
    /**
     * VMGEXIT by NAE event: each that a guest asks for has a handler, but for TERMINATE, which ends
     * KVM_RUN.
     */
    readonly nae: Readonly<Partial<Record<NaeEvent, (env: HostEnv) => readonly HostItem[]>>>;
  }
}

const asksFor = (nae: string) => saying(`the NAE event is ${nae}`, (_t: HostThread, l: HostLocals) => exitInfo(l, 'VMGEXIT').nae === nae);

/** sev_handle_vmgexit(): by NAE event. */
const handleVmgexit = (env: HostEnv): readonly HostItem[] => {
  const handlers = Object.entries(env.slots.keyed('nae')).map(([nae, items]) => [asksFor(nae), items(env)] as const);
  const toUser = (_t: HostThread, l: HostLocals) => {
    const { nae } = exitInfo(l, 'VMGEXIT');
    return { returns: nae === 'TERMINATE' || env.slots.refuse('nae', nae, env) };
  };
  return [when(...handlers, [otherwise, [note(toUser)]])];
};

export const svmVendor: Vendor = {
  name: 'svm',
  ...x86Vendor,
  isRecorded: true,
  prepare: [
    step('svm_prepare_switch_to_guest', {
      source: 'arch/x86/kvm/svm/svm.c, svm_prepare_switch_to_guest(); test/recordings/6.12-full/fg-run.gz:76-78',
      grade: 'recorded',
    }),
  ],
  worldSwitch: {
    name: 'svm_vcpu_run',
    ...kernelSource('arch/x86/kvm/svm/svm.c, svm_vcpu_run(); APM vol. 2, "VMRUN"'),
    enter: 'VMRUN',
    leave: 'VMEXIT',
    hasInsns: true,
  },
  userIo: {
    pio: { name: 'io_interception', ...kernelSource('arch/x86/kvm/svm/svm.c, io_interception(); arch/x86/kvm/x86.c, kvm_fast_pio()') },
    mmio: {
      name: 'npf_interception',
      ...kernelSource('arch/x86/kvm/svm/svm.c, npf_interception(); arch/x86/kvm/mmu/mmu.c, kvm_mmu_page_fault()'),
    },
    emulates: true,
  },
  parts: { requests: x86Vendor.requests, exits: { ...x86Vendor.exits, VMGEXIT: handleVmgexit } },
  keyed: ['fastpath', 'nae'],
};
