/** The actors of GHCBs: the pages, and what KVM keeps for each vCPU that uses one. */
import { vmsaMutexId } from '../../../actors/sev-snp/ap-creation.ts';
import { apAtStart } from '../../../actors/sev-snp/ap-state.ts';
import { ghcbId, sevEsId } from '../../../actors/sev-snp/ghcb-map.ts';
import type { SevEsInput } from '../../../actors/sev-snp/sev-es-state.ts';
import type { ResolvedScenario, ResolvedVm } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { ghcbUseOf } from './ghcb-operations.ts';
import { ghcbsOf } from './ghcb-sections.ts';
import { launchFrames } from './launch-facts.ts';
import { snpSettingsOf } from './sections.ts';

/** Whether KVM's side of GHCBs is there: where a guest uses the MSR, a page, or a SIPI. */
function usesGhcb(scenario: ResolvedScenario): boolean {
  const { msr, page, sipi } = ghcbUseOf(scenario);
  return sipi || msr.size + page.size > 0;
}
const isEncrypted = ({ type }: ResolvedVm) => type === 'snp' || type === 'sev-es';
/** Of one VM. */
export const hasSevEsState = (scenario: ResolvedScenario, vm: ResolvedVm) => isEncrypted(vm) && usesGhcb(scenario);

export const ghcbActors = (scenario: ResolvedScenario): readonly ActorSpec[] =>
  scenario.vms
    .filter((vm) => hasSevEsState(scenario, vm))
    .flatMap((vm) => [
      ...ghcbsOf(vm).map(({ gfn }) => ({ id: ghcbId(vm.id, gfn), kind: 'ghcbPage', input: null })),
      ...vm.vcpus.flatMap((_, index) => stateOf(scenario, vm, index)),
    ]);

/** PFNs of the VMSAs of the vCPUs, in their order, as far as the scenario has them. */
export const vmsasOf = (vm: ResolvedVm): readonly number[] => [
  ...snpSettingsOf(vm)
    .pages.filter(({ state }) => state === 'vmsa')
    .map(({ pfn }) => pfn),
  ...launchFrames(vm).vmsas,
];

/** Of one vCPU; with its VMSA where guests ask for others. */
function stateOf(scenario: ResolvedScenario, vm: ResolvedVm, index: number): readonly ActorSpec[] {
  const vcpu = `vcpu:${vm.id}/${index}`;
  const registered = ghcbsOf(vm).find((one) => one.vcpu === index)?.gfn ?? null;
  const vmsa = ghcbUseOf(scenario).page.has('ap-creation') ? vmsasOf(vm)[index] : undefined;
  const input: SevEsInput = { registered, ...(vmsa !== undefined && { ap: apAtStart(vmsa) }) };
  return [
    { id: sevEsId(vcpu), kind: 'sevEsState', input },
    ...(vmsa === undefined ? [] : [{ id: vmsaMutexId(vcpu), kind: 'mutex', input: null }]),
  ];
}
