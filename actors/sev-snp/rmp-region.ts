/**
 * The RMP entries of one 2 MiB region: the lock of each, the marks of pages in use, and what pages
 * hold where a guest looks at it.
 *
 * RMPUPDATE, PSMASH, RMPADJUST and PVALIDATE hold an entry's lock for the whole instruction. Lock,
 * check, write and unlock are separate messages, so that another CPU can run between any two of
 * them. How contention shows is a switch: hardware does not document it.
 *
 * Left out: stale translations.
 *
 * @see APM vol. 2, "Reverse Map Table"; APM vol. 3, "RMPUPDATE"; domain snp a.4, b.5
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { HostOptions } from '../../events/options.ts';
import type { RmpEntry, RmpRequest } from '../../events/sev-snp/rmp.ts';
import { checkAccess } from './access-rules.ts';
import { type Contents, hostStores, movedBy } from './contents.ts';
import { type Exports, exportedIn, importedIn } from './export.ts';
import { byOf, guestChecked, hostStoreFaults, hostWritten, queried, storerOf } from './rmp-answers.ts';
import { guestAccess, vmsaIsValid } from './rmp-check.ts';
import { checkSmash, checkUpdate } from './rmp-rules.ts';
import {
  assignedAs4K,
  covering,
  type Entries,
  entryAt,
  HYPERVISOR_PAGE,
  isHuge,
  type Region,
  smashHead,
  smashTails,
  writePerms,
  writeUpdate,
  zeroed,
} from './rmp-table.ts';

/** What the head of a region keeps where the scenario has a 2M entry in it. */
interface Head {
  /** PFNs of the frames that are modelled of the 2 MiB. */
  readonly frames: readonly number[];
  readonly subCount: number;
}

export interface RmpRegionInput {
  readonly entries: Entries;
  readonly head?: Head;
  /** The last byte of the RMP lies in the region. */
  readonly tableEnd?: true;
  readonly contention: HostOptions['rmp.contention'];
  /** Of frames whose contents a guest of the scenario looks at. */
  readonly contents?: Contents;
  /** Frames that are VMCBs, where the scenario tracks them. */
  readonly vmcbs?: readonly number[];
  /** Frames that a guest stored to by a translation which the RMP no longer allows. */
  readonly strayed?: readonly number[];
  /** @see rmp.inUseErratum */
  readonly erratum?: true;
}

export interface RmpRegionContext extends RmpRegionInput {
  /** Who executes an instruction on each entry. */
  readonly holders: Readonly<Record<number, ActorId>>;
  /** Frames that a running vCPU has as VMSA or VMCB. */
  readonly inUse: readonly number[];
  /** Pages that the firmware of policy P6 has given to the host, once it has. */
  readonly exported?: Exports;
}

type Args = { readonly context: RmpRegionContext; readonly event: Stamped<RmpRequest> };

const isWide = (event: RmpRequest) => event.type === 'rmp.lock' && event.wide === true;
/**
 * Under `inuse` one entry is locked, or all of the region for an instruction of 2M; under
 * `overlap-2m` each instruction locks the 2M range.
 */
const isContended = ({ context: c, event }: Args) =>
  c.contention === 'inuse' && !isWide(event) ? c.holders[event.pfn] !== undefined : Object.keys(c.holders).length > 0;
/** The entries that the instruction locks. */
const lockedBy = (c: RmpRegionContext, event: RmpRequest): readonly number[] =>
  isWide(event) ? [...new Set([event.pfn, ...(c.head?.frames ?? [])])] : [event.pfn];
const isSmash = (event: RmpRequest) => event.type === 'rmp.lock' && event.smash === true;
const without = <V>(record: Readonly<Record<number, V>>, key: number): Readonly<Record<number, V>> =>
  Object.fromEntries(Object.entries(record).filter(([other]) => Number(other) !== key));
/** A region of 4K entries alone needs no count that is kept. */
const noHead = (c: RmpRegionContext): Head => ({ frames: [], subCount: assignedAs4K(c.entries) });
export const regionIn = (c: RmpRegionContext): Region => ({
  entries: c.entries,
  inUse: c.inUse,
  ...(c.tableEnd && { tableEnd: c.tableEnd }),
  ...(c.head ?? noHead(c)),
});
const written = (c: RmpRegionContext, { entries, frames, subCount }: Region) => ({
  entries,
  ...(c.head !== undefined && { head: { frames, subCount } }),
});
const patch = ({ context: c, event }: Args, change: Partial<RmpEntry>): { entries: Entries } => ({
  entries: { ...c.entries, [event.pfn]: { ...entryAt(c.entries, event.pfn), ...change } },
});

export const rmpRegionMachine = setup({
  types: { context: {} as RmpRegionContext, events: {} as Stamped<RmpRequest>, emitted: {} as Outgoing, input: {} as RmpRegionInput },
  guards: {
    isContended,
    isHolder: ({ context: c, event }) => c.holders[event.pfn] === event.from,
    isStaleAccess: ({ event }) => event.type === 'rmp.guestAccess' && event.kept === true,
    isLocked: ({ context: c, event }) => c.holders[event.pfn] !== undefined,
    isValidVmsa: ({ context: c, event }) => event.type === 'rmp.enter' && vmsaIsValid(c.entries, c.inUse, event.pfn, event.asid),
    isKept: ({ context: c, event }) => c.holders[event.pfn] !== undefined || c.inUse.includes(event.pfn),
    isWhole: ({ context: c, event }) => c.exported?.[event.pfn]?.isChanged === false,
    isOut: ({ context: c, event }) => c.exported?.[event.pfn] !== undefined,
    isReclaimable: ({ context: c, event }) => entryAt(c.entries, event.pfn).immutable,
  },
  actions: {
    takeLock: assign({
      holders: ({ context: c, event }) => ({ ...c.holders, ...Object.fromEntries(lockedBy(c, event).map((pfn) => [pfn, sender(event)])) }),
    }),
    dropLock: assign({
      holders: ({ context: c, event }) => Object.fromEntries(Object.entries(c.holders).filter(([, holder]) => holder !== event.from)),
    }),
    answerLocked: emit(({ event }) => outgoing(sender(event), { type: 'rmp.locked', result: 'SUCCESS' })),
    answerContended: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'rmp.locked', result: c.contention === 'inuse' || isSmash(event) ? 'FAIL_INUSE' : 'FAIL_OVERLAP' }),
    ),
    answerUpdateChecked: emit(({ context: c, event }) => {
      const result = event.type === 'rmp.checkUpdate' ? checkUpdate(regionIn(c), { pfn: event.pfn, update: event }) : 'FAIL_INPUT';
      return outgoing(sender(event), { type: 'rmp.checked', result, fault: false, entry: entryAt(c.entries, event.pfn) });
    }),
    answerSmashChecked: emit(({ context: c, event }) => {
      const result = checkSmash(regionIn(c), event.pfn);
      return outgoing(sender(event), { type: 'rmp.checked', result, fault: false, entry: entryAt(c.entries, event.pfn) });
    }),
    writeTails: assign(({ context: c, event }) => written(c, smashTails(regionIn(c), event.pfn))),
    writeHead: assign(({ context: c, event }) => written(c, smashHead(regionIn(c), event.pfn))),
    answerGuestChecked: emit(({ context: c, event }) => {
      const checked = event.type === 'rmp.checkGuest' ? guestChecked(regionIn(c), event) : { result: 'FAIL_INPUT', fault: true };
      return outgoing(sender(event), { type: 'rmp.checked', ...checked, entry: entryAt(c.entries, event.pfn) });
    }),
    writeUpdate: assign((args) => {
      if (args.event.type !== 'rmp.writeUpdate') return {};
      return written(args.context, writeUpdate(regionIn(args.context), args.event.pfn, args.event));
    }),
    writeValidated: assign((args) => (args.event.type === 'rmp.writeValidated' ? patch(args, { validated: args.event.validated }) : {})),
    writeVmsa: assign(({ context: c, event }) =>
      event.type === 'rmp.writeVmsa' ? written(c, writePerms(regionIn(c), event.pfn, { ...event, current: event.current ?? 0 })) : {},
    ),
    answerQueried: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'rmp.queried', ...(event.type === 'rmp.query' && queried(regionIn(c), event)) }),
    ),
    answerEntry: emit(({ context: c, event }) =>
      outgoing(sender(event), {
        type: 'rmp.entry',
        entry: entryAt(c.entries, event.pfn),
        inUse: c.inUse.includes(event.pfn),
        ...(isHuge(c.entries, event.pfn) && { huge: true }),
      }),
    ),
    answerHostWrite: emit(({ context: c, event }) => outgoing(storerOf(event), hostWritten(event, hostStoreFaults(c, event)))),
    answerAccess: emit(({ context: c, event }) =>
      outgoing(sender(event), {
        type: 'rmp.accessed',
        outcome: event.type === 'rmp.guestAccess' ? guestAccess(c.entries, c.inUse, event) : 'npf',
      }),
    ),
    /** The store of an access that is allowed, and what the guest is to know of store and load. */
    moveContent: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'rmp.guestAccess' || event.content === undefined || c.contents === undefined) return;
      if (event.kept !== true && guestAccess(c.entries, c.inUse, event) !== 'ok') return;
      const { contents, told } = movedBy(c.contents, event, event.content.by ?? sender(event), event.content);
      enqueue.assign({ contents });
      if (told !== null) enqueue.emit(told);
    }),
    storeHosts: assign(({ context: c, event }) => {
      if (event.type !== 'rmp.hostWrite' || event.n === undefined || c.contents === undefined) return {};
      if (hostStoreFaults(c, event)) return {};
      return { contents: hostStores(c.contents, event.pfn, storerOf(event), event.n) };
    }),
    answerHostRead: emit(({ context: c, event }) => {
      const isCiphertext = checkAccess(c, { by: 'host', does: 'read', pfn: event.pfn }) === 'ciphertext';
      return outgoing(sender(event), { type: 'rmp.hostLoaded', ciphertext: isCiphertext });
    }),
    answerDeviceWrite: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'rmp.deviceWritten', dropped: checkAccess(c, { by: 'device', pfn: event.pfn }) === 'dropped' }),
    ),
    /** The store lands; whether it was still allowed shows here alone. */
    noteStray: assign(({ context: c, event }) => {
      if (event.type !== 'rmp.guestAccess' || !event.write || guestAccess(c.entries, c.inUse, event) === 'ok') return {};
      return { strayed: [...new Set([...(c.strayed ?? []), event.pfn])].sort((a, b) => a - b) };
    }),
    answerKept: emit(({ event }) => outgoing(byOf(event), { type: 'rmp.accessed', outcome: 'ok' })),
    setInUse: assign({ inUse: ({ context: c, event }) => [...c.inUse, event.pfn].sort((a, b) => a - b) }),
    clearInUse: assign({ inUse: ({ context: c, event }) => c.inUse.filter((pfn) => pfn !== event.pfn) }),
    answerEntered: emit(({ event }) => outgoing(sender(event), { type: 'rmp.entered', outcome: 'ok' })),
    answerLockedVmsa: emit(({ event }) => outgoing(sender(event), { type: 'rmp.entered', outcome: 'locked' })),
    answerInvalid: emit(({ event }) => outgoing(sender(event), { type: 'rmp.entered', outcome: 'invalid' })),
    /** Firmware -> Reclaim: assigned to no guest, no longer immutable. @see domain snp a.3 */
    reclaim: assign((args) => patch(args, { ...HYPERVISOR_PAGE, assigned: true })),
    release: assign((args) => {
      if (args.event.type !== 'rmp.release') return {};
      return patch(args, { ...HYPERVISOR_PAGE, assigned: args.event.reclaim });
    }),
    clear: assign(({ context: c }) => written(c, zeroed(regionIn(c)))),
    export: assign(({ context: c, event: { pfn } }) => {
      const entry = covering(c.entries, pfn);
      return { ...written(c, exportedIn(regionIn(c), pfn, entry)), exported: { ...c.exported, [pfn]: { entry, isChanged: false } } };
    }),
    import: assign(({ context: c, event: { pfn } }) => ({
      ...written(c, importedIn(regionIn(c), pfn, c.exported![pfn]!)),
      exported: without(c.exported!, pfn),
    })),
    noteChange: assign(({ context: c, event: { pfn } }) => {
      const out = c.exported?.[pfn];
      return out === undefined ? {} : { exported: { ...c.exported, [pfn]: { ...out, isChanged: true } } };
    }),
    answerExported: emit(({ event }) => outgoing(sender(event), { type: 'rmp.exported', outcome: 'ok' })),
    answerNotExported: emit(({ event }) => outgoing(sender(event), { type: 'rmp.exported', outcome: 'locked' })),
    answerImported: emit(({ event }) => outgoing(sender(event), { type: 'rmp.imported', outcome: 'ok' })),
    answerChanged: emit(({ event }) => outgoing(sender(event), { type: 'rmp.imported', outcome: 'refused' })),
    answerNotOut: emit(({ event }) => outgoing(sender(event), { type: 'rmp.imported', outcome: 'absent' })),
    answerReclaimed: emit(({ event }) => outgoing(sender(event), { type: 'rmp.reclaimed', outcome: 'ok' })),
    answerReclaimLocked: emit(({ event }) => outgoing(sender(event), { type: 'rmp.reclaimed', outcome: 'locked' })),
    /** A command of the firmware that has looked before: nothing comes between the two. */
    writeFirmware: assign(({ context: c, event }) => {
      if (event.type !== 'rmp.firmware') return {};
      const entries = { ...c.entries, [event.pfn]: { ...entryAt(c.entries, event.pfn), ...event.change } };
      const added = Number(entryAt(entries, event.pfn).assigned) - Number(entryAt(c.entries, event.pfn).assigned);
      return written(c, { ...regionIn(c), entries, subCount: isHuge(entries, event.pfn) ? 0 : regionIn(c).subCount + added });
    }),
    answerInspected: emit(({ context: c, event }) =>
      outgoing(sender(event), {
        type: 'rmp.inspected',
        pfn: event.pfn,
        entry: entryAt(c.entries, event.pfn),
        locked: c.holders[event.pfn] !== undefined,
      }),
    ),
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
        'rmp.checkSmash': { guard: 'isHolder', actions: 'answerSmashChecked' },
        'rmp.smashTails': { guard: 'isHolder', actions: 'writeTails' },
        'rmp.smashHead': { guard: 'isHolder', actions: 'writeHead' },
        'rmp.checkGuest': { guard: 'isHolder', actions: 'answerGuestChecked' },
        'rmp.writeValidated': { guard: 'isHolder', actions: 'writeValidated' },
        'rmp.writeVmsa': { guard: 'isHolder', actions: 'writeVmsa' },
        'rmp.unlock': { guard: 'isHolder', actions: 'dropLock' },
        'rmp.query': { actions: 'answerQueried' },
        'rmp.read': { actions: 'answerEntry' },
        'rmp.hostWrite': { actions: ['answerHostWrite', 'storeHosts', 'noteChange'] },
        'rmp.export': [{ guard: 'isKept', actions: 'answerNotExported' }, { actions: ['export', 'answerExported'] }],
        'rmp.import': [
          { guard: 'isWhole', actions: ['import', 'answerImported'] },
          { guard: 'isOut', actions: 'answerChanged' },
          { actions: 'answerNotOut' },
        ],
        'rmp.hostRead': { actions: 'answerHostRead' },
        'rmp.deviceWrite': { actions: 'answerDeviceWrite' },
        'rmp.guestAccess': [
          { guard: 'isStaleAccess', actions: ['noteStray', 'answerKept', 'moveContent'] },
          { actions: ['answerAccess', 'moveContent'] },
        ],
        'rmp.enter': [
          { guard: 'isLocked', actions: 'answerLockedVmsa' },
          { guard: 'isValidVmsa', actions: ['setInUse', 'answerEntered'] },
          { actions: 'answerInvalid' },
        ],
        'rmp.use': { actions: 'setInUse' },
        'rmp.leave': { actions: 'clearInUse' },
        'rmp.inspect': { actions: 'answerInspected' },
        'rmp.firmware': { actions: 'writeFirmware' },
        'rmp.reclaim': [
          { guard: 'isLocked', actions: 'answerReclaimLocked' },
          { guard: 'isReclaimable', actions: ['reclaim', 'answerReclaimed'] },
          { actions: 'answerNotReclaimed' },
        ],
        'rmp.clear': { actions: 'clear' },
        'rmp.release': { actions: 'release' },
      },
    },
  },
});
