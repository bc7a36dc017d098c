/** What must hold of the VMSAs that guests exchange: which one VMRUN uses, and of which vCPUs. */
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { Grade } from '../../../actors/path/path.ts';
import type { ApState } from '../../../actors/sev-snp/ap-state.ts';
import type { SevEsContext } from '../../../actors/sev-snp/sev-es-state.ts';
import { alwaysEach, leavesEach, type Property, sometimes } from '../../property.ts';

const vcpuOf = (id: string): string => id.replace('sev_es:', 'vcpu:');

/** Of the first VMRUN that should not have been. */
const noEntry = (name: string, wrong: ApState['wrongEntry'], source: string, grade: Grade, says: string): Property =>
  alwaysEach<SevEsContext>(name, {
    kind: 'sevEsState',
    source,
    grade,
    each: ({ id, context: { ap } }) => (ap?.wrongEntry === wrong ? `${vcpuOf(id)} ${says}` : null),
  });

const hasVmsa = noEntry(
  'ghcb.vmrun-has-vmsa',
  'no-vmsa',
  'arch/x86/kvm/svm/sev.c, pre_sev_run(); kernel commit 72d12715edcd; domain snp h, R15',
  'read',
  'was entered by VMRUN with a VMCB that names no VMSA',
);
const runsItsVmsa = noEntry(
  'ghcb.runs-its-vmsa',
  'stale',
  'APM vol. 2, "VMCB Clean Bits"; domain snp h, R15',
  'decision',
  'was entered by VMRUN with a VMSA that the CPU had kept, and not with the one of its VMCB',
);
const destroyedStaysOut = noEntry(
  'ghcb.destroyed-stays-out',
  'destroyed',
  'GHCB specification, "SNP AP Creation"; arch/x86/kvm/svm/sev.c, sev_es_init_vmcb()',
  'memory',
  'runs with its first VMSA, which its guest has destroyed',
);

const refusalChangesNothing = alwaysEach<SevEsContext>('ghcb.refusal-changes-nothing', {
  kind: 'sevEsState',
  source: 'kernel commit d26638bfcdfc; arch/x86/kvm/svm/sev.c, sev_snp_ap_creation(); SNP-56',
  grade: 'read',
  each: ({ id, context: { ap } }) => (ap?.off === 'refused' ? `${vcpuOf(id)} has lost its VMSA by a request that KVM has refused` : null),
});

/** A vCPU whose own thread does not see that it is to exchange its VMSA keeps it for good. */
const requestIsTaken = leavesEach<SevEsContext>('ghcb.ap-request-taken', {
  kind: 'sevEsState',
  source: 'arch/x86/kvm/x86.c, vcpu_enter_guest(), KVM_REQ_UPDATE_PROTECTED_GUEST_STATE; SNP-56',
  grade: 'read',
  each: ({ id, context: { ap } }) => {
    const pending = ap?.pending;
    return pending === undefined || pending.request === 'create-on-init' ? null : `${vcpuOf(id)} does not take the VMSA that waits for it`;
  },
});

const takesVmsa = sometimes('ghcb.ap-takes-vmsa', {
  kinds: ['sevEsState', 'vcpu'],
  source: 'arch/x86/kvm/svm/sev.c, sev_snp_init_protected_guest_state(); SNP-56',
  grade: 'read',
  check: (world) => {
    const running = new Set(world.actors<Vcpu>('vcpu').flatMap(({ id, context }) => (context.mode === 'IN_GUEST_MODE' ? [id] : [])));
    const started = world.actors<SevEsContext>('sevEsState').find(({ id, context: { ap } }) => {
      const ran = ap?.hasGuestVmsa === true && ap.kept !== undefined && ap.kept.vmsa === ap.vmsa;
      return ran && running.has(vcpuOf(id));
    });
    return started ? `${vcpuOf(started.id)} runs with the VMSA that its guest has made` : null;
  },
});

export const apProperties: readonly Property[] = [
  hasVmsa,
  runsItsVmsa,
  destroyedStaysOut,
  refusalChangesNothing,
  requestIsTaken,
  takesVmsa,
];
