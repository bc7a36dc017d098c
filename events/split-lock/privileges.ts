/** The least privilege that instructions of x86 guests ask for, by operation of a program. */

/** Rings 1 and 2 are as good as ring 3 for every access here. */
export type Cpl = 0 | 3;

/**
 * The highest CPL at which each runs. RDMSR and WRMSR above it are #GP(0), and a fault of privilege
 * comes before the VM exit.
 * @see Intel SDM vol. 2, "RDMSR", "WRMSR"; vol. 3, "Relative Priority of Faults and VM Exits"
 */
export const HIGHEST_CPL = {
  'wrmsr-test-ctrl': 0,
  'rdmsr-test-ctrl': 0,
  'emulated-increment': 3,
  'split-lock': 3,
  misaligned: 3,
} as const satisfies Readonly<Record<string, Cpl>>;
