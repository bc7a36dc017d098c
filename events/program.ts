/**
 * Programs: what the threads of a host process and the vCPUs of a guest do, one operation after the
 * other.
 */
import type { U64 } from './u64.ts';

/** What a guest can do. @public */
export type GuestOp = CoreGuestOp | GuestOpsOf[keyof GuestOpsOf];

/** Operations that mechanisms add, by the name of the mechanism. @public */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declarations of mechanisms
export interface GuestOpsOf {}
/** Operations of host threads that mechanisms add, by the name of the mechanism. @public */
// biome-ignore lint/suspicious/noEmptyInterface: as above
export interface HostOpsOf {}

/** Operations of a guest that leave guest mode for what KVM resolves itself. @public */
export type KernelExitOp = { readonly op: 'touch' } | { readonly op: 'intercept'; readonly name: string };

/** What the guests of every host can do. @public */
export type CoreGuestOp =
  | KernelExitOp
  /** Computes in guest mode and never exits by itself: only an interrupt of the pCPU ends it. */
  | { readonly op: 'spin' }
  | { readonly op: 'compute' }
  | { readonly op: 'hlt' }
  /** Port I/O, and an access where no memory slot is: user space carries them out. */
  | { readonly op: 'out'; readonly port: number }
  | { readonly op: 'in'; readonly port: number }
  | { readonly op: 'mmio'; readonly gpa: number; readonly write?: boolean }
  /** An instruction at which a debugger in user space stops the guest. */
  | { readonly op: 'debug-exit' };

/** What a thread of a host process can do. Upper case: an ioctl by its own name. @public */
export type HostOp = CoreHostOp | HostOpsOf[keyof HostOpsOf];

/** A thread sends the one that runs a vCPU a signal. @public */
export type SignalOp = { readonly op: 'tgkill'; readonly vm: string; readonly vcpu: number };

/** KVM_SET_GUEST_DEBUG. What stands behind `known` is of x86. @public */
export interface SetGuestDebugOp {
  readonly op: 'KVM_SET_GUEST_DEBUG';
  readonly vm: string;
  readonly vcpu: number;
  readonly enable?: boolean | undefined;
  readonly hw?: boolean | undefined;
  readonly step?: boolean | undefined;
  readonly sw?: boolean | undefined;
  /** Whether the VMM recognizes hits as its own. */
  readonly known?: boolean | undefined;
  readonly injectDb?: boolean | undefined;
  readonly injectBp?: boolean | undefined;
  readonly blockirq?: boolean | undefined;
  /** Of the debugger; 0 where not given. */
  readonly dr0?: U64 | undefined;
  readonly dr1?: U64 | undefined;
  readonly dr2?: U64 | undefined;
  readonly dr3?: U64 | undefined;
  readonly dr7?: U64 | undefined;
}

/**
 * KVM_CREATE_VM, KVM_CREATE_VCPU, where a mechanism has it that the VM is not there from the start.
 * `returns`: what the program expects. `emfile`: no descriptor is left.
 * @public
 */
export type CreationOp =
  | { readonly op: 'KVM_CREATE_VM'; readonly vm: string; readonly type?: string | undefined; readonly returns?: string | undefined }
  | {
      readonly op: 'KVM_CREATE_VCPU';
      readonly vm: string;
      readonly vcpu: number;
      readonly returns?: string | undefined;
      readonly emfile?: true | undefined;
    };

/** What the threads of every host can do. @public */
export type CoreHostOp =
  | SignalOp
  | CreationOp
  /** `reenter`: the VMM answers what KVM_RUN has ended for, and calls it again. */
  | { readonly op: 'KVM_RUN'; readonly vm: string; readonly vcpu: number; readonly reenter?: boolean }
  | { readonly op: 'KVM_GET_MP_STATE'; readonly vm: string; readonly vcpu: number }
  /** To KVM_MP_STATE_RUNNABLE. */
  | { readonly op: 'KVM_SET_MP_STATE'; readonly vm: string; readonly vcpu: number }
  | SetGuestDebugOp
  | { readonly op: 'madvise'; readonly vm: string }
  /** Starts a thread of the same process: by its place in `threads`. */
  | { readonly op: 'pthread_create'; readonly thread: number }
  /** One step if it does not say how many. */
  | { readonly op: 'compute'; readonly steps?: number | 'endless' | undefined };

/**
 * `next` decrements the program's loop counter `loop` and jumps to `to` while it is not used up.
 * `choose` goes on at one of `to`, which the chooser decides. `jump` goes on at `to` and takes no
 * step of its own.
 * @public
 */
export type ControlOp =
  | { readonly op: 'next'; readonly loop: number; readonly to: number }
  | { readonly op: 'choose'; readonly to: readonly number[] }
  | { readonly op: 'jump'; readonly to: number }
  | { readonly op: 'end' };

/**
 * A program after `repeat` and `choose` have been turned into jumps. The last operation is always
 * `end`.
 * @public
 */
export interface Program<Op> {
  readonly ops: readonly (Op | ControlOp)[];
  /** How often each loop's body runs, by loop number. */
  readonly loops: readonly number[];
}
