/**
 * A virtual machine as KVM sees it: whether it is dead, and who has its mmu_lock.
 *
 * @see kernel include/linux/kvm_host.h, struct kvm, mmu_lock, kvm_vm_bugged(), kvm_vm_dead()
 */
import { assign, emit, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { VmEvent } from '../../events/kvm.ts';

export interface VmContext {
  /** `bugged`: KVM found it inconsistent; `dead`: the host ended it on purpose. */
  readonly dead: 'bugged' | 'dead' | null;
  /** Who has mmu_lock for writing. */
  readonly mmuLock: ActorId | null;
  /** Who has it for reading; sorted, and absent if none has. */
  readonly mmuReaders?: readonly ActorId[] | undefined;
}

/** A VM that nothing has happened to. */
export const NEW_VM: VmContext = { dead: null, mmuLock: null };

export const vmMachine = setup({
  types: { context: {} as VmContext, events: {} as Stamped<VmEvent>, emitted: {} as Outgoing },
  guards: {
    isMmuFree: ({ context: c }) => c.mmuLock === null && c.mmuReaders === undefined,
    isMmuUnwritten: ({ context: c }) => c.mmuLock === null,
    isMmuReader: ({ context: c, event }) => c.mmuReaders?.includes(sender(event)) === true,
    isMmuOwner: ({ context: c, event }) => c.mmuLock === event.from,
    isAlive: ({ context: c }) => c.dead === null,
  },
  actions: {
    takeMmu: assign({ mmuLock: ({ event }) => sender(event) }),
    dropMmu: assign({ mmuLock: null }),
    readMmu: assign({ mmuReaders: ({ context: c, event }) => [...(c.mmuReaders ?? []), sender(event)].sort() }),
    endReadMmu: assign({
      mmuReaders: ({ context: c, event }) => {
        const others = c.mmuReaders!.filter((reader) => reader !== event.from);
        return others.length === 0 ? undefined : others;
      },
    }),
    answerMmuTaken: emit(({ event }) => outgoing(sender(event), { type: 'vm.mmuLocked', acquired: true })),
    answerMmuBusy: emit(({ event }) => outgoing(sender(event), { type: 'vm.mmuLocked', acquired: false })),
    kill: assign({ dead: ({ event }) => (event.type === 'vm.kill' ? event.cause : null) }),
    ignore: assign({}),
  },
}).createMachine({
  id: 'vm',
  context: NEW_VM,
  initial: 'created',
  states: {
    created: {
      tags: 'rest',
      on: {
        'vm.lockMmu': [{ guard: 'isMmuFree', actions: ['takeMmu', 'answerMmuTaken'] }, { actions: 'answerMmuBusy' }],
        'vm.unlockMmu': { guard: 'isMmuOwner', actions: 'dropMmu' },
        'vm.readLockMmu': [{ guard: 'isMmuUnwritten', actions: ['readMmu', 'answerMmuTaken'] }, { actions: 'answerMmuBusy' }],
        'vm.readUnlockMmu': { guard: 'isMmuReader', actions: 'endReadMmu' },
        'vm.kill': [{ guard: 'isAlive', actions: 'kill' }, { actions: 'ignore' }],
      },
    },
  },
});
