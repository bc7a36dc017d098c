/** A hole in a guest_memfd: frames of a guest go back to the page allocator. */
import { outgoing } from '../../events/event.ts';
import type { RmpUpdate } from '../../events/sev-snp/rmp.ts';
import { type HostEnv, type HostItem, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { updateRmpPath } from './direct-map.ts';
import { lockFolio, unlockFolio } from './gmem-prepare.ts';
import { SHARED } from './page-fault.ts';
import { lookup } from './psmash.ts';
import { snpRmptablePsmash } from './rmptable-psmash.ts';
import { frameOf, hasHuge } from './snp-env.ts';
import { zapAround } from './stale-tlb.ts';

const { path, step, call, when } = host;

const SHARED_2M: RmpUpdate = { ...SHARED, pageSize: '2M' };

/**
 * The frames go to the hypervisor. A 4K frame of a 2M entry needs PSMASH first. What fails is
 * reported, and the caller goes on all the same. Expects `pfn`.
 */
function invalidatePath(env: HostEnv) {
  const splits = env.options['kvm.gmemSplit'] === 'psmash' && hasHuge(env);
  const isWhole = (t: HostThread) => {
    const op = opOf(env, t);
    return op.op === 'punch-hole' && op.size === '2M';
  };
  return path(
    'sev_gmem_invalidate',
    kernelSource('virt/kvm/guest_memfd.c, kvm_gmem_free_folio(); arch/x86/kvm/svm/sev.c, sev_gmem_invalidate()'),
    [
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
    ],
    { locals: ['assigned', 'huge', 'update', 'result'] },
  );
}

/**
 * A hole is punched into the guest_memfd: nested mappings go, then the folio, which is locked until
 * its frames are the hypervisor's. Expects `vm`, `gfn` and `pfn`, of which `locals` die with it.
 * `freed`: what becomes of the frame then.
 */
export function punchHole(env: HostEnv, freed: readonly HostItem[], locals: readonly ('vm' | 'gfn' | 'pfn')[]) {
  const zap = zapAround(env);
  // Without a guest_memfd private pages have no folio lock that a fault would take.
  const locks = env.options['kvm.privateMemory'] === 'guest-memfd';
  return path(
    'kvm_gmem_punch_hole',
    kernelSource(
      'virt/kvm/guest_memfd.c, kvm_gmem_punch_hole(); mm/truncate.c, truncate_inode_pages_range(); mm/filemap.c, filemap_free_folio()',
    ),
    [
      step('fallocate', { mode: 'kernel' }),
      ...zap.first,
      ...(locks ? [call(lockFolio(env))] : []),
      call(invalidatePath(env)),
      ...freed,
      ...(locks ? [unlockFolio(env)] : []),
      ...zap.last,
      step('sysret', { mode: 'user' }),
    ],
    { locals },
  );
}

/**
 * The frame goes back to the allocator. The truncation has a reference of its own, which it drops
 * behind folio_unlock(): no other thread can find the folio by then.
 */
export const punchHolePath = (env: HostEnv) =>
  punchHole(
    env,
    [step('folio_put_refs', { send: (_t, l) => outgoing(env.vms[l.vm!]!.pages, { type: 'pages.free', pfn: l.pfn! }) })],
    ['vm', 'gfn', 'pfn'],
  );
export const bindPunchHole = (env: HostEnv) => (t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'punch-hole') throw new Error(`${op.op} punches no hole`);
  return { vm: op.vm, gfn: op.gfn, pfn: frameOf(env, op.vm, op.gfn) };
};
