/**
 * What the delivery of a #DB reads and writes in a guest, and which data breakpoints that hits.
 *
 * Where an intercepted #DB is #VC in the guest, it is the gate and the stack of #VC: Linux gives
 * both exceptions stacks of their own.
 *
 * @see kernel arch/x86/kernel/idt.c, ist_idts; domain debug-and-split-lock A.8
 */
import type { AddressMasks, DataAccess, DebugRegisters, GuestDebugControls } from '../../events/guest-debug/x86-debug.ts';
import type { U64 } from '../../events/u64.ts';
import { dataBreakpointsOf } from './debug-bits.ts';

/** What KVM has asked for, CR4.DE, and the address masks of the CPU, which are the host's. */
export interface InsnControls extends Pick<GuestDebugControls, 'intercepts' | 'de'> {
  readonly masks?: AddressMasks;
  /**
   * CPUID Fn8000_0021 EAX bit 0: no data breakpoint is hit while #DB is delivered, or the #VC in
   * its place. The second is inferred. `reads`: the hit of the gate alone is ignored, as no CPU has
   * it.
   */
  readonly noNestedDataBp?: boolean | 'reads' | undefined;
}

/** In the IDT, vectors 1 and 29; and the first words that the CPU pushes. */
const GATES = { DB: 0xfe_0010, VC: 0xfe_01d0 } as const;
const STACKS = { DB: 0xfe_2ff8, VC: 0xfe_4ff8 } as const;
export const DB_GATE = GATES.DB;
export const DB_STACK = STACKS.DB;
export const VC_GATE = GATES.VC;
export const VC_STACK = STACKS.VC;

const deliveryOf = (vector: 'DB' | 'VC'): readonly DataAccess[] => [
  { gva: GATES[vector], length: 8, write: false },
  { gva: STACKS[vector], length: 8, write: true },
];

/** Bits of the data breakpoints that the delivery itself hits; 0 for none. */
export function nestedHits(
  vector: 'DB' | 'VC',
  registers: DebugRegisters,
  { masks, noNestedDataBp = false }: Omit<InsnControls, 'intercepts' | 'de'>,
): U64 {
  const seen = deliveryOf(vector).filter(({ write }) => !noNestedDataBp || (noNestedDataBp === 'reads' && write));
  return seen.map((access) => dataBreakpointsOf(registers, access, masks)).reduce((a, b) => a | b, 0);
}
