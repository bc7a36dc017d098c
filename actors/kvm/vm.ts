/**
 * A virtual machine as KVM sees it: whether it is dead, who has its mmu_lock, and who keeps which page in its present state. And what
 * its guest knows whichever vCPU runs: the pages it validated, and those of them it found no longer validated.
 *
 * @see kernel include/linux/kvm_host.h, struct kvm, mmu_lock, kvm_vm_bugged(), kvm_vm_dead(); series v5, patch 39
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { VmEvent } from '../../events/kvm.ts';

export interface VmInput {
  /** GFNs that the guest had validated before the story begins. */
  readonly believes: readonly number[];
}

export interface VmContext extends VmInput {
  /** GFNs that vCPUs of the guest validated and that it believed its own when they met #VC 0x404. */
  readonly lost: readonly number[];
  /** GFNs that it validated again without a question when they were taken from it: it goes on with somebody else's content. */
  readonly replaced: readonly number[];
  /** `bugged`: KVM found it inconsistent; `dead`: the host ended it on purpose. */
  readonly dead: 'bugged' | 'dead' | null;
  /** Who holds each page's state, by GFN. */
  readonly holders: Readonly<Record<number, readonly ActorId[]>>;
  /** Who changes each page's state now, by GFN. */
  readonly changing: Readonly<Record<number, ActorId>>;
  /** Threads that sleep until a page is let go. */
  readonly waiters: readonly ActorId[];
  /** Who has mmu_lock for writing. */
  readonly mmuLock: ActorId | null;
  /** Frames that are never given back. */
  readonly leaked: readonly number[];
}

const SCHEDULER: ActorId = 'sched';
type GfnEvent = Stamped<Extract<VmEvent, { readonly gfn: number }>>;
type Args = { readonly context: VmContext; readonly event: Stamped<VmEvent> };
const gfnOf = (event: Stamped<VmEvent>) => (event as GfnEvent).gfn;
const holdersOf = ({ context, event }: Args) => context.holders[gfnOf(event)] ?? [];
const sorted = (gfns: readonly number[]) => [...gfns].sort((a, b) => a - b);
const without = <V>(record: Readonly<Record<number, V>>, key: number): Readonly<Record<number, V>> =>
  Object.fromEntries(Object.entries(record).filter(([other]) => Number(other) !== key));

export const vmMachine = setup({
  types: { context: {} as VmContext, events: {} as Stamped<VmEvent>, emitted: {} as Outgoing, input: {} as VmInput },
  guards: {
    isChanging: ({ context: c, event }) => c.changing[gfnOf(event)] !== undefined,
    isHeldOrChanging: (args) => args.context.changing[gfnOf(args.event)] !== undefined || holdersOf(args).length > 0,
    isHolder: (args) => holdersOf(args).includes(sender(args.event)),
    isChanger: ({ context: c, event }) => c.changing[gfnOf(event)] === event.from,
    isMmuFree: ({ context: c }) => c.mmuLock === null,
    isMmuOwner: ({ context: c, event }) => c.mmuLock === event.from,
    isAlive: ({ context: c }) => c.dead === null,
  },
  actions: {
    hold: assign((args) => ({
      holders: { ...args.context.holders, [gfnOf(args.event)]: [...holdersOf(args), sender(args.event)].sort() },
    })),
    change: assign({ changing: ({ context: c, event }) => ({ ...c.changing, [gfnOf(event)]: sender(event) }) }),
    wait: assign({ waiters: ({ context: c, event }) => [...new Set([...c.waiters, sender(event)])].sort() }),
    grant: emit(({ event }) => outgoing(sender(event), { type: 'vm.granted', granted: true })),
    refuse: emit(({ event }) => outgoing(sender(event), { type: 'vm.granted', granted: false })),
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
    takeMmu: assign({ mmuLock: ({ event }) => sender(event) }),
    dropMmu: assign({ mmuLock: null }),
    answerMmuTaken: emit(({ event }) => outgoing(sender(event), { type: 'vm.mmuLocked', acquired: true })),
    answerMmuBusy: emit(({ event }) => outgoing(sender(event), { type: 'vm.mmuLocked', acquired: false })),
    kill: assign({ dead: ({ event }) => (event.type === 'vm.kill' ? event.cause : null) }),
    leak: assign({ leaked: ({ context: c, event }) => (event.type === 'vm.leakPage' ? [...c.leaked, event.pfn] : c.leaked) }),
    believe: assign(({ context: c, event }) => {
      if (event.type !== 'guest.validated') return {};
      const others = c.believes.filter((gfn) => gfn !== event.gfn);
      return { believes: event.validated ? sorted([...others, event.gfn]) : others };
    }),
    lose: assign(({ context: c, event }) => {
      if (event.type !== 'guest.notValidated' || !c.believes.includes(event.gfn)) return {};
      return { lost: sorted([...new Set([...c.lost, event.gfn])]) };
    }),
    replace: assign(({ context: c, event }) => {
      if (event.type !== 'guest.revalidated' || !c.believes.includes(event.gfn)) return {};
      return { replaced: sorted([...new Set([...c.replaced, event.gfn])]) };
    }),
    ignore: assign({}),
  },
}).createMachine({
  id: 'vm',
  context: ({ input }) => ({
    believes: input.believes,
    lost: [],
    replaced: [],
    dead: null,
    holders: {},
    changing: {},
    waiters: [],
    mmuLock: null,
    leaked: [],
  }),
  initial: 'created',
  states: {
    created: {
      tags: 'rest',
      on: {
        'vm.lockPage': [{ guard: 'isChanging', actions: ['wait', 'refuse'] }, { actions: ['hold', 'grant'] }],
        'vm.beginPsc': [{ guard: 'isHeldOrChanging', actions: ['wait', 'refuse'] }, { actions: ['change', 'grant'] }],
        'vm.unlockPage': { guard: 'isHolder', actions: ['letGo', 'wakeWaiters'] },
        'vm.endPsc': { guard: 'isChanger', actions: ['endChange', 'wakeWaiters'] },
        'vm.lockMmu': [{ guard: 'isMmuFree', actions: ['takeMmu', 'answerMmuTaken'] }, { actions: 'answerMmuBusy' }],
        'vm.unlockMmu': { guard: 'isMmuOwner', actions: 'dropMmu' },
        'vm.kill': [{ guard: 'isAlive', actions: 'kill' }, { actions: 'ignore' }],
        'guest.validated': { actions: 'believe' },
        'guest.notValidated': { actions: 'lose' },
        'guest.revalidated': { actions: 'replace' },
        'vm.leakPage': { actions: 'leak' },
      },
    },
  },
});
