/**
 * Which debug exception a CPU takes, and to which exception level: the rules of AArch64 self-hosted
 * debug as one function of state.
 *
 * Breakpoint instructions stand outside: nothing here blocks them. External (halting) debug, EL3
 * and linked breakpoints are left out.
 *
 * @see Arm ARM, AArch64.GenerateDebugExceptionsFrom(), "Software Step exceptions", MDSCR_EL1,
 * MDCR_EL2; domain debug-and-split-lock D.1
 */

import type { DebugException, DebugPstate, Instruction } from '../../events/os-lock/arm-debug.ts';
import { hasBits, type U64 } from '../../events/u64.ts';

/** Bits of MDSCR_EL1. */
export const MDSCR = { SS: 1 << 0, KDE: 1 << 13, MDE: 1 << 15 } as const;
/**
 * OSLSR_EL1: OSLM is 0b10 (bit 3 set, bit 0 clear), which says that the OS Lock is there; OSLK is
 * bit 1.
 */
export const OSLSR = { OSLM: 1 << 3, OSLK: 1 << 1 } as const;
/** E of DBGBCR<n>_EL1 and DBGWCR<n>_EL1, and the one vector of DBGVCR. */
export const ENABLE = 1;
/** What AArch32 must write to DBGOSLAR to lock; anything else unlocks. */
export const OSLAR_KEY = 0xc5ac_ce55;

/** What the decision depends on. */
export interface DebugControl {
  readonly pstate: DebugPstate;
  readonly mdscr: U64;
  /** MDCR_EL2.TDE or HCR_EL2.TGE: debug exceptions of EL0 and EL1 go to EL2. */
  readonly routeToEl2: boolean;
  readonly osLock: boolean;
  /** OSDLR_EL1.DLK, on a CPU with FEAT_DoubleLock. */
  readonly doubleLock: boolean;
}

/** Where a debug exception goes if it is taken. From EL2 there is no way down. */
export const debugTarget = ({ pstate, routeToEl2 }: Pick<DebugControl, 'pstate' | 'routeToEl2'>): 1 | 2 =>
  routeToEl2 || pstate.el === 2 ? 2 : 1;

/**
 * AArch64.GenerateDebugExceptionsFrom(): whether anything but a breakpoint instruction can be taken
 * here at all.
 */
export function debugExceptionsEnabled(control: DebugControl): boolean {
  const { pstate, mdscr, osLock, doubleLock } = control;
  if (osLock || doubleLock) return false;
  const target = control.routeToEl2 ? 2 : 1;
  if (pstate.el === target) return hasBits(mdscr, MDSCR.KDE) && !pstate.d;
  return target > pstate.el;
}

/**
 * Vector catch belongs to AArch32, where neither KDE nor PSTATE.D stands between EL1 and its own
 * debug exceptions; the host at EL2 is AArch64 and has none.
 * @see Arm ARM, AArch32.VCRMatch(), AArch32.CheckVectorCatch(),
 * AArch32.GenerateDebugExceptionsFrom()
 */
const takesVectorCatch = ({ pstate, mdscr, osLock, doubleLock }: DebugControl): boolean =>
  !osLock && !doubleLock && pstate.el !== 2 && hasBits(mdscr, MDSCR.MDE);

/** Whether the CPU takes this exception where its condition is met. */
export function takesDebugException(kind: DebugException, control: DebugControl): boolean {
  if (kind === 'brk') return true;
  if (kind === 'vector-catch') return takesVectorCatch(control);
  const enable = kind === 'step' ? MDSCR.SS : MDSCR.MDE;
  return hasBits(control.mdscr, enable) && debugExceptionsEnabled(control);
}

/**
 * The first debug exception that one instruction brings about, or null. A pending step comes before
 * the instruction and before its breakpoint; a step that is not pending comes after the
 * instruction, if that raised nothing itself. Which of a breakpoint and a vector catch at one
 * instruction comes first is the implementation's business: here the breakpoint.
 */
export function firstDebugException(insn: Instruction, control: DebugControl): DebugException | null {
  const steps = takesDebugException('step', control);
  if (steps && !control.pstate.ss) return 'step';
  if (insn.breakpoint && takesDebugException('breakpoint', control)) return 'breakpoint';
  if (insn.vector && takesDebugException('vector-catch', control)) return 'vector-catch';
  if (insn.brk) return 'brk';
  if (insn.watchpoint && takesDebugException('watchpoint', control)) return 'watchpoint';
  return steps ? 'step' : null;
}
