/** Changes of one line of AP creation that a claim must notice. */
import type { Mutant } from '../../host/mechanism.ts';
import { answers, lessSent, patched, without } from './ghcb-mutants.ts';

export const AP_MUTANTS: Readonly<Record<string, Mutant>> = {
  'snp-ap-vmcb-clean': patched('A vCPU takes its VMSA, and no bit of its VMCB is marked dirty.', 'kvm_vcpu_reset', without('init_vmcb')),
  'snp-ap-unkicked': patched('KVM notes the VMSA for a vCPU, and does not tell it.', 'sev_snp_ap_creation', without('kvm_vcpu_kick')),
  'snp-ap-refusal-untold': patched(
    'An AP creation that KVM refuses is answered as if it were done.',
    'sev_handle_vmgexit',
    answers((answer) => (answer.info2 === 5 ? { info1: 0, info2: 0 } : answer)),
  ),
  'snp-ap-untaken': patched(
    'A vCPU that gives its VMSA up is left without the one that waits for it.',
    'sev_snp_init_protected_guest_state',
    lessSent('KVM_MP_STATE_RUNNABLE', (type) => type !== 'sevEs.setVmsa'),
  ),
};
