/** The debug registers of arm64 by name, and who may access them. */

export type ExceptionLevel = 0 | 1 | 2;

/**
 * Registers of which breakpoint 0 and watchpoint 0 stand for all; of their control registers only E
 * (bit 0) does something. Of DBGVCR, the AArch32 name of DBGVCR32_EL2, one vector does, as bit 0.
 */
export const SYSREGS = ['oslar_el1', 'oslsr_el1', 'osdlr_el1', 'mdscr_el1', 'dbgbcr0_el1', 'dbgwcr0_el1', 'dbgvcr', 'dbgoslar'] as const;
export type Sysreg = (typeof SYSREGS)[number];

/** What the architecture says of the accesses of one register. */
export interface SysregRule {
  /** The lowest exception level that may read it, and write it; null if there is no such access. */
  readonly readFrom: ExceptionLevel | null;
  readonly writeFrom: ExceptionLevel | null;
  /** The bit of MDCR_EL2 that sends accesses from EL1 to EL2. */
  readonly trappedBy: 'tda' | 'tdosa';
  /** Whether it is a name of AArch32, accessed by MRC and MCR. */
  readonly aarch32: boolean;
}

/**
 * An access from a lower level, and one that is not there, is UNDEFINED before any trap is looked
 * at.
 * @see Arm ARM, pseudocode of MRS, MSR, MRC and MCR in the section of each register
 */
export const SYSREG_RULES: Readonly<Record<Sysreg, SysregRule>> = {
  oslar_el1: { readFrom: null, writeFrom: 1, trappedBy: 'tdosa', aarch32: false },
  oslsr_el1: { readFrom: 1, writeFrom: null, trappedBy: 'tdosa', aarch32: false },
  osdlr_el1: { readFrom: 1, writeFrom: 1, trappedBy: 'tdosa', aarch32: false },
  mdscr_el1: { readFrom: 1, writeFrom: 1, trappedBy: 'tda', aarch32: false },
  dbgbcr0_el1: { readFrom: 1, writeFrom: 1, trappedBy: 'tda', aarch32: false },
  dbgwcr0_el1: { readFrom: 1, writeFrom: 1, trappedBy: 'tda', aarch32: false },
  dbgvcr: { readFrom: 1, writeFrom: 1, trappedBy: 'tda', aarch32: true },
  dbgoslar: { readFrom: null, writeFrom: 1, trappedBy: 'tdosa', aarch32: true },
};
