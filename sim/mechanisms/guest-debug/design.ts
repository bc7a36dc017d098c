/** How KVM and the guests of a host debug, by its vendor, its kernel and its options. */
import { type VcpuDebugDesign, vcpuDebugDesign } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import type { DebugVendor } from '../../../actors/guest-debug/x86-debug-rule.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';

export const vendorOf = ({ host }: ResolvedScenario): DebugVendor => (host.arch === 'amd' ? 'svm' : 'vmx');

export function designOf(scenario: ResolvedScenario): VcpuDebugDesign {
  const { kernel, options } = scenario.host;
  return vcpuDebugDesign(vendorOf(scenario), kernel, options);
}
