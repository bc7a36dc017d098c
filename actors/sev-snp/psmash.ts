/** The nested fault that needs a 2M entry split. */
import { type HostEnv, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import { snpRmptablePsmash } from './rmptable-psmash.ts';
import { frameOf, toRmp } from './snp-env.ts';

const { path, step, call, when, leavePath } = host;

export const lookup = (name: string) =>
  step(name, {
    send: (_t, l) => toRmp({ type: 'rmp.read', pfn: l.pfn! }),
    answers: { 'rmp.entry': (e) => ({ assigned: e.entry.assigned, huge: e.huge === true }) },
  });

/**
 * #NPF with SIZEM: an instruction of the guest is of 4K of a 2M entry. The entry may have been
 * split since, for another vCPU: then there is nothing to do. The guest executes the instruction
 * again.
 * Expects `pfn` of the page that the exit names.
 * @see domain snp c, "Host response to #NPF"; h, R9
 */
export const sizeMismatchPath = path(
  'sev_handle_rmp_fault',
  kernelSource('arch/x86/kvm/svm/sev.c, sev_handle_rmp_fault()'),
  [
    lookup('snp_lookup_rmpentry'),
    when(
      [(_t, l) => l.assigned !== true, [step('pr_warn_not_assigned'), leavePath]],
      [(_t, l) => l.huge !== true, [step('trace_kvm_rmp_fault'), leavePath]],
    ),
    call(snpRmptablePsmash),
    when([
      (_t, l) => l.result !== 'SUCCESS',
      [
        lookup('snp_lookup_rmpentry_again'),
        when([(_t, l) => l.assigned === true && l.huge !== true, [leavePath]]),
        step('pr_warn_unable_to_split'),
      ],
    ]),
    step('kvm_zap_gfn_range'),
  ],
  { locals: ['assigned', 'huge', 'result'] },
);
export const bindSizeMismatch = (env: HostEnv) => (t: HostThread, l: Parameters<typeof exitInfo>[0]) => ({
  vm: vcpuOf(env, t).vm,
  pfn: frameOf(env, vcpuOf(env, t).vm, exitInfo(l, 'NPF').gfn),
});
