/**
 * What the firmware measures of a VM of a scenario: its pages, then the VMSA of each vCPU, as KVM
 * gives them.
 *
 * @see kernel arch/x86/kvm/svm/sev.c, snp_launch_finish(), snp_launch_update_vmsa()
 */
import { type LaunchPage, pageDigest, VMSA_GPA } from '../../../actors/sev-snp/firmware/launch-digest.ts';
import { SEV_FEATURES } from '../../../actors/sev-snp/firmware/sev-features.ts';
import { RESET_EIP, vmsaPage } from '../../../actors/sev-snp/firmware/vmsa-page.ts';
import { mechanismsOf } from '../../host/registry.ts';
import type { ResolvedScenario, ResolvedVm } from '../../scenario/types.ts';
import { pageOf, SIGNATURE_DEFAULT } from './launch-page.ts';
import { launchOf } from './launch-sections.ts';

/** SEV_FEATURES of its VMSAs: SNPActive, which KVM sets, and what other mechanisms give. */
function sevFeaturesOf(scenario: ResolvedScenario, vm: ResolvedVm): bigint {
  const asked = mechanismsOf(scenario.host.arch).map((mechanism) => {
    const { sevFeatures = 0 } = (mechanism.vm?.(scenario, vm).facts ?? {}) as { readonly sevFeatures?: number };
    return sevFeatures;
  });
  return BigInt(asked.reduce((bits, more) => bits | more, SEV_FEATURES.snpActive));
}

/** The pages of a VM with a launch, in the order in which the firmware takes them. */
export function launchPagesOf(scenario: ResolvedScenario, vm: ResolvedVm): readonly LaunchPage[] | undefined {
  const setup = launchOf(vm);
  if (setup === undefined) return undefined;
  const { pages, signature = SIGNATURE_DEFAULT, apEip = RESET_EIP } = setup;
  const sevFeatures = sevFeaturesOf(scenario, vm);
  const vmsas = vm.vcpus.map((_, index): LaunchPage => {
    const page = vmsaPage({ eip: index === 0 ? RESET_EIP : apEip, sevFeatures, signature, x87: 'initial' });
    return { type: 'vmsa', gpa: VMSA_GPA, sha384: pageDigest(page) };
  });
  return [...pages.map(pageOf), ...vmsas];
}
