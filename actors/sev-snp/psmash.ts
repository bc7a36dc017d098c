/** Who needs a 2M entry split: a nested fault by its size, and a hole in a guest_memfd. */
import { outgoing } from '../../events/event.ts';
import type { RmpUpdate } from '../../events/sev-snp/rmp.ts';
import { type HostEnv, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import { updateRmpPath } from './direct-map.ts';
import { SHARED } from './page-fault.ts';
import { snpRmptablePsmash } from './rmptable-psmash.ts';
import { frameOf, toRmp } from './snp-env.ts';
import { zapAround } from './stale-tlb.ts';

const { path, step, call, when, leavePath } = host;

const lookup = (name: string) =>
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

const SHARED_2M: RmpUpdate = { ...SHARED, pageSize: '2M' };

/**
 * A hole is punched into the guest_memfd: the frames go back to the allocator, and before that to
 * the hypervisor. A 4K frame of a 2M entry needs PSMASH first. What fails is reported, and the
 * frame is freed all the same.
 */
export function punchHolePath(env: HostEnv) {
  const zap = zapAround(env);
  const splits = env.options['kvm.gmemSplit'] === 'psmash';
  const isWhole = (t: HostThread) => {
    const op = opOf(env, t);
    return op.op === 'punch-hole' && op.size === '2M';
  };
  return path(
    'sev_gmem_invalidate',
    kernelSource('virt/kvm/guest_memfd.c, kvm_gmem_punch_hole(), kvm_gmem_free_folio(); arch/x86/kvm/svm/sev.c, sev_gmem_invalidate()'),
    [
      step('fallocate', { mode: 'kernel' }),
      ...zap.first,
      lookup('snp_lookup_rmpentry'),
      when([
        (_t, l) => l.assigned === true,
        [
          ...(splits
            ? [
                when([
                  (t: HostThread, l: { readonly huge?: boolean | undefined }) => l.huge === true && !isWhole(t),
                  [call(snpRmptablePsmash), when([(_t, l) => l.result !== 'SUCCESS', [step('WARN_psmash')]])],
                ]),
              ]
            : []),
          call(updateRmpPath(env), (t, l) => ({ update: l.huge === true && isWhole(t) ? SHARED_2M : SHARED })),
          when([(_t, l) => l.result !== 'SUCCESS', [step('WARN_rmp_make_shared')]]),
        ],
      ]),
      ...zap.last,
      step('kvm_gmem_free_folio', { send: (_t, l) => outgoing(env.vms[l.vm!]!.pages, { type: 'pages.free', pfn: l.pfn! }) }),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['vm', 'gfn', 'pfn', 'assigned', 'huge', 'update', 'result'] },
  );
}
export const bindPunchHole = (env: HostEnv) => (t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'punch-hole') throw new Error(`${op.op} punches no hole`);
  return { vm: op.vm, gfn: op.gfn, pfn: frameOf(env, op.vm, op.gfn) };
};
