/**
 * Every register of an SEV-ES world switch: where it stands in the VMSA, what VMRUN and #VMEXIT do
 * to the host's value, and who has to put that value into the host save area.
 *
 * The area of a CPU has the layout of a VMSA. Offsets follow from struct sev_es_save_area. Types
 * that no code of the kernel shows are from memory of the manual, and graded `inferred`.
 *
 * @see APM vol. 2, appendix "Layout of VMSA"; kernel arch/x86/include/asm/svm.h, struct
 * sev_es_save_area; arch/x86/kvm/svm/sev.c, sev_es_prepare_switch_to_guest(); domain
 * debug-and-split-lock A.2
 */
import type { VmsaFeature } from '../../events/sev-es-debug/sev-es-debug.ts';

/**
 * What becomes of the host's value. A: VMRUN stores it, #VMEXIT loads it. B: #VMEXIT loads it, and
 * software has to have stored it. C: #VMEXIT resets the register. The guest's is in the VMSA in all
 * three.
 */
export type SwapType = 'A' | 'B' | 'C';

/**
 * Who fills the host save area. `kvm-debug`: KVM by hand, if DebugSwap may be on. `vmenter`: the
 * assembly code around VMRUN; kernels before 6.10 take these from the stack behind it. `at-enable`:
 * KVM, once, when it enables virtualization. `none`: the host does not need the value.
 */
export type FilledBy = 'hardware' | 'vmsave' | 'kvm' | 'kvm-debug' | 'vmenter' | 'at-enable' | 'none';

export interface SwappedRegister {
  /** Bytes from the start of the VMSA. */
  readonly offset: number;
  readonly type: SwapType;
  readonly filledBy: FilledBy;
  /** The register is swapped only where this is on; if it is not, nothing touches it. */
  readonly needs?: VmsaFeature | 'virt-tsc-aux';
  readonly grade: 'read' | 'inferred';
}

/** Registers that are alike, each with its offset. */
const rows = <const R extends readonly (readonly [string, number])[]>(
  what: Omit<SwappedRegister, 'offset'>,
  ...registers: R
): Readonly<Record<R[number][0], SwappedRegister>> =>
  Object.fromEntries(registers.map(([name, offset]) => [name, { offset, ...what }])) as Record<R[number][0], SwappedRegister>;

/** By the manual's names. */
export const SWAPPED = {
  ...rows({ type: 'A', filledBy: 'hardware', grade: 'inferred' }, ['ES', 0x000], ['CS', 0x010], ['SS', 0x020], ['DS', 0x030]),
  ...rows({ type: 'B', filledBy: 'vmsave', grade: 'read' }, ['FS', 0x040], ['GS', 0x050], ['LDTR', 0x070], ['TR', 0x090]),
  ...rows({ type: 'A', filledBy: 'hardware', grade: 'inferred' }, ['GDTR', 0x060], ['IDTR', 0x080], ['EFER', 0x0d0]),
  ...rows({ type: 'B', filledBy: 'kvm', grade: 'read' }, ['XSS', 0x140]),
  ...rows({ type: 'A', filledBy: 'hardware', grade: 'inferred' }, ['CR4', 0x148], ['CR3', 0x150], ['CR0', 0x158]),
  // With and without DebugSwap. @see kernel arch/x86/kvm/svm/svm.c, dr_interception()
  ...rows({ type: 'A', filledBy: 'hardware', grade: 'read' }, ['DR7', 0x160], ['DR6', 0x168]),
  ...rows({ type: 'A', filledBy: 'hardware', grade: 'inferred' }, ['RFLAGS', 0x170], ['RIP', 0x178]),
  ...rows(
    { type: 'B', filledBy: 'kvm-debug', needs: 'debug-swap', grade: 'read' },
    ['DR0', 0x180],
    ['DR1', 0x188],
    ['DR2', 0x190],
    ['DR3', 0x198],
    ['DR0_ADDR_MASK', 0x1a0],
    ['DR1_ADDR_MASK', 0x1a8],
    ['DR2_ADDR_MASK', 0x1b0],
    ['DR3_ADDR_MASK', 0x1b8],
  ),
  ...rows({ type: 'A', filledBy: 'hardware', grade: 'read' }, ['RSP', 0x1d8], ['RAX', 0x1f8]),
  ...rows(
    { type: 'B', filledBy: 'vmsave', grade: 'read' },
    ['STAR', 0x200],
    ['LSTAR', 0x208],
    ['CSTAR', 0x210],
    ['SFMASK', 0x218],
    ['KernelGsBase', 0x220],
    ['SYSENTER_CS', 0x228],
    ['SYSENTER_ESP', 0x230],
    ['SYSENTER_EIP', 0x238],
  ),
  ...rows({ type: 'C', filledBy: 'none', grade: 'inferred' }, ['CR2', 0x240]),
  ...rows(
    { type: 'A', filledBy: 'hardware', grade: 'inferred' },
    ['G_PAT', 0x268],
    ['DBGCTL', 0x270],
    ['BR_FROM', 0x278],
    ['BR_TO', 0x280],
    ['LASTEXCP_FROM', 0x288],
    ['LASTEXCP_TO', 0x290],
  ),
  ...rows({ type: 'B', filledBy: 'kvm', grade: 'read' }, ['PKRU', 0x2e8]),
  ...rows({ type: 'B', filledBy: 'at-enable', needs: 'virt-tsc-aux', grade: 'read' }, ['TSC_AUX', 0x2ec]),
  // Registers that a function may change, so that the caller of the assembly code expects nothing.
  ...rows(
    { type: 'B', filledBy: 'none', grade: 'read' },
    ['RCX', 0x308],
    ['RDX', 0x310],
    ['R8', 0x340],
    ['R9', 0x348],
    ['R10', 0x350],
    ['R11', 0x358],
  ),
  // RSI and RDI hold arguments that are needed behind #VMEXIT.
  ...rows(
    { type: 'B', filledBy: 'vmenter', grade: 'read' },
    ['RBX', 0x318],
    ['RBP', 0x328],
    ['RSI', 0x330],
    ['RDI', 0x338],
    ['R12', 0x360],
    ['R13', 0x368],
    ['R14', 0x370],
    ['R15', 0x378],
  ),
  ...rows({ type: 'B', filledBy: 'kvm', grade: 'read' }, ['XCR0', 0x3e8]),
  // The host's is in memory, in its struct fpu.
  ...rows({ type: 'C', filledBy: 'none', grade: 'inferred' }, ['FPU', 0x400]),
} satisfies Readonly<Record<string, SwappedRegister>>;

export type RegisterName = keyof typeof SWAPPED;
export const REGISTER_NAMES = Object.keys(SWAPPED) as readonly RegisterName[];
export const swapOf = (name: RegisterName): SwappedRegister => SWAPPED[name];

/** The registers that one of them fills. */
export const filledBy = (...who: readonly FilledBy[]): readonly RegisterName[] =>
  REGISTER_NAMES.filter((name) => who.includes(swapOf(name).filledBy));

/** What a CPU and a guest have switched on, beside SEV-ES itself. */
export interface SwapFeatures {
  /** SEV_FEATURES of the VMSA, bit 5. */
  readonly debugSwap: boolean;
  readonly virtTscAux: boolean;
}

/** Whether a world switch to this guest touches the register. */
export function isSwapped(name: RegisterName, { debugSwap, virtTscAux }: SwapFeatures): boolean {
  const { needs } = swapOf(name);
  if (needs === undefined) return true;
  return needs === 'debug-swap' ? debugSwap : virtTscAux;
}
