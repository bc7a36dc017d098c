/** Instructions and states of debug logic for its tests, and what came of one in a line. */

import type { InsnControls } from '../../../actors/guest-debug/db-delivery.ts';
import { DR6_ACTIVE_LOW } from '../../../actors/guest-debug/debug-bits.ts';
import { DEBUG_CPUS, type DebugVendor, type GuestDebugState, type Ran, runInsn } from '../../../actors/guest-debug/x86-debug-rule.ts';
import type { DebuggedInsn, DebugRegister, InsnKind } from '../../../events/guest-debug/x86-debug.ts';
import type { U64 } from '../../../events/u64.ts';

export const VENDORS: readonly DebugVendor[] = ['svm', 'vmx'];
export const NONE: InsnControls = { intercepts: { dr: false, db: false, bp: false }, de: false };
export const ask = (...which: readonly ('dr' | 'db' | 'bp' | 'msr')[]): InsnControls => ({
  ...NONE,
  intercepts: { dr: which.includes('dr'), db: which.includes('db'), bp: which.includes('bp'), msr: which.includes('msr') },
});

export const CODE = 0x1000;
export const DATA = 0x2000;
/** Breakpoint 0 at CODE; breakpoint 1 on writes of 4 bytes at DATA, 2 on accesses of them. */
export const DR7 = { none: 0x400, code: 0x401, write: 0x00d0_0404, access: 0x0f00_0410, both: 0x0fd0_0414, gd: 0x2400 } as const;

export interface Before {
  readonly dr7?: number;
  readonly dr6?: number;
  readonly tf?: boolean;
  readonly rf?: boolean;
  readonly shadow?: GuestDebugState['shadow'];
  readonly pending?: number;
}

export const state = ({
  dr7 = DR7.none,
  dr6 = DR6_ACTIVE_LOW,
  tf = false,
  rf = false,
  shadow = null,
  pending = 0,
}: Before): GuestDebugState => ({
  registers: { db: [CODE, DATA, DATA, 0], dr6, dr7 },
  flags: { tf, rf },
  shadow,
  pending,
});

export const plain: DebuggedInsn = { kind: 'plain', rip: CODE };
export const of = (kind: InsnKind): DebuggedInsn => ({ kind, rip: CODE });
export const store: DebuggedInsn = { kind: 'plain', rip: 0x1800, access: { gva: DATA, length: 4, write: true } };
export const load: DebuggedInsn = { kind: 'plain', rip: 0x1800, access: { gva: DATA + 3, length: 1, write: false } };
export const movSs: DebuggedInsn = { kind: 'mov-ss', rip: 0x1800, access: { gva: DATA, length: 2, write: false } };
export const toDr = (dr: DebugRegister, value: U64): DebuggedInsn => ({ kind: 'mov-dr', rip: 0x1800, move: { dr, write: true, value } });
export const fromDr = (dr: DebugRegister): DebuggedInsn => ({ kind: 'mov-dr', rip: 0x1800, move: { dr, write: false, value: 0 } });

export const run = (vendor: DebugVendor, before: Before, insn: DebuggedInsn, controls = NONE): Ran =>
  runInsn(DEBUG_CPUS[vendor], controls, state(before), insn);

export const hex = (value: U64): string => `0x${BigInt(value).toString(16)}`;
/** In a line: exit or exception, DR6 behind it, and whether the instruction is done. */
export const line = ({ met, next }: Ran): string =>
  [
    met.exit === null ? (met.exception === null ? '-' : `#${met.exception}`) : `exit ${met.exit}`,
    hex(next.registers.dr6),
    met.retired ? 'retired' : 'not done',
  ].join(', ');
