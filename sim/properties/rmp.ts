/** What must hold of the RMP, and of whoever lives with it, in every reachable world. */
import type { HostProcessContext } from '../../actors/host-process.ts';
import type { HostThread } from '../../actors/paths/env.ts';
import type { Vcpu } from '../../actors/paths/guest.ts';
import type { PcpuContext } from '../../actors/pcpu.ts';
import type { RmpRegionContext } from '../../actors/rmp-region.ts';
import type { VmContext } from '../../actors/vm.ts';
import { always, sometimes } from '../property.ts';
import { hex, type WorldView } from '../view.ts';

const THREAD = 'SNP v5 host-write discussion';

export const hostPanic = always('rmp.host-panic', {
  kinds: ['pcpu'],
  source: `${THREAD}: "the kernel panics due to the unhandled RMP fault page fault"; domain snp h, I1`,
  grade: 'read',
  check: (world) => {
    const cpu = world.actors<PcpuContext>('pcpu').find(({ context }) => context.panicReason !== null);
    return cpu ? `${cpu.id} panicked: ${cpu.context.panicReason!}` : null;
  },
});

export const innocentProcessKilled = always('rmp.innocent-process-killed', {
  kinds: ['hostProcess'],
  source: `${THREAD}: "a well behaved userspace process receiving a SIGBUS"; domain snp h, I2`,
  grade: 'read',
  check: (world) => {
    const victim = world
      .actors<HostProcessContext>('hostProcess')
      .find(({ context }) => context.signal === 'SIGBUS' && context.vms.length === 0);
    return victim ? `${victim.id} serves guests, wrote PFN ${hex(victim.context.pfn ?? 0)} and was killed by SIGBUS` : null;
  },
});

export const guestPageLost = always('rmp.guest-page-lost', {
  kinds: ['vcpu'],
  source: `${THREAD}: "Guest gets a #VC error because the page is not PVALIDATED"; SNP-15, SNP-16`,
  grade: 'read',
  check: (world) => {
    const guest = world.actors<Vcpu>('vcpu').find(({ context }) => context.lost !== null && context.believes.includes(context.lost));
    return guest ? `${guest.id} got #VC 0x404 on GFN ${hex(guest.context.lost!)}, which it had validated` : null;
  },
});

const deadVm = (world: WorldView, cause: VmContext['dead']) => world.actors<VmContext>('vm').find(({ context }) => context.dead === cause);

export const guestKilled = always('rmp.guest-killed', {
  kinds: ['vm'],
  source: `${THREAD}: "simplified to just the KVM killing the guest"; SNP-33`,
  grade: 'read',
  check: (world) => {
    const vm = deadVm(world, 'dead');
    return vm ? `${vm.id} was ended by the host because of a write to one of its private pages` : null;
  },
});

export const vmBugged = always('rmp.vm-bugged', {
  kinds: ['vm'],
  source: 'domain snp h, R7: a healthy VM is not killed by its own legal RMPADJUST; kernel kvm_rmp_make_shared()',
  grade: 'decision',
  check: (world) => {
    const vm = deadVm(world, 'bugged');
    return vm ? `${vm.id} is bugged: RMPUPDATE failed while a guest instruction held the entry` : null;
  },
});

/** Whether a thread stands in the endless loop that the watchdog would report. */
const isLockedUp = (value: unknown): boolean => JSON.stringify(value).includes('watchdog_soft_lockup');

export const retryBounded = always('rmp.retry-bounded', {
  kinds: ['hostThread'],
  source: 'domain snp h, I8, R5 and R6; SNP-27, SNP-28',
  grade: 'decision',
  check: (world) => {
    const thread = world.actors<HostThread>('hostThread').find(({ value }) => isLockedUp(value));
    return thread
      ? `${thread.id} retried RMPUPDATE ${thread.context.frames.code?.retries ?? 0} times on PFN ${hex(thread.context.frames.code?.pfn ?? 0)}, in use each time`
      : null;
  },
});

export const validatedImpliesAssigned = always('rmp.validated-implies-assigned', {
  kinds: ['rmpRegion'],
  source: 'domain snp a.3: PVALIDATE and the launch commands require an assigned page',
  grade: 'memory',
  check: (world) => {
    for (const { context } of world.actors<RmpRegionContext>('rmpRegion')) {
      const bad = Object.entries(context.entries).find(([, entry]) => entry.validated && !entry.assigned);
      if (bad) return `PFN ${hex(Number(bad[0]))} is validated but hypervisor-owned`;
    }
    return null;
  },
});

export const inUseIsVmsa = always('rmp.in-use-is-vmsa', {
  kinds: ['rmpRegion'],
  source: 'domain snp a.4 and h, I4: an entry in use is never modified',
  grade: 'read',
  check: (world) => {
    for (const { context } of world.actors<RmpRegionContext>('rmpRegion')) {
      const bad = context.inUse.find((pfn) => !context.entries[pfn]?.vmsa);
      if (bad !== undefined) return `PFN ${hex(bad)} is in use by a running vCPU and is no longer a VMSA page`;
    }
    return null;
  },
});

/** Guards the model itself: a race that never happens proves nothing. */
export const lockIsContended = sometimes('rmp.entry-lock-is-contended', {
  kinds: ['hostThread', 'vcpu'],
  source: `${THREAD}: "There is a lock for each RMP Entry so there is a race"`,
  grade: 'read',
  check: (world) => {
    const refused = [...world.actors<HostThread>('hostThread'), ...world.actors<Vcpu>('vcpu')].find(({ value, context }) => {
      const locals = (context.frames as Readonly<Record<string, { readonly result?: string }>>).code ?? context.frames.guest;
      return (locals?.result === 'FAIL_INUSE' || locals?.result === 'FAIL_OVERLAP') && /"(ret|spin|tryLock)"/.test(JSON.stringify(value));
    });
    return refused ? `${refused.id} met the lock of an RMP entry` : null;
  },
});

export const pageIsTaken = sometimes('rmp.page-turns-private-under-host', {
  kinds: ['rmpRegion', 'hostThread'],
  source: `${THREAD}: the guest converts a page while host code works on it`,
  grade: 'read',
  check: (world) => {
    const entries = Object.assign(
      {},
      ...world.actors<RmpRegionContext>('rmpRegion').map(({ context }) => context.entries),
    ) as RmpRegionContext['entries'];
    const writer = world.actors<HostThread>('hostThread').find(({ value, context }) => {
      const pfn = context.frames.code?.pfn;
      return pfn !== undefined && entries[pfn]?.assigned === true && JSON.stringify(value).includes('"store"');
    });
    return writer ? `${writer.id} is about to store to PFN ${hex(writer.context.frames.code!.pfn!)}, which is private now` : null;
  },
});
