/** PSMASH, the kernel function that issues it, and the fault that needs a 2M entry split. */
import { type HostEnv, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import { headOf } from './rmp-table.ts';
import { frameOf, MICRO_STEPS, toRmp } from './snp-env.ts';

const { path, step, call, loop, when, leaveLoop, leavePath } = host;

/**
 * The instruction. Expects `pfn`, a frame of the region; leaves `result`. S1 and S2 are part of the
 * first step and of the check after the lock; the writes behind the head (S5) are one step, as the
 * head tells others of them (S6) when they are all done.
 * @see domain snp b.3, b.5
 */
const psmashInsn = path('PSMASH', MICRO_STEPS, [
  step('tryLock', {
    insn: true,
    send: (_t, l) => toRmp({ type: 'rmp.lock', pfn: headOf(l.pfn!), smash: true }),
    answers: { 'rmp.locked': (e) => ({ result: e.result }) },
  }),
  when([
    (_t, l) => l.result === 'SUCCESS',
    [
      step('check', {
        send: (_t, l) => toRmp({ type: 'rmp.checkSmash', pfn: headOf(l.pfn!) }),
        answers: { 'rmp.checked': (e) => ({ result: e.result }) },
      }),
      when([
        (_t, l) => l.result === 'SUCCESS',
        [
          step('writeEntries', { send: (_t, l) => toRmp({ type: 'rmp.smashTails', pfn: headOf(l.pfn!) }) }),
          step('clearHeadSize', { send: (_t, l) => toRmp({ type: 'rmp.smashHead', pfn: headOf(l.pfn!) }) }),
        ],
      ]),
      step('unlock', { insn: false, send: (_t, l) => toRmp({ type: 'rmp.unlock', pfn: headOf(l.pfn!) }) }),
      leavePath,
    ],
  ]),
  // Refused: the holder of the lock must get on first.
  step('ret', { insn: false, yields: true }),
]);

/** Expects `pfn`; leaves `result`. @see domain snp b.4 */
export const snpRmptablePsmash = path('snp_rmptable_psmash', kernelSource('arch/x86/kvm/svm/sev.c, snp_rmptable_psmash()'), [
  loop(call(psmashInsn), when([(_t, l) => l.result !== 'FAIL_INUSE', [leaveLoop]])),
]);

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
