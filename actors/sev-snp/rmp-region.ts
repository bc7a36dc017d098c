/**
 * The RMP entries of one 2 MiB region: the lock of each, and the marks of pages in use.
 *
 * RMPUPDATE, RMPADJUST and PVALIDATE hold an entry's lock for the whole instruction. Lock, check,
 * write and unlock are separate messages, so that another CPU can run between any two of them. How
 * contention shows is a switch: hardware does not document it.
 *
 * Left out: 2M entries made by guests, permissions beyond VMPL 0, stale translations.
 *
 * @see APM vol. 2, "Reverse Map Table"; APM vol. 3, "RMPUPDATE"; domain snp a.4, b.5
 */
import { assign, emit, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { HostOptions } from '../../events/options.ts';
import type { RmpEntry, RmpRequest } from '../../events/sev-snp/rmp.ts';
import {
  checkGuest,
  checkUpdate,
  type Entries,
  entryAt,
  guestAccess,
  HYPERVISOR_PAGE,
  hostWriteFaults,
  updated,
  vmsaIsValid,
} from './rmp-check.ts';

export interface RmpRegionInput {
  readonly entries: Entries;
  readonly contention: HostOptions['rmp.contention'];
}

export interface RmpRegionContext extends RmpRegionInput {
  /** Who executes an instruction on each entry. */
  readonly holders: Readonly<Record<number, ActorId>>;
  /** Frames that a running vCPU has as VMSA. */
  readonly inUse: readonly number[];
}

type Args = { readonly context: RmpRegionContext; readonly event: Stamped<RmpRequest> };

/** Under `inuse` one entry is locked; under `overlap-2m` the instruction locks the 2M range. */
const isContended = ({ context: c, event }: Args) =>
  c.contention === 'inuse' ? c.holders[event.pfn] !== undefined : Object.keys(c.holders).length > 0;
const without = <V>(record: Readonly<Record<number, V>>, key: number): Readonly<Record<number, V>> =>
  Object.fromEntries(Object.entries(record).filter(([other]) => Number(other) !== key));
const patch = ({ context: c, event }: Args, change: Partial<RmpEntry>): { entries: Entries } => ({
  entries: { ...c.entries, [event.pfn]: { ...entryAt(c.entries, event.pfn), ...change } },
});

export const rmpRegionMachine = setup({
  types: { context: {} as RmpRegionContext, events: {} as Stamped<RmpRequest>, emitted: {} as Outgoing, input: {} as RmpRegionInput },
  guards: {
    isContended,
    isHolder: ({ context: c, event }) => c.holders[event.pfn] === event.from,
    isLocked: ({ context: c, event }) => c.holders[event.pfn] !== undefined,
    isValidVmsa: ({ context: c, event }) => event.type === 'rmp.enter' && vmsaIsValid(c.entries, c.inUse, event.pfn, event.asid),
    isReclaimable: ({ context: c, event }) => entryAt(c.entries, event.pfn).immutable,
  },
  actions: {
    takeLock: assign({ holders: ({ context: c, event }) => ({ ...c.holders, [event.pfn]: sender(event) }) }),
    dropLock: assign({ holders: ({ context: c, event }) => without(c.holders, event.pfn) }),
    answerLocked: emit(({ event }) => outgoing(sender(event), { type: 'rmp.locked', result: 'SUCCESS' })),
    answerContended: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'rmp.locked', result: c.contention === 'inuse' ? 'FAIL_INUSE' : 'FAIL_OVERLAP' }),
    ),
    answerUpdateChecked: emit(({ context: c, event }) => {
      const result = event.type === 'rmp.checkUpdate' ? checkUpdate(c.entries, c.inUse, event.pfn, event) : 'FAIL_INPUT';
      return outgoing(sender(event), { type: 'rmp.checked', result, fault: false, entry: entryAt(c.entries, event.pfn) });
    }),
    answerGuestChecked: emit(({ context: c, event }) => {
      const checked =
        event.type === 'rmp.checkGuest'
          ? checkGuest(c.entries, c.inUse, event.pfn, event.asid, event.gfn)
          : { result: 'FAIL_INPUT', fault: true };
      return outgoing(sender(event), { type: 'rmp.checked', ...checked, entry: entryAt(c.entries, event.pfn) });
    }),
    writeUpdate: assign((args) => {
      if (args.event.type !== 'rmp.writeUpdate') return {};
      const { assigned, pageSize, immutable, asid, gfn } = args.event;
      return patch(args, updated({ assigned, pageSize, immutable, asid, gfn }));
    }),
    writeValidated: assign((args) => (args.event.type === 'rmp.writeValidated' ? patch(args, { validated: args.event.validated }) : {})),
    writeVmsa: assign((args) => (args.event.type === 'rmp.writeVmsa' ? patch(args, { vmsa: args.event.vmsa }) : {})),
    answerEntry: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'rmp.entry', entry: entryAt(c.entries, event.pfn), inUse: c.inUse.includes(event.pfn) }),
    ),
    answerHostWrite: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'rmp.hostWritten', fault: hostWriteFaults(c.entries, c.inUse, event.pfn) }),
    ),
    answerAccess: emit(({ context: c, event }) =>
      outgoing(sender(event), {
        type: 'rmp.accessed',
        outcome: event.type === 'rmp.guestAccess' ? guestAccess(c.entries, c.inUse, event) : 'npf',
      }),
    ),
    setInUse: assign({ inUse: ({ context: c, event }) => [...c.inUse, event.pfn].sort((a, b) => a - b) }),
    clearInUse: assign({ inUse: ({ context: c, event }) => c.inUse.filter((pfn) => pfn !== event.pfn) }),
    answerEntered: emit(({ event }) => outgoing(sender(event), { type: 'rmp.entered', outcome: 'ok' })),
    answerLockedVmsa: emit(({ event }) => outgoing(sender(event), { type: 'rmp.entered', outcome: 'locked' })),
    answerInvalid: emit(({ event }) => outgoing(sender(event), { type: 'rmp.entered', outcome: 'invalid' })),
    /** Firmware -> Reclaim: assigned to no guest, no longer immutable. @see domain snp a.3 */
    reclaim: assign((args) => patch(args, { ...HYPERVISOR_PAGE, assigned: true })),
    answerReclaimed: emit(({ event }) => outgoing(sender(event), { type: 'rmp.reclaimed', outcome: 'ok' })),
    answerReclaimLocked: emit(({ event }) => outgoing(sender(event), { type: 'rmp.reclaimed', outcome: 'locked' })),
    answerNotReclaimed: emit(({ event }) => outgoing(sender(event), { type: 'rmp.reclaimed', outcome: 'refused' })),
  },
}).createMachine({
  id: 'rmpRegion',
  context: ({ input }) => ({ ...input, holders: {}, inUse: [] }),
  initial: 'ready',
  states: {
    ready: {
      tags: 'rest',
      on: {
        'rmp.lock': [{ guard: 'isContended', actions: 'answerContended' }, { actions: ['takeLock', 'answerLocked'] }],
        'rmp.checkUpdate': { guard: 'isHolder', actions: 'answerUpdateChecked' },
        'rmp.writeUpdate': { guard: 'isHolder', actions: 'writeUpdate' },
        'rmp.checkGuest': { guard: 'isHolder', actions: 'answerGuestChecked' },
        'rmp.writeValidated': { guard: 'isHolder', actions: 'writeValidated' },
        'rmp.writeVmsa': { guard: 'isHolder', actions: 'writeVmsa' },
        'rmp.unlock': { guard: 'isHolder', actions: 'dropLock' },
        'rmp.read': { actions: 'answerEntry' },
        'rmp.hostWrite': { actions: 'answerHostWrite' },
        'rmp.guestAccess': { actions: 'answerAccess' },
        'rmp.enter': [
          { guard: 'isLocked', actions: 'answerLockedVmsa' },
          { guard: 'isValidVmsa', actions: ['setInUse', 'answerEntered'] },
          { actions: 'answerInvalid' },
        ],
        'rmp.leave': { actions: 'clearInUse' },
        'rmp.reclaim': [
          { guard: 'isLocked', actions: 'answerReclaimLocked' },
          { guard: 'isReclaimable', actions: ['reclaim', 'answerReclaimed'] },
          { actions: 'answerNotReclaimed' },
        ],
      },
    },
  },
});
