/**
 * struct vcpu_vmx: what VMX keeps of a vCPU beside struct kvm_vcpu.
 * @see kernel arch/x86/kvm/vmx/vmx.h; series v8, patch 4
 */
import { assign, emit, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { VmxEvent, VmxFields } from '../../events/split-lock/split-lock.ts';

/** Its fields, and what properties ask of their history. */
export interface VcpuVmx extends VmxFields {
  /** How often guest state has been loaded since the vCPU was put: 2 stands for more as well. */
  readonly loads: 0 | 1 | 2;
  /** Whose write of MSR_TEST_CTRL was the last. */
  readonly writer: 'guest' | 'VMM' | null;
}

const more = (loads: VcpuVmx['loads']): VcpuVmx['loads'] => (loads === 0 ? 1 : 2);

export const vcpuVmxMachine = setup({
  types: { context: {} as VcpuVmx, events: {} as Stamped<VmxEvent>, emitted: {} as Outgoing },
  actions: {
    answer: emit(({ context: { loaded, saved, testCtrl }, event }) =>
      outgoing(sender(event), { type: 'vmx.fields', loaded, saved, testCtrl }),
    ),
    write: assign(({ context: c, event }) => {
      if (event.type !== 'vmx.write') return c;
      const { fields, hostInitiated } = event;
      return {
        ...c,
        ...fields,
        loads: fields.loaded === true ? more(c.loads) : c.loads,
        ...(fields.testCtrl !== undefined && { writer: hostInitiated === true ? ('VMM' as const) : ('guest' as const) }),
      };
    }),
    beginAgain: assign({ loads: 0 }),
  },
}).createMachine({
  id: 'vcpuVmx',
  context: { loaded: false, saved: null, testCtrl: 0, loads: 0, writer: null },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: { 'vmx.read?': { actions: 'answer' }, 'vmx.write': { actions: 'write' }, 'vmx.vcpuPut': { actions: 'beginAgain' } },
    },
  },
});
