/**
 * struct vcpu_vmx: what VMX keeps of a vCPU beside struct kvm_vcpu.
 * @see kernel arch/x86/kvm/vmx/vmx.h; series v8, patch 4
 */
import { assign, emit, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { VmxEvent, VmxFields } from '../../events/split-lock/split-lock.ts';

export const vcpuVmxMachine = setup({
  types: { context: {} as VmxFields, events: {} as Stamped<VmxEvent>, emitted: {} as Outgoing },
  actions: {
    answer: emit(({ context, event }) => outgoing(sender(event), { type: 'vmx.fields', ...context })),
    write: assign(({ context, event }) => (event.type === 'vmx.write' ? { ...context, ...event.fields } : context)),
  },
}).createMachine({
  id: 'vcpuVmx',
  context: { loaded: false, saved: null, testCtrl: 0 },
  initial: 'up',
  states: { up: { tags: 'rest', on: { 'vmx.read?': { actions: 'answer' }, 'vmx.write': { actions: 'write' } } } },
});
