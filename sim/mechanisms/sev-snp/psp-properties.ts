/** What must hold of the firmware, of its mailbox, and of the driver and guests that use it. */

import type { HostThread } from '../../../actors/host/host-env.ts';
import type { MutexContext } from '../../../actors/host/kernel-objects.ts';
import type { PcpuContext } from '../../../actors/host/pcpu-context.ts';
import type { AsidsContext } from '../../../actors/sev-snp/asid-bitmaps.ts';
import type { PspContext } from '../../../actors/sev-snp/psp.ts';
import type { RmpRegionContext } from '../../../actors/sev-snp/rmp-region.ts';
import type { PageState } from '../../../actors/sev-snp/rmp-table.ts';
import { SEV_CMD_MUTEX } from '../../../actors/sev-snp/sev-command.ts';
import type { SevDeviceContext } from '../../../actors/sev-snp/sev-device.ts';
import type { ActorId } from '../../../events/event.ts';
import { always, type Property, sometimes } from '../../property.ts';
import { hex, type WorldView } from '../../view.ts';

type RmpEntries = RmpRegionContext['entries'];

const deviceIn = (world: WorldView): SevDeviceContext | undefined => world.actors<SevDeviceContext>('sevDevice')[0]?.context;

/** Every program is at its end. */
const haveEnded = (world: WorldView): boolean =>
  world.actors<HostThread>('hostThread').every(({ value }) => JSON.stringify(value).includes('"dead"'));

import { pagesIn } from './page-states.ts';
import { requestProperties } from './request-properties.ts';

const LENT: readonly PageState[] = ['Firmware', 'Reclaim'];

/**
 * A page that the driver lent for a command, of the Firmware or the Reclaim state while no thread
 * has the mailbox: it takes such a page back before it unlocks, or leaks it. A launch has its pages
 * for longer, the context among them, and the firmware may have some before the run begins.
 */
const pageGivenBack = always('rmp.page-given-back', {
  kinds: ['mutex', 'rmpRegion', 'sevDevice', 'psp'],
  source: 'domain snp f.1: any page that firmware may write is Firmware before the command and reclaimed after; SNP-59',
  grade: 'read',
  check: (world) => {
    const mailbox = world.actors<MutexContext>('mutex').find(({ id }) => id === SEV_CMD_MUTEX);
    if (mailbox === undefined || mailbox.context.owner !== null) return null;
    const leaked = world.actors<SevDeviceContext>('sevDevice').flatMap(({ context }) => context.leaked);
    const lent = world.actors<PspContext>('psp').flatMap(({ context }) => context.lent ?? []);
    const kept = pagesIn(world).find(({ pfn, state }) => lent.includes(pfn) && LENT.includes(state) && !leaked.includes(pfn));
    return kept ? `PFN ${hex(kept.pfn)} is ${kept.state} and no command runs` : null;
  },
});

/**
 * I3, at the end: a frame that the firmware has not given back never comes to the page allocator. A
 * context page is the firmware's as long as it has the guest.
 */
const framesGivenBack = always('rmp.frames-given-back-at-the-end', {
  kinds: ['hostThread', 'rmpRegion', 'sevDevice'],
  source: 'drivers/crypto/ccp/sev-dev.c, snp_reclaim_pages(); arch/x86/virt/svm/sev.c, snp_leak_pages(); domain snp h, I3, R26',
  grade: 'read',
  check: (world) => {
    const { leaked = [], dead } = deviceIn(world) ?? {};
    // sev_vm_destroy() frees no context whose end it was not told, though the firmware may end it.
    if (dead === 'SNP_DECOMMISSION' || !haveEnded(world)) return null;
    const lent = pagesIn(world).find(({ pfn, state }) => LENT.includes(state) && !leaked.includes(pfn));
    return lent ? `PFN ${hex(lent.pfn)} is ${lent.state}, is not leaked, and every thread has ended` : null;
  },
});

/**
 * The driver waits for each command before it writes the next one, or gives the mailbox away. A PSP
 * that it has given up has no mailbox any more: nothing is written there. A panicking kernel polls
 * for its command, and takes no mutex.
 */
const commandAwaited = always('psp.command-awaited', {
  kinds: ['psp', 'mutex', 'sevDevice'],
  source: 'drivers/crypto/ccp/sev-dev.c, __sev_do_cmd_locked(), sev_wait_cmd_ioc(); domain snp f.1, SNP-73',
  grade: 'read',
  check: (world) => {
    const psp = world.actors<PspContext>('psp')[0]?.context;
    if (psp === undefined) return null;
    if (psp.overwritten !== null) return `a command was written to the mailbox while ${psp.overwritten} was in flight`;
    const mailbox = world.actors<MutexContext>('mutex').find(({ id }) => id === SEV_CMD_MUTEX);
    const dead = deviceIn(world)?.dead;
    if (dead !== undefined && psp.command !== null && psp.command !== dead)
      return `${psp.command} was written to a PSP that ${dead} had shown dead`;
    if (dead !== undefined || psp.polled) return null;
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

/**
 * A buffer that is taken and whose page is the driver's own, while no command runs, serves no one
 * any more. One that the firmware has not given back cannot be used again.
 */
const bufferReturned = always('psp.command-buffer-returned', {
  kinds: ['mutex', 'sevDevice', 'rmpRegion'],
  source: 'drivers/crypto/ccp/sev-dev.c, __sev_do_cmd_locked(): cmd_buf_active; domain snp f.1; AMDSEV issue 205',
  grade: 'read',
  check: (world) => {
    const mailbox = world.actors<MutexContext>('mutex').find(({ id }) => id === SEV_CMD_MUTEX);
    const { buffers, dead } = deviceIn(world) ?? {};
    if (buffers === undefined || dead !== undefined || mailbox?.context.owner !== null) return null;
    const entries = Object.assign({}, ...world.actors<RmpRegionContext>('rmpRegion').map(({ context }) => context.entries)) as RmpEntries;
    const lost = buffers.active.findIndex((taken, i) => taken && entries[buffers.pfn + i]?.assigned === false);
    return lost < 0 ? null : `${lost === 0 ? 'cmd_buf' : 'cmd_buf_backup'} is taken, its page is the host's, and no command runs`;
  },
});

/** "SEV: too many firmware commands in progress", and none is. */
const buffersExhausted = sometimes('psp.command-buffers-exhausted', {
  kinds: ['sevDevice', 'hostThread'],
  source: 'drivers/crypto/ccp/sev-dev.c, __sev_do_cmd_locked(); domain snp f.1; h, R26; AMDSEV issue 205',
  grade: 'read',
  check: (world) => {
    const { buffers, dead } = deviceIn(world) ?? {};
    const refused = world.actors<HostThread>('hostThread').find(({ context }) => context.sevErrno === 'EBUSY');
    const isFull = buffers !== undefined && !buffers.active.includes(false);
    return refused !== undefined && isFull && dead === undefined ? `${refused.id} was refused a command: both buffers are taken` : null;
  },
});

/** Where no command outlasts the wait for it, what the driver does then is not tried. */
const declaredDead = sometimes('psp.declared-dead', {
  kinds: ['sevDevice'],
  source: 'drivers/crypto/ccp/sev-dev.c, __sev_do_cmd_locked(): psp_dead; domain snp f.1',
  grade: 'read',
  check: (world) => {
    const dead = deviceIn(world)?.dead;
    return dead === undefined ? null : `${dead} has timed out, and the driver takes the PSP for dead`;
  },
});

/** The PSP has done what the driver has given up. */
const lateAnswer = sometimes('psp.late-answer', {
  kinds: ['psp', 'sevDevice'],
  source: 'drivers/crypto/ccp/sev-dev.c, sev_irq_handler(), __sev_do_cmd_locked(); domain snp h, R26',
  grade: 'read',
  check: (world) => {
    const { dead, rcvd } = deviceIn(world) ?? {};
    return dead !== undefined && rcvd === true ? `the interrupt of ${dead} comes after its time-out` : null;
  },
});

/** The end of a VM leaves its ASID with a guest that the firmware still has, for good. */
const asidLost = sometimes('psp.asid-lost', {
  kinds: ['psp', 'asidBitmaps', 'sevDevice', 'hostThread'],
  source: 'arch/x86/kvm/svm/sev.c, sev_vm_destroy(): "just leak the ASID"; domain snp h, R26',
  grade: 'read',
  check: (world) => {
    if (deviceIn(world)?.dead === undefined || !haveEnded(world)) return null;
    const guests = world.actors<PspContext>('psp').flatMap(({ context }) => Object.values(context.snp?.guests ?? {}));
    const used = world
      .actors<AsidsContext>('asidBitmaps')
      .flatMap(({ context }) => context.used.filter((asid) => !context.reclaim.includes(asid)));
    const lost = guests.find(({ asid }) => asid !== null && used.includes(asid));
    return lost ? `ASID ${lost.asid} is neither free nor to be flushed, and the PSP that has its guest is dead` : null;
  },
});

export const pspProperties: readonly Property[] = [
  pageGivenBack,
  framesGivenBack,
  commandAwaited,
  wokenEarly,
  declaredDead,
  lateAnswer,
  asidLost,
  bufferReturned,
  buffersExhausted,
  ...requestProperties,
];
