/** What threads do to things that come and go. */
import { z } from 'zod';
import type { LifecycleOp } from '../../../events/lifecycle/lifecycle.ts';
import { integer, LIMITS, NAME, VCPU, vcpuNamed } from '../../scenario/fields.ts';
import { operation } from '../../scenario/operation.ts';

const DEVICES_MAX = 64;
export const DEVICE_SLOTS = integer(0, DEVICES_MAX);
const DEVICE = integer(0, DEVICES_MAX - 1).describe('A device of the VM, by its number.');

const CLOSED = {
  vm: NAME.describe('The VM, if nothing else is named.').exactOptional(),
  vcpu: VCPU.exactOptional(),
  device: DEVICE.describe('A device of `vm`, by its number.').exactOptional(),
};
const ONE = 'expected the one thing whose descriptor is closed: { vm: vm0 }, { vcpu: vm0/0 } or { vm: vm0, device: 0 }';

export const LIFECYCLE_HOST_OPERATIONS = {
  KVM_CREATE_DEVICE: operation('KVM_CREATE_DEVICE', 'Creates a device of a VM, in one of its `deviceSlots`.', { vm: NAME, device: DEVICE }),
  close: {
    summary: 'Closes the descriptor of a VM, a vCPU or a device; also one that another thread has not been told of yet.',
    args: CLOSED,
    fields: { vm: NAME, vcpu: integer(0, LIMITS.vcpus - 1).exactOptional(), device: DEVICE.exactOptional() },
    compiled: z
      .strictObject(CLOSED)
      .refine(({ vm, vcpu, device }) => (vcpu === undefined ? vm !== undefined : vm === undefined && device === undefined), { error: ONE })
      .transform(({ vm, vcpu, device }): LifecycleOp => {
        if (vcpu !== undefined) return { op: 'close', ...vcpuNamed(vcpu) };
        return device === undefined ? { op: 'close', vm: vm! } : { op: 'close', vm: vm!, device };
      }),
  },
} as const;

declare module '../../scenario/program.ts' {
  interface HostTablesOf {
    lifecycle: typeof LIFECYCLE_HOST_OPERATIONS;
  }
}
