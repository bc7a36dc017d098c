/**
 * What the threads of a VMM share about one vCPU: the mapped kvm_run, of which immediate_exit is
 * kept, and a variable of the VMM's own that says whether the vCPU is to stay outside KVM_RUN.
 *
 * @see kernel Documentation/virt/kvm/api.rst, kvm_run, immediate_exit; QEMU CPUState, stop
 */
import { assign, emit, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { SharedField, VmmSharedEvent } from '../../events/user-vmm/user-vmm.ts';

export type VmmSharedContext = Readonly<Record<SharedField, boolean>>;

/** The actor of a vCPU. */
export const sharedOf = (vcpu: ActorId): ActorId => vcpu.replace(/^vcpu:/, 'kvmrun:');

export const vmmSharedMachine = setup({
  types: { context: {} as VmmSharedContext, events: {} as Stamped<VmmSharedEvent>, emitted: {} as Outgoing },
  actions: {
    store: assign(({ event }) => (event.type === 'vmm.store' ? { [event.field]: event.value } : {})),
    answer: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'vmm.loaded', value: event.type === 'vmm.load?' && c[event.field] }),
    ),
  },
}).createMachine({
  id: 'vmmShared',
  context: { immediateExit: false, paused: false },
  initial: 'mapped',
  states: { mapped: { tags: 'rest', on: { 'vmm.store': { actions: 'store' }, 'vmm.load?': { actions: 'answer' } } } },
});
