/** What must hold of the firmware, of its mailbox, and of the driver and guests that use it. */

import type { HostThread } from '../../../actors/host/host-env.ts';
import type { MutexContext } from '../../../actors/host/kernel-objects.ts';
import type { PcpuContext } from '../../../actors/host/pcpu.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { PspContext } from '../../../actors/sev-snp/psp.ts';
import type { PageState } from '../../../actors/sev-snp/rmp-table.ts';
import { SEV_CMD_MUTEX } from '../../../actors/sev-snp/sev-command.ts';
import type { SevDeviceContext } from '../../../actors/sev-snp/sev-device.ts';
import type { ActorId } from '../../../events/event.ts';
import { always, type Property, sometimes } from '../../property.ts';
import { hex } from '../../view.ts';
import { pagesIn } from './page-states.ts';

const LENT: readonly PageState[] = ['Firmware', 'Reclaim'];

/**
 * Pages of the Firmware or the Reclaim state while no thread has the mailbox: the driver gives a
 * page it lent back before it unlocks, or leaks it. A Context page is no loan.
 */
const pageGivenBack = always('rmp.page-given-back', {
  kinds: ['mutex', 'rmpRegion', 'sevDevice'],
  source: 'domain snp f.1: any page that firmware may write is Firmware before the command and reclaimed after; SNP-59',
  grade: 'read',
  check: (world) => {
    const mailbox = world.actors<MutexContext>('mutex').find(({ id }) => id === SEV_CMD_MUTEX);
    if (mailbox === undefined || mailbox.context.owner !== null) return null;
    const leaked = world.actors<SevDeviceContext>('sevDevice').flatMap(({ context }) => context.leaked);
    const lent = pagesIn(world).find(({ pfn, state }) => LENT.includes(state) && !leaked.includes(pfn));
    return lent ? `PFN ${hex(lent.pfn)} is ${lent.state} and no command runs` : null;
  },
});

/** The driver waits for each command before it writes the next one, or gives the mailbox away. */
const commandAwaited = always('psp.command-awaited', {
  kinds: ['psp', 'mutex'],
  source: 'drivers/crypto/ccp/sev-dev.c, __sev_do_cmd_locked(), sev_wait_cmd_ioc(); domain snp f.1, SNP-73',
  grade: 'read',
  check: (world) => {
    const psp = world.actors<PspContext>('psp')[0]?.context;
    if (psp === undefined) return null;
    if (psp.overwritten !== null) return `a command was written to the mailbox while ${psp.overwritten} was in flight`;
    const mailbox = world.actors<MutexContext>('mutex').find(({ id }) => id === SEV_CMD_MUTEX);
    return psp.command !== null && mailbox?.context.owner === null ? `${psp.command} is in flight, and no thread has the mailbox` : null;
  },
});

/** A thread that sleeps on a command runs again, and the command is in flight. */
const wokenEarly = sometimes('psp.woken-early', {
  kinds: ['psp', 'pcpu', 'hostThread', 'sevDevice'],
  source: 'include/linux/wait.h, ___wait_event(): the condition is tested after each wake-up',
  grade: 'read',
  check: (world) => {
    const inFlight = world.actors<PspContext>('psp')[0]?.context.command ?? null;
    if (inFlight === null) return null;
    const waiters = world.actors<SevDeviceContext>('sevDevice').flatMap(({ context }) => context.waiters);
    const runs = ({ id, value }: { readonly id: ActorId; readonly value: unknown }) =>
      JSON.stringify(value).includes('"prepare_to_wait_event"') &&
      world.actors<PcpuContext>('pcpu').some((cpu) => cpu.value === 'task' && cpu.context.current === id);
    const woken = world.actors<HostThread>('hostThread').find((thread) => waiters.includes(thread.id) && runs(thread));
    return woken ? `${woken.id} was woken while ${inFlight} is in flight` : null;
  },
});

/** Two payloads under one nonce tell the host their difference, and how to forge others. */
const nonceUsedOnce = always('psp.nonce-used-once', {
  kinds: ['psp'],
  source: 'drivers/virt/coco/sev-guest/sev-guest.c, snp_disable_vmpck(); domain snp f.10, h, I9',
  grade: 'read',
  check: (world) => {
    for (const { context } of world.actors<PspContext>('psp')) {
      const { message, carried } = context;
      const before = message && carried?.[message.vm];
      if (!before || message.sequence > before.sequence || (message.data === before.data && message.vmpl === before.vmpl)) continue;
      return `${message.vm} has sealed two messages under number ${message.sequence}`;
    }
    return null;
  },
});

/** Where no request fails, the rule about keys is not tried. */
const guestKeyWiped = sometimes('psp.guest-key-wiped', {
  kinds: ['vcpu'],
  source: 'drivers/virt/coco/sev-guest/sev-guest.c, snp_disable_vmpck(); domain snp f.10',
  grade: 'read',
  check: (world) => {
    const wiped = world.actors<Vcpu>('vcpu').find(({ context }) => context.keyWiped === true);
    return wiped ? `${wiped.id} has forgotten its key after a request that failed` : null;
  },
});

export const pspProperties: readonly Property[] = [pageGivenBack, commandAwaited, wokenEarly, nonceUsedOnce, guestKeyWiped];
