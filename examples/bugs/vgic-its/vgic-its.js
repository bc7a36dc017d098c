/**
 * KVM arm64: the translation cache of an ITS is invalidated by two vCPUs at once, and each of them
 * drops the one reference that the cache holds.
 *
 * @see lkml.iu.edu/2606.0/02767.html, "KVM: arm64: vgic-its: Serialize translation cache
 * invalidation under its_lock", v1 and v2
 */
import { cell, holds, local, mutex, race, syscall, when } from 'worldswitch/kit';

/** One LPI: cached, and mapped by an ITE; each of the two holds a reference. */
const lpi = cell('lpi', { cached: true, refcount: 2 });
const itsLock = mutex('its_lock');
const entry = local('entry');

/** vgic_its_invalidate_cache(): xa_for_each(), xa_erase(), vgic_put_irq(). */
const put = when([entry.is(true), [lpi.addReturn('refcount', -1, undefined, { as: 'vgic_put_irq' })]]);
const INVALIDATE = {
  unlocked: [
    lpi.load('cached', entry, { as: 'xa_for_each' }),
    when([entry.is(true), [lpi.store('cached', false, { as: 'xa_erase' }), put]]),
  ],
  'erase-result': [lpi.xchg('cached', false, entry, { as: 'xa_erase' }), put],
};
INVALIDATE['its-lock'] = [itsLock.lock(), ...INVALIDATE.unlocked, itsLock.unlock()];

const isFreed = ({ refcount }) => refcount < 1 && 'the LPI is freed, and an ITE still maps it';

export const mechanism = race({
  name: 'vgic-its',
  arches: ['arm64'],
  uses: [lpi, itsLock],
  options: { 'vgic.invalidate': Object.keys(INVALIDATE) },
  operations: {
    'clear-enable-lpis': {
      summary: 'A vCPU clears EnableLPIs in its GICR_CTLR.',
      source: 'arch/arm64/kvm/vgic/vgic-its.c, vgic_its_invalidate_cache()',
      does: (env) => syscall('ioctl', 'arch/arm64/kvm/vgic/vgic-mmio-v3.c', INVALIDATE[env.options['vgic.invalidate']]),
    },
  },
  properties: [holds(lpi, 'vgic-its.mapped-lpi-has-a-reference', 'the ITE that maps an LPI holds a reference', isFreed)],
});
