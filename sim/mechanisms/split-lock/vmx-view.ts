/** struct vcpu_vmx as properties see it. */
import type { VcpuVmx } from '../../../actors/split-lock/vcpu-vmx.ts';
import { SPLIT_LOCK_DETECT } from '../../../events/split-lock/split-lock.ts';
import { hasBits } from '../../../events/u64.ts';
import type { WorldView } from '../../view.ts';

/** By the id of its vCPU. */
export const fieldsOf = (world: WorldView): ReadonlyMap<string, VcpuVmx> =>
  new Map(world.actors<VcpuVmx>('vcpuVmx').map(({ id, context }) => [id.replace(/^vmx:/, 'vcpu:'), context]));

/** Whether the guest's own value has detection on. */
export const hasBit = (fields: VcpuVmx | undefined): boolean => hasBits(fields?.testCtrl ?? 0, SPLIT_LOCK_DETECT);
