/**
 * What SEV-ES fills of KVM's run loop: before an entry the host's registers go to the host save
 * area of the CPU, from where #VMEXIT brings them back.
 *
 * @see kernel arch/x86/kvm/svm/sev.c, sev_es_prepare_switch_to_guest(); domain debug-and-split-lock
 * A.2, A.10
 */
import type { VmsaFeature } from '../../events/sev-es-debug/sev-es-debug.ts';
import { type HostEnv, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { vcpuOf } from '../kvm/kvm-env.ts';
import type { KvmParts, SlotItems } from '../kvm/slots.ts';

const { step, when } = host;

declare module '../kvm/kvm-env.ts' {
  interface VmFacts {
    /** Of a guest with encrypted register state: what KVM believes of its VMSAs. */
    readonly sevEs?: { readonly vmsaFeatures: readonly VmsaFeature[] };
  }
}

/** Behind guest debugging's. */
const ORDER = 30;

const isSevEs =
  (env: HostEnv) =>
  (t: HostThread): boolean =>
    env.vms[vcpuOf(env, t).vm]!.sevEs !== undefined;

/** E1 to E5. */
const prepare: SlotItems = {
  order: ORDER,
  items: (env) => [
    when([
      isSevEs(env),
      [step('sev_es_prepare_switch_to_guest', kernelSource('arch/x86/kvm/svm/sev.c, sev_es_prepare_switch_to_guest()'))],
    ]),
  ],
};

export const sevEsKvm: KvmParts = { beforeEntry: prepare };
