/** RMPUPDATE, and the kernel function that issues it. */
import type { ThreadEvent } from '../../events/index.ts';
import type { HostOptions } from '../../events/options.ts';
import { type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import type { Item } from '../path/path.ts';
import { MICRO_STEPS, toRmp } from './snp-env.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath } = host;

/**
 * The instruction. Expects `pfn` and `update`; leaves `result`. Decoding is invisible to others, so
 * it is part of the first step. The operand is checked together with the entry, after the lock,
 * where the manual's order checks it first: a contended entry hides a bad operand.
 * @see domain snp b.3, b.5
 */
const rmpupdateInsn = (overlaps: boolean) =>
  path('RMPUPDATE', MICRO_STEPS, [
    step('tryLock', {
      insn: true,
      send: (_t, l) => toRmp({ type: 'rmp.lock', pfn: l.pfn!, ...(l.update!.pageSize === '2M' && { wide: true }) }),
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
        // Another CPU has to split the region, or to take its 4K entries from it.
        ...(overlaps
          ? [when([(_t: HostThread, l: HostLocals) => l.result === 'FAIL_OVERLAP', [step('ret_overlap', { yields: true })]])]
          : []),
        leavePath,
      ],
    ]),
    // Refused: the holder of the lock must get on first.
    step('ret', { insn: false, yields: true }),
  ]);

const TRIES_MAX = 96;
const counted: readonly Item<HostThread, HostLocals, ThreadEvent>[] = [
  note((_t, l) => ({ tries: (l.tries ?? 0) + 1 })),
  when([(_t, l) => l.tries === TRIES_MAX, [leaveLoop]]),
];

/** What rmpupdate() does about the direct map. */
export interface Around {
  readonly first: readonly Item<HostThread, HostLocals, ThreadEvent>[];
  readonly last: readonly Item<HostThread, HostLocals, ThreadEvent>[];
}

/**
 * rmpupdate(): repeats the instruction while it fails in a way the kernel version retries; any
 * other failure is dumped and returned as -EFAULT. Expects `pfn` and `update`; leaves `result`.
 * `overlaps`: whether the host has 2M entries, which a 4K operand overlaps.
 * @see domain snp b.4
 * @public
 */
export function rmpupdatePath(options: HostOptions, overlaps = false, { first, last }: Around = { first: [], last: [] }) {
  const retry = options['kvm.rmpupdateRetry'];
  const retries = retry === 'overlap-and-inuse' ? ['FAIL_OVERLAP', 'FAIL_INUSE'] : ['FAIL_OVERLAP'];
  const isBounded = retry === 'overlap-96';
  return path(
    'rmpupdate',
    kernelSource('arch/x86/virt/svm/sev.c, rmpupdate()'),
    [
      ...first,
      loop(call(rmpupdateInsn(overlaps)), when([(_t, l) => !retries.includes(l.result!), [leaveLoop]]), ...(isBounded ? counted : [])),
      when([(_t, l) => l.result !== 'SUCCESS', [step('dump_rmpentry')]]),
      ...last,
    ],
    isBounded ? { locals: ['tries'] } : {},
  );
}
