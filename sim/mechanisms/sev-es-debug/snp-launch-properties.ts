/** What must hold of a launch with pages: what it lends the firmware comes back. */
import type { MutexContext } from '../../../actors/host/kernel-objects.ts';
import { kvmLockOf } from '../../../actors/sev-es-debug/launch-env.ts';
import type { PageState } from '../../../actors/sev-snp/rmp-table.ts';
import type { SevDeviceContext } from '../../../actors/sev-snp/sev-device.ts';
import { always, type Property } from '../../property.ts';
import { hex } from '../../view.ts';
import { pagesIn } from '../sev-snp/page-states.ts';

const LENT: readonly PageState[] = ['Firmware', 'Pre-Guest', 'Reclaim'];

/** While kvm->lock is free no ioctl of the VM is under way. */
const launchGivesBack = always('sev.launch-gives-back', {
  kinds: ['mutex', 'rmpRegion', 'sevDevice'],
  source: 'kernel arch/x86/kvm/svm/sev.c, snp_page_reclaim(), snp_decommission_context(); SNP-46, SNP-60',
  grade: 'read',
  check: (world) => {
    const busy = world.actors<MutexContext>('mutex').some(({ id, context }) => id.startsWith(kvmLockOf('')) && context.owner !== null);
    if (busy) return null;
    const leaked = world.actors<SevDeviceContext>('sevDevice').flatMap(({ context }) => context.leaked);
    const lent = pagesIn(world).find(({ pfn, state }) => LENT.includes(state) && !leaked.includes(pfn));
    return lent === undefined ? null : `PFN ${hex(lent.pfn)} is a ${lent.state} page, and no launch is under way`;
  },
});

export const snpLaunchProperties: readonly Property[] = [launchGivesBack];
