/** What programs can do to VMs that are created and launched in the run. */
import { z } from 'zod';
import type { HostOp } from '../../../events/program.ts';
import { IOCTL_RESULTS, type LaunchIoctl, REGISTER_IOCTLS, type RegisterIoctl } from '../../../events/sev-es-debug/launch.ts';
import { GFN, integer, LIMITS, NAME, VCPU, vcpuNamed } from '../../scenario/fields.ts';
import { type Arguments, type Operation, operation } from '../../scenario/operation.ts';

const VM = NAME.describe('A VM of the scenario with `launched: false`.');
const RETURNS = z.enum(IOCTL_RESULTS).describe('What the program expects of it; anything unless given.').exactOptional();
const FEATURES_MAX = 0xffff;
const VALUE_MAX = 0xffff;
const PAGES_MAX = 4096;

/** An ioctl of a VM. */
const ofVm = <A extends Arguments>(op: HostOp['op'], summary: string, args: A) =>
  operation(op, summary, { vm: VM, returns: RETURNS, ...args });

/** An ioctl of a vCPU: written with its name, held as VM and index. */
const ofVcpu = <A extends Arguments>(
  op: HostOp['op'],
  summary: string,
  args: A,
): Operation<{ readonly vcpu: typeof VCPU; readonly returns: typeof RETURNS } & A> => {
  const written = { vcpu: VCPU, returns: RETURNS, ...args };
  return {
    summary,
    args: written,
    fields: { vm: NAME, vcpu: integer(0, LIMITS.vcpus - 1), returns: RETURNS, ...args },
    compiled: z.strictObject(written).transform((values) => {
      const { vcpu, ...rest } = values as { readonly vcpu: string };
      return { op, ...vcpuNamed(vcpu), ...rest };
    }),
  };
};

const PLAIN: Readonly<Record<LaunchIoctl, string>> = {
  KVM_SEV_ES_INIT: 'Makes a VM of the default type an SEV-ES guest, without features: what KVM_SEV_INIT2 replaces.',
  KVM_SEV_LAUNCH_START: 'Has the firmware make a guest of the VM.',
  KVM_SEV_LAUNCH_UPDATE_DATA: 'Has the firmware encrypt and measure a page of memory.',
  KVM_SEV_LAUNCH_UPDATE_VMSA: 'Syncs the registers of each vCPU into its VMSA, and has the firmware encrypt and measure that.',
  KVM_SEV_LAUNCH_MEASURE: 'Ends the measurement.',
  KVM_SEV_LAUNCH_FINISH: 'Ends the launch.',
  KVM_SEV_SNP_LAUNCH_START: 'The same as KVM_SEV_LAUNCH_START for an SNP VM.',
  KVM_SEV_SNP_LAUNCH_FINISH: 'Encrypts and measures the VMSAs of an SNP VM, and ends the launch.',
};
const REGISTERS: Readonly<Record<RegisterIoctl, string>> = {
  KVM_SET_REGS: 'Sets the general registers of a vCPU; one value stands for all of them.',
  KVM_SET_SREGS: 'Sets the segment and control registers of a vCPU.',
  KVM_GET_XCRS: 'Reads XCR0.',
  KVM_SET_FPU: 'Sets the FPU state of a vCPU.',
  KVM_SET_XSAVE: 'Sets the FPU state of a vCPU, as KVM_SET_FPU.',
  KVM_SET_DEBUGCTL: 'KVM_SET_MSRS of DEBUGCTL; bit 0 asks for last branch records.',
};

const plain = Object.fromEntries(Object.entries(PLAIN).map(([op, summary]) => [op, ofVm(op as LaunchIoctl, summary, {})])) as unknown as {
  readonly [K in LaunchIoctl]: ReturnType<typeof ofVm<Record<never, never>>>;
};

const value = integer(0, VALUE_MAX).describe('Stands for what is written. Default 0.').exactOptional();
const registers = Object.fromEntries(
  REGISTER_IOCTLS.map((op) => [op, ofVcpu(op, REGISTERS[op], op === 'KVM_GET_XCRS' ? {} : { value })]),
) as unknown as { readonly [K in RegisterIoctl]: ReturnType<typeof ofVcpu<{ readonly value: typeof value }>> };

export const SEV_LAUNCH_OPERATIONS = {
  KVM_SEV_INIT2: ofVm('KVM_SEV_INIT2', 'Makes a VM of an encrypted type a guest of that type, before its first vCPU.', {
    features: integer(0, FEATURES_MAX).describe('vmsa_features; 0x20 is DebugSwap. Default 0.').exactOptional(),
  }),
  ...plain,
  KVM_SEV_SNP_LAUNCH_UPDATE: ofVm(
    'KVM_SEV_SNP_LAUNCH_UPDATE',
    'Gives pages of a launch to the firmware, which measures and encrypts them.',
    {
      gfn: GFN,
      pages: integer(1, PAGES_MAX).describe('How many, from this GFN on. Default 1.').exactOptional(),
    },
  ),
  ...registers,
  KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM: ofVm(
    'KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM',
    'Moves an encrypted VM to another VM of the host, whose ioctl this is.',
    { from: VM },
  ),
} as const;

declare module '../../scenario/program.ts' {
  interface HostTablesOf {
    'sev-es-launch': typeof SEV_LAUNCH_OPERATIONS;
  }
}
