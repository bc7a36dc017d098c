/**
 * The pages of one SNP guest: which thread keeps which page in its present state (the map lock),
 * which one has locked which folio of its guest_memfd, and what the guest knows on all its vCPUs:
 * the pages that it validated, those of them that it found no longer validated, and what it stored.
 *
 * What a frame holds, and what the RMP says of it, is in the actor of its region.
 *
 * @see series v5, patch 39, for the map lock; domain snp d; SNP-15 to SNP-18
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { Loaded } from '../../events/sev-snp/contents.ts';
import type { VmPagesEvent } from '../../events/sev-snp/vm-pages.ts';
import { isOwn } from './contents.ts';

export interface VmPagesInput {
  /** GFNs that the guest had validated before the story begins. */
  readonly believes: readonly number[];
  /**
   * What the guest has stored last, by GFN: of private pages whose contents the run has.
   */
  readonly stored?: Readonly<Record<number, Loaded>>;
  /** GFNs that KVM_SET_MEMORY_ATTRIBUTES made private; only with a guest_memfd. */
  readonly attributes?: readonly number[];
  /** Beside `attributes`, where the host has other SNP VMs. */
  readonly asid?: number;
}

export interface VmPagesContext extends VmPagesInput {
  /**
   * GFNs that vCPUs of the guest validated and that it believed its own when they met #VC 0x404.
   */
  readonly lost: readonly number[];
  /**
   * GFNs where a vCPU has loaded what the guest did not store there last: it goes on with content
   * of another.
   */
  readonly replaced: readonly number[];
  /** What it loaded there. */
  readonly found?: Readonly<Record<number, Loaded>>;
  /** The threads that hold each page's state, by GFN. */
  readonly holders: Readonly<Record<number, readonly ActorId[]>>;
  /** The thread that changes each page's state now, by GFN. */
  readonly changing: Readonly<Record<number, ActorId>>;
  /** Threads that sleep until a page is let go. */
  readonly waiters: readonly ActorId[];
  /** The thread that has locked each folio, by its first GFN, once one has been locked. */
  readonly folios?: Readonly<Record<number, ActorId>>;
  /** Threads that sleep until a folio is unlocked, once one has. */
  readonly folioWaiters?: readonly ActorId[];
  /** PFNs of frames that are never given back. */
  readonly leaked: readonly number[];
  /** PFNs of frames that went back to the allocator, once one has, and are still there. */
  readonly freed?: readonly number[];
  /** A GPA, once a guest has set it. */
  readonly jumpTable?: number;
  /** Sizes of nested mappings by their first GFN, where KVM maps pages ahead. */
  readonly mapped?: Readonly<Record<number, '4K' | '2M'>>;
  /** GFNs of those that were made larger than KVM had found the entry, once one was. */
  readonly overmapped?: readonly number[];
  /** The readers of psc_srcu, once one has entered. */
  readonly readers?: readonly ActorId[];
  /** By thread in synchronize_srcu(): the readers that it still waits for. */
  readonly grace?: Readonly<Record<ActorId, readonly ActorId[]>>;
}

const SCHEDULER: ActorId = 'sched';
type GfnEvent = Stamped<Extract<VmPagesEvent, { readonly gfn: number }>>;
type Args = { readonly context: VmPagesContext; readonly event: Stamped<VmPagesEvent> };
const gfnOf = (event: Stamped<VmPagesEvent>) => (event as GfnEvent).gfn;
const holdersOf = ({ context, event }: Args) => context.holders[gfnOf(event)] ?? [];
const graceOf = ({ context: c, event }: Args) => c.grace?.[event.from!] ?? c.readers ?? [];
const isPrivate = (c: VmPagesContext, event: Stamped<VmPagesEvent>) => c.attributes?.includes(gfnOf(event)) === true;
const sorted = (gfns: readonly number[]) => [...gfns].sort((a, b) => a - b);
const without = <V>(record: Readonly<Record<number, V>>, key: number): Readonly<Record<number, V>> =>
  Object.fromEntries(Object.entries(record).filter(([other]) => Number(other) !== key));

export const vmPagesMachine = setup({
  types: {
    context: {} as VmPagesContext,
    events: {} as Stamped<VmPagesEvent>,
    emitted: {} as Outgoing,
    input: {} as VmPagesInput,
  },
  guards: {
    isChanging: ({ context: c, event }) => c.changing[gfnOf(event)] !== undefined,
    isHeldOrChanging: (args) => args.context.changing[gfnOf(args.event)] !== undefined || holdersOf(args).length > 0,
    isHolder: (args) => holdersOf(args).includes(sender(args.event)),
    isChanger: ({ context: c, event }) => c.changing[gfnOf(event)] === event.from,
    isFolioLocked: ({ context: c, event }) => c.folios?.[gfnOf(event)] !== undefined,
    hasLockedFolio: ({ context: c, event }) => c.folios?.[gfnOf(event)] === event.from,
    isReadByOld: (args) => graceOf(args).length > 0,
  },
  actions: {
    hold: assign((args) => ({
      holders: { ...args.context.holders, [gfnOf(args.event)]: [...holdersOf(args), sender(args.event)].sort() },
    })),
    change: assign({ changing: ({ context: c, event }) => ({ ...c.changing, [gfnOf(event)]: sender(event) }) }),
    wait: assign({ waiters: ({ context: c, event }) => [...new Set([...c.waiters, sender(event)])].sort() }),
    grant: emit(({ event }) => outgoing(sender(event), { type: 'pages.granted', granted: true })),
    refuse: emit(({ event }) => outgoing(sender(event), { type: 'pages.granted', granted: false })),
    letGo: assign((args) => {
      const rest = holdersOf(args).filter((holder) => holder !== args.event.from);
      const others = without(args.context.holders, gfnOf(args.event));
      return { holders: rest.length ? { ...others, [gfnOf(args.event)]: rest } : others };
    }),
    endChange: assign({ changing: ({ context: c, event }) => without(c.changing, gfnOf(event)) }),
    wakeWaiters: enqueueActions(({ context: c, enqueue }) => {
      for (const thread of c.waiters) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      enqueue.assign({ waiters: [] });
    }),
    lockFolio: assign({ folios: ({ context: c, event }) => ({ ...c.folios, [gfnOf(event)]: sender(event) }) }),
    waitForFolio: assign({
      folioWaiters: ({ context: c, event }) => [...new Set([...(c.folioWaiters ?? []), sender(event)])].sort(),
    }),
    unlockFolio: enqueueActions(({ context: c, event, enqueue }) => {
      for (const thread of c.folioWaiters ?? []) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      const woken = c.folioWaiters === undefined ? {} : { folioWaiters: [] };
      enqueue.assign({ folios: without(c.folios ?? {}, gfnOf(event)), ...woken });
    }),
    enter: assign({ readers: ({ context: c, event }) => [...(c.readers ?? []), sender(event)].sort() }),
    leave: assign(({ context: c, event }) => ({
      readers: (c.readers ?? []).filter((reader) => reader !== event.from),
      grace: Object.fromEntries(
        Object.entries(c.grace ?? {}).map(([thread, readers]) => [thread, readers.filter((reader) => reader !== event.from)]),
      ),
    })),
    noteReaders: assign({ grace: (args) => ({ ...args.context.grace, [sender(args.event)]: graceOf(args) }) }),
    endGrace: assign({
      grace: ({ context: c, event }) => Object.fromEntries(Object.entries(c.grace ?? {}).filter(([thread]) => thread !== event.from)),
    }),
    answerPrivate: emit(({ context: c, event }) => outgoing(sender(event), { type: 'pages.private', private: isPrivate(c, event) })),
    answerHostStore: emit(({ context: c, event }) => outgoing(sender(event), { type: 'pages.hostStored', reached: !isPrivate(c, event) })),
    answerWalk: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'pages.walked', maps: event.type === 'guest.walk' && event.private === isPrivate(c, event) }),
    ),
    setPrivate: assign(({ context: c, event }) => {
      if (event.type !== 'pages.setPrivate') return {};
      const others = (c.attributes ?? []).filter((gfn) => gfn !== event.gfn);
      return { attributes: event.private ? sorted([...others, event.gfn]) : others };
    }),
    leak: assign({ leaked: ({ context: c, event }) => (event.type === 'pages.leak' ? [...c.leaked, event.pfn] : c.leaked) }),
    free: assign(({ context: c, event }) =>
      event.type === 'pages.free' ? { freed: sorted([...new Set([...(c.freed ?? []), event.pfn])]) } : {},
    ),
    // kvm_gmem_get_folio() locks what it has found or allocated.
    take: assign(({ context: c, event }) =>
      event.type === 'pages.lockFolio' && c.freed !== undefined ? { freed: c.freed.filter((pfn) => pfn !== event.takes) } : {},
    ),
    setJumpTable: assign(({ event }) => (event.type === 'pages.jumpTable' && event.set !== undefined ? { jumpTable: event.set } : {})),
    tellJumpTable: emit(({ context: c, event }) => outgoing(sender(event), { type: 'pages.jumpTableIs', gpa: c.jumpTable ?? 0 })),
    map: assign(({ context: c, event }) => {
      if (event.type !== 'pages.map') return {};
      const { gfn, size, entry } = event;
      const isOver = size === '2M' && entry === '4K';
      return {
        mapped: { ...c.mapped, [gfn]: size },
        ...(isOver && { overmapped: sorted([...new Set([...(c.overmapped ?? []), gfn])]) }),
      };
    }),
    believe: assign(({ context: c, event }) => {
      if (event.type !== 'guest.validated') return {};
      const others = c.believes.filter((gfn) => gfn !== event.gfn);
      return { believes: event.validated ? sorted([...others, event.gfn]) : others };
    }),
    lose: assign(({ context: c, event }) => {
      if (event.type !== 'guest.notValidated' || !c.believes.includes(event.gfn)) return {};
      return { lost: sorted([...new Set([...c.lost, event.gfn])]) };
    }),
    store: assign(({ context: c, event }) =>
      event.type === 'guest.stored' ? { stored: { ...c.stored, [event.gfn]: event.content } } : {},
    ),
    load: assign(({ context: c, event }) => {
      if (event.type !== 'guest.loaded' || isOwn(c.stored?.[event.gfn], event.content)) return {};
      return {
        replaced: sorted([...new Set([...c.replaced, event.gfn])]),
        found: { ...c.found, [event.gfn]: event.content },
      };
    }),
  },
}).createMachine({
  id: 'vmPages',
  context: ({ input }) => ({ ...input, lost: [], replaced: [], holders: {}, changing: {}, waiters: [], leaked: [] }),
  initial: 'ready',
  states: {
    ready: {
      tags: 'rest',
      on: {
        'pages.lock': [{ guard: 'isChanging', actions: ['wait', 'refuse'] }, { actions: ['hold', 'grant'] }],
        'pages.beginPsc': [{ guard: 'isHeldOrChanging', actions: ['wait', 'refuse'] }, { actions: ['change', 'grant'] }],
        'pages.lockFolio': [{ guard: 'isFolioLocked', actions: ['waitForFolio', 'refuse'] }, { actions: ['lockFolio', 'take', 'grant'] }],
        'pages.unlockFolio': { guard: 'hasLockedFolio', actions: 'unlockFolio' },
        'pages.unlock': { guard: 'isHolder', actions: ['letGo', 'wakeWaiters'] },
        'pages.endPsc': { guard: 'isChanger', actions: ['endChange', 'wakeWaiters'] },
        'pages.readLock': { actions: 'enter' },
        'pages.readUnlock': { actions: ['leave', 'wakeWaiters'] },
        'pages.synchronize': [{ guard: 'isReadByOld', actions: ['noteReaders', 'wait', 'refuse'] }, { actions: ['endGrace', 'grant'] }],
        'pages.private?': { actions: 'answerPrivate' },
        'pages.setPrivate': { actions: 'setPrivate' },
        'pages.hostStore': { actions: 'answerHostStore' },
        'guest.walk': { actions: 'answerWalk' },
        'guest.validated': { actions: 'believe' },
        'guest.notValidated': { actions: 'lose' },
        'guest.stored': { actions: 'store' },
        'guest.loaded': { actions: 'load' },
        'pages.leak': { actions: 'leak' },
        'pages.free': { actions: 'free' },
        'pages.jumpTable': { actions: ['setJumpTable', 'tellJumpTable'] },
        'pages.map': { actions: 'map' },
      },
    },
  },
});
