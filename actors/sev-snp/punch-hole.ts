/** A hole in a guest_memfd: frames of a guest go back to the page allocator. */
import { outgoing } from '../../events/event.ts';
import type { RmpUpdate } from '../../events/sev-snp/rmp.ts';
import { type HostEnv, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { updateRmpPath } from './direct-map.ts';
import { lockFolio, unlockFolio } from './gmem-prepare.ts';
import { SHARED } from './page-fault.ts';
import { lookup } from './psmash.ts';
import { snpRmptablePsmash } from './rmptable-psmash.ts';
import { frameOf } from './snp-env.ts';
import { zapAround } from './stale-tlb.ts';

const { path, step, call, when } = host;

const SHARED_2M: RmpUpdate = { ...SHARED, pageSize: '2M' };

/**
 * A hole is punched into the guest_memfd: the frames go back to the allocator, and before that to
 * the hypervisor. A 4K frame of a 2M entry needs PSMASH first. What fails is reported, and the
 * frame is freed all the same.
 */
export function punchHolePath(env: HostEnv) {
  const zap = zapAround(env);
  // Without a guest_memfd private pages have no folio lock that a fault would take.
  const locks = env.options['kvm.privateMemory'] === 'guest-memfd';
  const splits = env.options['kvm.gmemSplit'] === 'psmash';
  const isWhole = (t: HostThread) => {
    const op = opOf(env, t);
    return op.op === 'punch-hole' && op.size === '2M';
  };
  return path(
    'sev_gmem_invalidate',
    kernelSource(
      'virt/kvm/guest_memfd.c, kvm_gmem_punch_hole(), kvm_gmem_free_folio(); mm/truncate.c, truncate_inode_pages_range(); arch/x86/kvm/svm/sev.c, sev_gmem_invalidate()',
    ),
    [
      step('fallocate', { mode: 'kernel' }),
      ...zap.first,
      ...(locks ? [call(lockFolio(env))] : []),
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
      step('kvm_gmem_free_folio', {
        send: (_t, l) => outgoing(env.vms[l.vm!]!.pages, { type: 'pages.free', pfn: l.pfn! }),
      }),
      ...(locks ? [unlockFolio(env)] : []),
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
