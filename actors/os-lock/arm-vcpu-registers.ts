/**
 * Registers of an arm64 vCPU as KVM lets others have them: accesses of the guest that trapped, and
 * those of user space.
 *
 * @see kernel arch/arm64/kvm/sys_regs.c; domain debug-and-split-lock D.3
 */
import type { Sysreg } from '../../events/os-lock/sysregs.ts';
import { hasBits, type U64, withoutBits } from '../../events/u64.ts';
import { OSLAR_KEY, OSLSR } from './arm-debug-rule.ts';
import { type ArmDebugDesign, type ArmVcpuState, setupMdcr } from './arm-vcpu-state.ts';

type Change = Partial<ArmVcpuState>;

/** Whether the kernel lets OSLAR change the lock, and OSLSR tell it. */
const emulates = ({ knowsLock }: ArmVcpuState, { oldIgnores }: ArmDebugDesign): boolean => knowsLock || !oldIgnores;

/** kvm_debug_handle_oslar(), or the older handlers. */
const lock = (v: ArmVcpuState, design: ArmDebugDesign, on: boolean): Change =>
  emulates(v, design) ? { oslsr: OSLSR.OSLM | (on ? OSLSR.OSLK : 0) } : {};

/**
 * kvm_handle_sys_reg() and kvm_handle_cp14_32(): an access that trapped. The CPU sends neither a
 * read of OSLAR nor a write of OSLSR here; a kernel answers them all the same.
 * @see kernel arch/arm64/kvm/sys_regs.c of 6.1, trap_oslar_el1(), trap_oslsr_el1(),
 * read_from_write_only(), write_to_read_only()
 */
export function sysreg(v: ArmVcpuState, design: ArmDebugDesign, reg: Sysreg, write: boolean, value: U64): Change {
  const constant = design.constants?.[reg];
  const change = trapped(v, design, reg, write, value);
  return write || constant === undefined ? change : { ...change, value: constant };
}

function trapped(v: ArmVcpuState, design: ArmDebugDesign, reg: Sysreg, write: boolean, value: U64): Change {
  const answer = { value: 0, undef: false };
  switch (reg) {
    case 'oslar_el1':
    case 'dbgoslar': {
      const byKey = reg === 'dbgoslar' && design.dbgoslarKey;
      return write ? { ...answer, ...lock(v, design, byKey ? value === OSLAR_KEY : hasBits(value, 1)) } : { ...answer, undef: true };
    }
    case 'oslsr_el1':
      return write ? { ...answer, undef: v.knowsLock } : { ...answer, value: emulates(v, design) ? v.oslsr : OSLSR.OSLM };
    case 'osdlr_el1':
      return answer;
    default:
      return { ...answer, ...debugRegister(v, design, reg, write, value) };
  }
}

const FIELDS = { mdscr_el1: 'mdscr', dbgbcr0_el1: 'bcr', dbgwcr0_el1: 'wcr', dbgvcr: 'vcr' } as const;

/** trap_debug_regs(): the first access makes the guest the owner, unless the host is. */
function debugRegister(v: ArmVcpuState, design: ArmDebugDesign, reg: keyof typeof FIELDS, write: boolean, value: U64): Change {
  const field = FIELDS[reg];
  const changed: Change = write ? { [field]: value } : { value: v[field] ?? 0 };
  if (design.model === 'each-entry') return write ? { ...changed, dirty: true } : changed;
  if (v.owner !== 'FREE') return changed;
  return { ...changed, owner: 'GUEST_OWNED', ...setupMdcr({ ...v, owner: 'GUEST_OWNED' }, design) };
}

/**
 * Whether user space can read and write a register; OSLSR_EL1 is one of those that came with the
 * emulation.
 */
const isKnown = (v: ArmVcpuState, { lists }: ArmDebugDesign, reg: Sysreg): boolean =>
  reg === 'oslsr_el1' ? lists === 'always' || (lists === 'by-kernel' && v.knowsLock) : Object.hasOwn(FIELDS, reg);

/**
 * KVM_GET_REG_LIST: what of this state a VMM saves and restores. DBGVCR32_EL2 is left out while it
 * is as reset leaves it.
 */
export const regList = (v: ArmVcpuState, design: ArmDebugDesign): readonly Sysreg[] => [
  ...(Object.keys(FIELDS) as (keyof typeof FIELDS)[]).filter((reg) => v[FIELDS[reg]] !== undefined),
  ...(isKnown(v, design, 'oslsr_el1') ? (['oslsr_el1'] as const) : []),
];

/** KVM_GET_ONE_REG. */
export const getReg = (v: ArmVcpuState, design: ArmDebugDesign, reg: Sysreg): { value: U64; error: 'ENOENT' | null } => {
  if (!isKnown(v, design, reg)) return { value: 0, error: 'ENOENT' };
  return { value: reg === 'oslsr_el1' ? v.oslsr : (v[FIELDS[reg as keyof typeof FIELDS]] ?? 0), error: null };
};

/** KVM_SET_ONE_REG: of OSLSR_EL1 only OSLK may differ. */
export function setReg(
  v: ArmVcpuState,
  design: ArmDebugDesign,
  reg: Sysreg,
  value: U64,
): { change: Change; error: 'ENOENT' | 'EINVAL' | null } {
  if (!isKnown(v, design, reg)) return { change: {}, error: 'ENOENT' };
  if (reg !== 'oslsr_el1') return { change: { [FIELDS[reg as keyof typeof FIELDS]]: value }, error: null };
  return withoutBits(value, OSLSR.OSLK) === OSLSR.OSLM ? { change: { oslsr: value }, error: null } : { change: {}, error: 'EINVAL' };
}
