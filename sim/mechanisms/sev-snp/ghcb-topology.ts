/** The actors of GHCBs: the pages, and what KVM keeps for each vCPU that uses one. */
import { ghcbId, sevEsId } from '../../../actors/sev-snp/ghcb-map.ts';
import type { SevEsInput } from '../../../actors/sev-snp/sev-es-state.ts';
import type { ResolvedScenario, ResolvedVm } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { ghcbUseOf } from './ghcb-operations.ts';
import { ghcbsOf } from './ghcb-sections.ts';

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
      ...vm.vcpus.map((_, index) => {
        const registered = ghcbsOf(vm).find(({ vcpu }) => vcpu === index)?.gfn ?? null;
        return { id: sevEsId(`vcpu:${vm.id}/${index}`), kind: 'sevEsState', input: { registered } satisfies SevEsInput };
      }),
    ]);
