/**
 * The VMX half of the run loop: VM entry to VM exit, and the exceptions of a guest that exit.
 *
 * @see kernel arch/x86/kvm/vmx/vmx.c, vmx_vcpu_run(), handle_exception_nmi(); Intel SDM vol. 3, "VM
 * entries", "VM exits"
 */
import type { ExceptionInfoOf, ExceptionVector } from '../../events/vmx.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { exitInfo } from '../kvm/kvm-env.ts';
import type { Vendor } from '../kvm/kvm-run.ts';
import { x86Vendor } from '../kvm/x86.ts';
import { otherwise } from '../path/path.ts';
import { saying } from '../path/saying.ts';

const { path, call, when, note } = host;

/** What handles an exception. @public */
export interface ExceptionHandler {
  readonly items: (env: HostEnv) => readonly HostItem[];
  /** Locals of the items, which die with the exit. */
  readonly locals?: readonly (keyof HostLocals & string)[];
}

declare module '../kvm/slots.ts' {
  interface Keyed {
    /** Exceptions that exit, by vector: each that a guest can raise has a handler. */
    readonly exceptions: Readonly<Partial<Record<ExceptionVector, ExceptionHandler>>>;
  }
}

/** What the exit tells of an exception. @throws if it is another one */
export function exceptionInfo<K extends ExceptionVector>(l: HostLocals, vector: K): ExceptionInfoOf[K] {
  const info = exitInfo(l, 'EXCEPTION_NMI');
  if (info.vector !== vector) throw new Error(`an exit for #${info.vector} is handled as one for #${vector}`);
  return info as unknown as ExceptionInfoOf[K];
}

const isOf = (vector: string) =>
  saying(`the exception is #${vector}`, (_t: HostThread, l: HostLocals) => exitInfo(l, 'EXCEPTION_NMI').vector === vector);

/** handle_exception_nmi(): by vector. */
function handleExceptionNmi(env: HostEnv): readonly HostItem[] {
  const handlers = Object.entries(env.slots.keyed('exceptions')) as [ExceptionVector, ExceptionHandler][];
  if (handlers.length === 0) return [];
  const refuse = (_t: HostThread, l: HostLocals) => env.slots.refuse('exceptions', exitInfo(l, 'EXCEPTION_NMI').vector, env);
  const source = kernelSource('arch/x86/kvm/vmx/vmx.c, handle_exception_nmi(); arch/x86/kernel/cpu/intel.c, handle_guest_split_lock()');
  const items = when(...handlers.map(([vector, handler]) => [isOf(vector), handler.items(env)] as const), [otherwise, [note(refuse)]]);
  return [call(path('handle_exception_nmi', source, [items], { locals: handlers.flatMap(([, { locals = [] }]) => locals) }))];
}

export const vmxVendor: Vendor = {
  name: 'vmx',
  ...x86Vendor,
  prepare: [],
  worldSwitch: {
    name: 'vmx_vcpu_run',
    ...kernelSource('arch/x86/kvm/vmx/vmx.c, vmx_vcpu_run(); Intel SDM vol. 3, "VM entries", "VM exits"'),
    enter: 'VMRESUME',
    leave: 'VMEXIT',
    hasInsns: false,
  },
  userIo: {
    pio: { name: 'handle_io', ...kernelSource('arch/x86/kvm/vmx/vmx.c, handle_io(); arch/x86/kvm/x86.c, kvm_fast_pio()') },
    mmio: {
      name: 'handle_ept_misconfig',
      ...kernelSource('arch/x86/kvm/vmx/vmx.c, handle_ept_misconfig(); arch/x86/kvm/mmu/mmu.c, kvm_mmu_page_fault()'),
    },
    emulates: true,
  },
  parts: { requests: x86Vendor.requests, exits: { ...x86Vendor.exits, EXCEPTION_NMI: handleExceptionNmi } },
  keyed: ['exceptions', 'fastpath'],
};
