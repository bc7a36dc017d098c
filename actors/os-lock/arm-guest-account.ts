/**
 * The guest's own account of its debug registers: what the architecture, and where KVM documents
 * that it differs KVM, lets a guest expect.
 *
 * It is kept from the guest's accesses alone. No value, bit or table of the machines is used here,
 * or a mistake of theirs would be repeated.
 */
import type { ActorId } from '../../events/event.ts';
import type { DebugException, DebugPstate } from '../../events/os-lock/arm-debug.ts';
import type { Sysreg } from '../../events/os-lock/sysregs.ts';
import type { U64 } from '../../events/u64.ts';

/** What a guest keeps in mind of its debug state. */
export interface GuestDebugView {
  /** Where KVM keeps the vCPU: another place after a migration. */
  readonly kvm: ActorId;
  readonly locked: boolean;
  readonly mdscr: U64;
  readonly bcr: U64;
  readonly wcr: U64;
  /** Absent until it is written. */
  readonly vcr?: U64 | undefined;
  readonly pstate: DebugPstate;
  /** The last debug exception it took at EL1, and whether its lock was on. */
  readonly taken: { readonly exception: DebugException; readonly locked: boolean } | null;
  /** A BRK that did nothing. */
  readonly skipped: boolean;
  /** An exception that was due at EL1 and did not come. */
  readonly lost: DebugException | null;
  /** An event of the debugger that did not reach the host. */
  readonly stolen: DebugException | 'hit' | null;
  /** The last register it read. */
  readonly read: { readonly reg: Sysreg; readonly value: U64; readonly expected: U64 } | null;
  /** The last access that was undefined, or the exception that came as an undefined instruction. */
  readonly undefined: Sysreg | DebugException | null;
}

/** What a write means to the guest. @see Arm ARM, OSLAR_EL1, DBGOSLAR */
export function wrote(view: GuestDebugView, reg: Sysreg, value: U64): Partial<GuestDebugView> {
  switch (reg) {
    case 'oslar_el1':
      return { locked: BigInt(value) % 2n === 1n };
    case 'dbgoslar':
      return { locked: value === 0xc5ac_ce55 };
    case 'mdscr_el1':
      return { mdscr: value };
    case 'dbgbcr0_el1':
      return { bcr: value };
    case 'dbgwcr0_el1':
      return { wcr: value };
    case 'dbgvcr':
      return { vcr: value };
    default:
      return view;
  }
}

/**
 * What a read must yield.
 * @see Arm ARM, OSLSR_EL1: OSLM says that the lock is there, OSLK that it is on; kernel
 * arch/arm64/kvm/sys_regs.c of 6.1, sys_reg_descs[]: OSDLR_EL1 is trap_raz_wi()
 */
export function expectedOf({ locked, mdscr, bcr, wcr, vcr = 0 }: GuestDebugView, reg: Sysreg): U64 {
  switch (reg) {
    case 'mdscr_el1':
      return mdscr;
    case 'dbgbcr0_el1':
      return bcr;
    case 'dbgwcr0_el1':
      return wcr;
    case 'dbgvcr':
      return vcr;
    case 'oslsr_el1':
      return locked ? 0b1010 : 0b1000;
    case 'osdlr_el1':
      return 0;
    case 'oslar_el1':
    case 'dbgoslar':
      throw new Error(`a guest has read ${reg}, which has no read`);
  }
}
