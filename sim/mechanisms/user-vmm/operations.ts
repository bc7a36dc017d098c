/** What the threads of a VMM do to vCPUs that other threads of it run. */
import { z } from 'zod';
import type { HostOp } from '../../../events/program.ts';
import { integer, LIMITS, NAME, VCPU, vcpuNamed } from '../../scenario/fields.ts';
import type { Operation } from '../../scenario/operation.ts';

const FIELDS = { vm: NAME, vcpu: integer(0, LIMITS.vcpus - 1) };
const ofVcpu = (
  op: 'pause-vcpu' | 'resume-vcpu' | 'store-immediate-exit',
  summary: string,
): Operation<{ readonly vcpu: typeof VCPU }, HostOp> => ({
  summary,
  args: { vcpu: VCPU },
  fields: FIELDS,
  compiled: z.strictObject({ vcpu: VCPU }).transform(({ vcpu }): HostOp => ({ op, ...vcpuNamed(vcpu) })),
});

export const USER_VMM_HOST_OPERATIONS = {
  'pause-vcpu': ofVcpu('pause-vcpu', 'Asks that a vCPU stays outside KVM_RUN, and kicks its thread; it does not wait.'),
  'resume-vcpu': ofVcpu('resume-vcpu', 'Lets a paused vCPU go on.'),
  'store-immediate-exit': ofVcpu('store-immediate-exit', 'Sets kvm_run->immediate_exit of a vCPU, and does no more.'),
} as const;

declare module '../../scenario/program.ts' {
  interface HostTablesOf {
    'user-vmm': typeof USER_VMM_HOST_OPERATIONS;
  }
}
