/** The ioctls that create VMs and vCPUs, where a mechanism has it that they can be created. */
import { z } from 'zod';
import type { CreationOp } from '../../events/program.ts';
import { integer, LIMITS, NAME, VCPU, vcpuNamed } from './fields.ts';
import { operation } from './operation.ts';

const RETURNS_ERROR = 'expected "ok" or an error such as "EBADF"';
const RETURNS = z
  .string({ error: RETURNS_ERROR })
  .regex(/^(?:ok|E[A-Z0-9]{2,15})$/, { error: RETURNS_ERROR })
  .describe('What the program expects of it: ok or an error; anything unless given.')
  .exactOptional();
const TYPE_ERROR = 'expected a type of KVM such as "default"';
const TYPE = z
  .string({ error: TYPE_ERROR })
  .regex(/^[a-z][a-z0-9-]{0,31}$/, { error: TYPE_ERROR })
  .describe('Its KVM type. Default: that of the VM.')
  .exactOptional();
const EMFILE = z
  .literal(true, { error: 'expected true' })
  .describe('No file descriptor is left (RLIMIT_NOFILE): it fails where it would get one.')
  .exactOptional();
const OF_VCPU = { vcpu: VCPU, returns: RETURNS, emfile: EMFILE };

export const CREATION_OPERATIONS = {
  KVM_CREATE_VM: operation('KVM_CREATE_VM', 'Creates a VM that is not there from the start: before it no ioctl has a descriptor.', {
    vm: NAME,
    returns: RETURNS,
    type: TYPE,
  }),
  KVM_CREATE_VCPU: {
    summary: 'Creates a vCPU that is not there from the start.',
    args: OF_VCPU,
    fields: { vm: NAME, vcpu: integer(0, LIMITS.vcpus - 1), returns: RETURNS, emfile: EMFILE },
    compiled: z
      .strictObject(OF_VCPU)
      .transform(({ vcpu, ...rest }): CreationOp => ({ op: 'KVM_CREATE_VCPU', ...vcpuNamed(vcpu), ...rest })),
  },
} as const;
