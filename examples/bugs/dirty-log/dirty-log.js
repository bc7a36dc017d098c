/**
 * KVM_GET_DIRTY_LOG write-protects the pages first and takes the bitmap away then: a page that is
 * made writable in between is marked in the bitmap that goes, and a later write is in none.
 *
 * @see commit edde99ce0529 "KVM: Write protect memory after slot swap"
 */
import { cell, holds, leaveLoop, local, loop, race, spinlock, syscall, under, when } from 'worldswitch/kit';

const page = cell('page', { writable: false, dirty: false, data: 0, copied: 0, round: false });
const mmuLock = spinlock('mmu_lock');
/** An access in flight has its translation: a TLB flush waits for it. */
const access = spinlock('access');
const [writable, dirty, data] = [local('writable'), local('dirty'), local('data')];

const fault = under(mmuLock, {}, [page.store('dirty', true), page.store('writable', true)]);
const guestWrite = loop(
  access.lock({ as: 'translate' }),
  page.load('writable', writable),
  when([writable.is(true), [page.addReturn('data', 1), access.unlock(), leaveLoop]]),
  access.unlock({ as: 'no_translation' }),
  ...fault,
);
const flush = [access.lock({ as: 'kvm_flush_remote_tlbs' }), access.unlock()];
const protect = [...under(mmuLock, {}, [page.store('writable', false)]), ...flush];
const swap = page.xchg('dirty', false, dirty, { as: 'rcu_assign_pointer' });
const ORDER = { 'protect-first': [...protect, swap], 'swap-first': [swap, ...protect] };
const copy = when([dirty.is(true), [page.load('data', data), page.store('copied', (_t, l) => data.of(l))]]);
const source = 'arch/x86/kvm/x86.c, kvm_vm_ioctl_get_dirty_log()';
const round = ({ options }) => [...syscall('ioctl', source, ORDER[options['dirty.order']], { leaves: ['dirty'] }), copy];
const isLost = ({ round, dirty, data, copied }) =>
  !round && !dirty && data !== copied && `write ${data} is in no bitmap, and the copy has ${copied}`;

export const mechanism = race({
  name: 'dirty-log',
  arches: ['amd', 'intel', 'arm64'],
  uses: [page, mmuLock, access],
  options: { 'dirty.order': Object.keys(ORDER) },
  operations: {
    'guest-write': { summary: 'The guest writes.', source, does: () => syscall('ioctl', 'KVM_RUN', [guestWrite]) },
    'migrate-page': { summary: 'A round.', source, does: (env) => [page.store('round', true), ...round(env), page.store('round', false)] },
  },
  properties: [holds(page, 'dirty-log.no-write-is-lost', 'a page is dirty in the current bitmap, or write-protected', isLost)],
});
