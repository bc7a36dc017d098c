/**
 * madvise() on memory of a guest: KVM unmaps it under mmu_lock and has all TLBs flushed, before the
 * pages go away. Left out: mmap_lock, the pages themselves, the faults of a guest that touches them
 * again, KVM's sequence count, the flush of the host's own TLBs.
 *
 * @see kernel virt/kvm/kvm_main.c, kvm_mmu_notifier_invalidate_range_start(),
 * __kvm_handle_hva_range()
 */
import { type HostEnv, type HostItem, host, kernelSource } from '../host/host-env.ts';
import { allCpusRequestPath } from './kick.ts';
import { vmOf } from './kvm-env.ts';
import { writeLockMmuPath, writeUnlockMmu } from './mmu-lock.ts';

const { path, step, call } = host;
const KVM_MAIN = 'virt/kvm/kvm_main.c';

/**
 * kvm_flush_remote_tlbs(), with mmu_lock held. On x86 the mappings are gone when all vCPUs that
 * were in guest mode have left it.
 */
function flushRemoteTlbs(env: HostEnv): HostItem {
  const { flushRemoteTlbs: by } = env.vendor;
  if (by === 'KVM_REQ_TLB_FLUSH') return call(allCpusRequestPath(env, by), (t) => ({ owner: vmOf(env, t) }));
  const { name, ...origin } = by;
  return step(name, origin);
}

/** What the notifier of a VM does, if it is called. */
const notified = (env: HostEnv, items: readonly HostItem[]): readonly HostItem[] =>
  env.slots.unlessRefused('notifierCall', env, [...items, ...env.slots.items('notifierReturn', env)]);
const notifierLocals = ({ slots }: HostEnv) => [
  ...(slots.hasItems('notifierCall') ? (['refused'] as const) : []),
  ...slots.locals('notifierCall', 'notifierReturn'),
];

/** The operation `madvise`. */
export const madvisePath = (env: HostEnv) => {
  const start = path(
    'kvm_mmu_notifier_invalidate_range_start',
    kernelSource(`${KVM_MAIN}, kvm_mmu_notifier_invalidate_range_start(), __kvm_handle_hva_range(), kvm_flush_remote_tlbs()`),
    notified(env, [call(writeLockMmuPath(env)), step('kvm_unmap_gfn_range'), flushRemoteTlbs(env), writeUnlockMmu(env)]),
    { locals: ['owner', ...notifierLocals(env)] },
  );
  const end = path(
    'kvm_mmu_notifier_invalidate_range_end',
    kernelSource(`${KVM_MAIN}, kvm_mmu_notifier_invalidate_range_end(), kvm_mmu_invalidate_end()`),
    notified(env, [call(writeLockMmuPath(env)), step('kvm_mmu_invalidate_end'), writeUnlockMmu(env)]),
    { locals: notifierLocals(env) },
  );
  return path('madvise', kernelSource('mm/madvise.c, do_madvise()'), [
    step('syscall', { mode: 'kernel' }),
    call(start),
    step('zap_page_range_single'),
    call(end),
    step('sysret', { mode: 'user' }),
  ]);
};
