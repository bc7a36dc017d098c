/** PSMASH, and the kernel function that issues it. */
import { host, kernelSource } from '../host/host-env.ts';
import { headOf } from './rmp-table.ts';
import { MICRO_STEPS, toRmp } from './snp-env.ts';

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
