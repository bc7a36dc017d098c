/** A host on which a thread makes a request of a vCPU, and does not kick it. */
import { vcpu } from '../../../../actors/kvm/kit-here.ts';
import { request } from '../../../../actors/kvm/kit-requests.ts';
import { race } from '../../../../sim/host/race.ts';
import { register } from '../../../../sim/host/registry.ts';
import { scenario } from '../../../../sim/scenario/build.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { resolved } from '../../../sim/play.ts';
import { calls, TEST } from './kvm-raced.ts';

function made(): { readonly scenario: ResolvedScenario; readonly undo: () => void } {
  const asks = calls(() => [request('KVM_REQ_ALONE').make({ at: vcpu('vm0/0') })]);
  const undo = register(
    race({
      name: 'request-alone',
      arches: ['amd'],
      requests: { KVM_REQ_ALONE: { source: TEST, does: () => [] } },
      operations: { 'asks-alone': asks },
    }),
  );
  const source = {
    name: 'request-alone',
    summary: TEST,
    host: { arch: 'amd' },
    vms: { vm0: { type: 'svm', vcpus: [[{ intercept: { name: 'cpuid' } }]] } },
    processes: { p: { threads: [[{ KVM_RUN: { vcpu: 'vm0/0' } }], [{ 'asks-alone': {} }]] } },
    properties: {},
  };
  return { scenario: resolved(scenario(source as never)), undo };
}
/** Its mechanism is registered until it is undone. */
export const requestAlone = made();
