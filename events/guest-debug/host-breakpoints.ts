/** Vocabulary of the host's own breakpoints on a CPU, `hbp:N`, which perf sets. */
import type { Delivery, EventOf } from '../event.ts';
import type { U64 } from '../u64.ts';
import type { AddressMasks, CpuDebugRegistersAnswer, DataAccess } from './x86-debug.ts';

/** Which of DR0 to DR3. */
export type BreakpointSlot = 0 | 1 | 2 | 3;

/**
 * A breakpoint of perf.
 * @see kernel arch/x86/include/asm/hw_breakpoint.h, struct arch_hw_breakpoint
 */
export interface HostBreakpoint {
  readonly address: U64;
  /** As perf writes it in `mem:ADDRESS:w`. */
  readonly type: 'w' | 'rw';
  /** LEN, in bytes; 1 where a mask says more. */
  readonly length: 1 | 2 | 4 | 8;
  /** Bits of the address that the CPU ignores (AMD); 0 for none. */
  readonly mask: number;
}

/** Messages to the software copy of a CPU's breakpoints: on this CPU, with interrupts off. */
export type HostBreakpointsEvent =
  | EventOf<{
      /** arch_install_hw_breakpoint(); where the slot is taken, perf would have made no event. */
      'hbp.install': { slot: BreakpointSlot; breakpoint: HostBreakpoint };
      /** arch_uninstall_hw_breakpoint(). */
      'hbp.uninstall': { slot: BreakpointSlot };
      /** hw_breakpoint_active(): R11 asks. */
      'hbp.active?': object;
      /** amd_get_dr_addr_mask(), of all four. */
      'hbp.masks?': object;
      /** R14: hw_breakpoint_restore(), if hw_breakpoint_active(). */
      'hbp.restore': object;
      /** Code of the host does this on the CPU; `heard`: whether it expects perf to hear. */
      'hbp.touch?': DataAccess & { readonly heard?: boolean | undefined };
    }>
  | Extract<CpuDebugRegistersAnswer, { type: 'dr.touched' }>;

/** What a host thread hears: whether a breakpoint is armed, and B0 to B3 of its #DB, 0 for none. */
export type HostBreakpointsAnswer = EventOf<{
  'hbp.active': { active: boolean };
  'hbp.masks': { masks: AddressMasks };
  'hbp.touched': { bits: number };
}>;

/** All of them are bus messages: memory of the CPU, and an instruction. */
export const HOST_BREAKPOINT_EVENTS = {
  'hbp.install': 'bus',
  'hbp.uninstall': 'bus',
  'hbp.active?': 'bus',
  'hbp.active': 'bus',
  'hbp.masks?': 'bus',
  'hbp.masks': 'bus',
  'hbp.restore': 'bus',
  'hbp.touch?': 'bus',
  'hbp.touched': 'bus',
} as const satisfies Record<Exclude<HostBreakpointsEvent['type'], 'dr.touched'> | HostBreakpointsAnswer['type'], Delivery>;
