/**
 * What the paths of KVM know and keep beside those of every host thread: VMs, the vCPU of an ioctl,
 * the exit of a guest.
 */
import type { ActorId } from '../../events/event.ts';
import type { ExitInfoOf, ExitReason, GuestExit, VcpuMode, VcpuRequest } from '../../events/kvm.ts';
import { type HostEnv, type HostLocals, type HostThread, opOf } from '../host/host-env.ts';

/**
 * Facts about a VM that do not change during a run. A mechanism that adds some declares them here.
 * @public
 */
export interface VmFacts {
  readonly id: ActorId;
  readonly vcpus: readonly ActorId[];
  /** The thread that runs each of them; null where none does. */
  readonly threads: readonly (ActorId | null)[];
}

declare module '../host/host-env.ts' {
  interface HostEnv {
    /** By name, as programs name them. */
    readonly vms: Readonly<Record<string, VmFacts>>;
  }
  interface HostLocals {
    /** A request, a kick, need_resched or a signal is pending (R10). */
    readonly pending?: boolean | undefined;
    /** vcpu->requests, as R6 found them. */
    readonly requests?: readonly VcpuRequest[] | undefined;
    /** KVM_REQ_VM_DEAD: KVM_RUN ends with -EIO. */
    readonly dead?: boolean | undefined;
    /** The VM that another thread's code has to do with, by name, and one of its vCPUs. */
    readonly owner?: string | undefined;
    readonly vcpu?: number | undefined;
    readonly kickCpu?: ActorId | null | undefined;
    /** CPUs that get the IPI of kvm_make_all_cpus_request(), and have not acknowledged it. */
    readonly kickMask?: Readonly<Record<ActorId, true>> | undefined;
    readonly mode?: VcpuMode | undefined;
    /** Why the guest left guest mode; undefined before it did. */
    readonly exit?: GuestExit | undefined;
    /** An ioctl on a vCPU ends before it does anything. */
    readonly refused?: boolean | undefined;
    /** User space handles the exit, or a request or a signal ends the run: KVM_RUN ends. */
    readonly returns?: boolean | undefined;
    readonly atomic?: boolean | undefined;
    /** The vCPU whose guest the last entry was to, if not to its own. */
    readonly guestAt?: ActorId | undefined;
  }
}

/** The VM that the thread's operation names. */
export function vmOf(env: HostEnv, thread: HostThread): string {
  const op = opOf(env, thread);
  if (!('vm' in op)) throw new Error(`${op.op} names no VM`);
  return op.vm;
}

/** The vCPU that the thread's ioctl is for: KVM_RUN, or one of a mechanism. @public */
export function vcpuOf(env: HostEnv, thread: HostThread) {
  const op = opOf(env, thread);
  if (!('vcpu' in op)) throw new Error(`${op.op} names no vCPU`);
  return { vm: op.vm, id: env.vms[op.vm]!.vcpus[op.vcpu]! };
}

/** The vCPU that walks through the guest: the thread's, unless another one has moved to it. */
export const guestOf = (env: HostEnv, t: HostThread, { guestAt }: HostLocals): ActorId => guestAt ?? vcpuOf(env, t).id;

/** A physical interrupt ended guest mode. @public */
export const INTR: GuestExit = { reason: 'INTR', info: null };

/**
 * What the exit tells, where its handler runs.
 * @throws Error if the guest left for another reason
 * @public
 */
export function exitInfo<K extends ExitReason>({ exit }: HostLocals, reason: K): ExitInfoOf[K] {
  if (exit?.reason !== reason) throw new Error(`${reason} is handled where the exit is ${exit?.reason ?? 'none'}`);
  return exit.info as ExitInfoOf[K];
}
