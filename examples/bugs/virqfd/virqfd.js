/**
 * VFIO: an irqfd for unmasking an interrupt goes away in two ways, by its eventfd or by an ioctl,
 * and each of them queues the release. Both at once queue it for one virqfd twice.
 *
 * @see commit b68e7fa879cd "vfio: Fix virqfd release race"
 */
import { cell, holds, local, race, spinlock, syscall, when } from 'worldswitch/kit';

const virqfd = cell('virqfd', { pointer: true, jobs: 0 });
const lock = spinlock('virqfd_lock');
const pointer = local('pointer');

/** Queues the release, and forgets the pointer. */
const deactivate = [
  virqfd.load('pointer', pointer),
  when([pointer.is(true), [virqfd.addReturn('jobs', 1, undefined, { as: 'queue_work' }), virqfd.store('pointer', false)]]),
];
const DEACTIVATE = { unlocked: deactivate, locked: [lock.lockIrqsave(), ...deactivate, lock.unlockIrqrestore()] };
const source = 'drivers/vfio/pci/vfio_pci_intrs.c';
const release =
  (name) =>
  ({ options }) =>
    syscall(name, source, DEACTIVATE[options['vfio.virqfd']]);

export const mechanism = race({
  name: 'virqfd',
  arches: ['amd', 'intel', 'arm64'],
  uses: [virqfd, lock],
  options: { 'vfio.virqfd': ['unlocked', 'locked'] },
  operations: {
    'close-eventfd': { summary: 'close() of the eventfd: virqfd_wakeup() with POLLHUP.', source, does: release('close') },
    'disable-interrupt': { summary: 'VFIO_DEVICE_SET_IRQS: virqfd_disable().', source, does: release('ioctl') },
  },
  properties: [
    holds(
      virqfd,
      'virqfd.is-released-once',
      'the release frees the virqfd',
      ({ jobs }) => jobs > 1 && 'two releases are queued for one virqfd',
    ),
  ],
});
