/**
 * Exits of an x86 guest that KVM resolves without user space: a page that the nested page tables
 * lack, and an instruction that KVM carries out.
 *
 * Left out: fast_page_fault(), page tracking, shadow paging, faults that wait for their page.
 *
 * @see kernel arch/x86/kvm/mmu/mmu.c, kvm_mmu_page_fault(), kvm_tdp_page_fault(),
 * direct_page_fault(); arch/x86/kvm/mmu/tdp_mmu.c, kvm_tdp_mmu_map(); virt/kvm/kvm_main.c,
 * hva_to_pfn_slow()
 */
import { type HostEnv, host, kernelSource } from '../host/host-env.ts';
import { readLockMmuPath, readUnlockMmu } from './mmu-lock.ts';
import type { KvmParts } from './slots.ts';

const { path, step, call } = host;

/**
 * A fault in the nested page tables: #NPF, EPT violation. The page is found first, and then mapped.
 */
const pageFaultPath = (env: HostEnv) =>
  path('kvm_mmu_page_fault', kernelSource('arch/x86/kvm/mmu/mmu.c, kvm_mmu_page_fault(), direct_page_fault(), 6.1'), [
    // hva_to_pfn_slow() begins with might_sleep().
    step('kvm_faultin_pfn', { mayResched: true }),
    call(readLockMmuPath(env)),
    step('kvm_tdp_mmu_map'),
    readUnlockMmu(env),
  ]);

/**
 * Handlers of the exits that programs of a scenario cause; a host without such programs has none.
 */
export const kernelExitParts = (used: ReadonlySet<string>): KvmParts => ({
  exits: {
    ...(used.has('touch') && { TDP_FAULT: (env: HostEnv) => [call(pageFaultPath(env))] }),
    ...(used.has('intercept') && {
      INTERCEPT: () => [
        step('kvm_x86_handle_exit', {
          source: 'arch/x86/kvm/svm/svm.c, svm_invoke_exit_handler(); arch/x86/kvm/vmx/vmx.c, __vmx_handle_exit()',
        }),
      ],
    }),
  },
});
