/** RMPUPDATE, and the kernel function that issues it. */
import type { HostOptions } from '../../events/options.ts';
import { host, kernelSource } from '../host/host-env.ts';
import { MICRO_STEPS, toRmp } from './snp-env.ts';

const { path, step, call, loop, when, leaveLoop, leavePath } = host;

/**
 * The instruction. Expects `pfn` and `update`; leaves `result`. Decoding is invisible to others, so
 * it is part of the first step. The operand is checked together with the entry, after the lock,
 * where the manual's order checks it before: a contended entry hides a bad operand.
 * @see domain snp b.3, b.5
 */
const rmpupdateInsn = path('RMPUPDATE', MICRO_STEPS, [
  step('tryLock', {
    insn: true,
    send: (_t, l) => toRmp({ type: 'rmp.lock', pfn: l.pfn! }),
    answers: { 'rmp.locked': (e) => ({ result: e.result }) },
  }),
  when([
    (_t, l) => l.result === 'SUCCESS',
    [
      step('check', {
        send: (_t, l) => toRmp({ type: 'rmp.checkUpdate', pfn: l.pfn!, ...l.update! }),
        answers: { 'rmp.checked': (e) => ({ result: e.result }) },
      }),
      when([
        (_t, l) => l.result === 'SUCCESS',
        [step('writeEntry', { send: (_t, l) => toRmp({ type: 'rmp.writeUpdate', pfn: l.pfn!, ...l.update! }) })],
      ]),
      step('unlock', { insn: false, send: (_t, l) => toRmp({ type: 'rmp.unlock', pfn: l.pfn! }) }),
      leavePath,
    ],
  ]),
  // Refused: the holder of the lock must get on first.
  step('ret', { insn: false, yields: true }),
]);

/**
 * rmpupdate(): repeats the instruction while it fails in a way the kernel version retries; any
 * other failure is dumped and returned as -EFAULT. Expects `pfn` and `update`; leaves `result`.
 * @see domain snp b.4
 * @public
 */
export function rmpupdatePath(options: HostOptions) {
  const retries = options['kvm.rmpupdateRetry'] === 'overlap-and-inuse' ? ['FAIL_OVERLAP', 'FAIL_INUSE'] : ['FAIL_OVERLAP'];
  return path('rmpupdate', kernelSource('arch/x86/virt/svm/sev.c, rmpupdate()'), [
    loop(call(rmpupdateInsn), when([(_t, l) => !retries.includes(l.result!), [leaveLoop]])),
    when([(_t, l) => l.result !== 'SUCCESS', [step('dump_rmpentry')]]),
  ]);
}
