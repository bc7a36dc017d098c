/** Programs: what the threads of a host process and the vCPUs of a guest do, one operation after the other. */

/** A guest page by owner and frame number. Host code reaches guest memory through these. */
export interface GuestPage {
  readonly vm: string;
  readonly gfn: number;
}

/** What a guest can do. `private` is the C-bit of the access. */
export type GuestOp = CoreGuestOp | GuestOpsOf[keyof GuestOpsOf];

/** Operations that mechanisms add, by the name of the mechanism. */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declarations of mechanisms
export interface GuestOpsOf {}
// biome-ignore lint/suspicious/noEmptyInterface: as above
export interface HostOpsOf {}

export type CoreGuestOp =
  | { readonly op: 'pvalidate'; readonly gfn: number; readonly validated: boolean }
  | { readonly op: 'rmpadjust'; readonly gfn: number; readonly vmpl: number; readonly vmsa: boolean }
  | { readonly op: 'psc'; readonly gfn: number; readonly to: 'private' | 'shared' }
  | { readonly op: 'read'; readonly gfn: number; readonly private: boolean }
  | { readonly op: 'write'; readonly gfn: number; readonly private: boolean }
  /** Computes in guest mode and never exits by itself: only an interrupt of the pCPU ends it. */
  | { readonly op: 'spin' }
  | { readonly op: 'compute' }
  | { readonly op: 'hlt' };

/** What a thread of a host process can do. Upper case: an ioctl by its own name. */
export type HostOp = CoreHostOp | HostOpsOf[keyof HostOpsOf];

export type CoreHostOp =
  | { readonly op: 'KVM_RUN'; readonly vm: string; readonly vcpu: number }
  /** Device emulation in user space: `stores` stores to one guest page through the process's mapping. */
  | ({ readonly op: 'write'; readonly stores: number } & GuestPage)
  /** The host kernel writes a guest page after it has looked at its RMP entry (kvm_vcpu_map() and friends). */
  | ({ readonly op: 'kvm-write-guest' } & GuestPage)
  /** The same without a look, as any store of the kernel through its direct map. */
  | ({ readonly op: 'kvm-write-unchecked' } & GuestPage)
  /** kvm_rmp_make_shared(): the host takes a page back from a guest. */
  | ({ readonly op: 'make-shared' } & GuestPage)
  /** A firmware command through sev_do_cmd(). */
  | { readonly op: 'sev-command'; readonly command: PspCommand; readonly pfn: number };

/** Firmware commands by the name of the SEV-SNP firmware ABI. */
export type PspCommand = 'SNP_INIT_EX' | 'SNP_SHUTDOWN_EX' | 'SNP_PLATFORM_STATUS' | 'SNP_PAGE_RECLAIM' | 'SNP_DF_FLUSH';

/**
 * `next` decrements the program's loop counter `loop` and jumps to `to` while it is not used up. `choose` goes on at one of `to`, which the
 * chooser decides. `jump` goes on at `to` and takes no step of its own.
 */
export type ControlOp =
  | { readonly op: 'next'; readonly loop: number; readonly to: number }
  | { readonly op: 'choose'; readonly to: readonly number[] }
  | { readonly op: 'jump'; readonly to: number }
  | { readonly op: 'end' };

/** A program after `repeat` and `choose` have been turned into jumps. The last operation is always `end`. */
export interface Program<Op> {
  readonly ops: readonly (Op | ControlOp)[];
  /** How often each loop's body runs, by loop number. */
  readonly loops: readonly number[];
}
