/**
 * What KVM keeps of an arm64 vCPU's debug state, and what it does with it, as functions of that
 * state and of the design.
 *
 * @see kernel arch/arm64/kvm/debug.c, arch/arm64/kvm/sys_regs.c of 6.1, 6.12 and 6.14; domain
 * debug-and-split-lock D.2, D.3, D.7
 */

import type { ActorId } from '../../events/event.ts';
import type { CpuDebugState, DebugBank, DebugException, DebugPstate, DebugTraps, GuestDebugFlag } from '../../events/os-lock/arm-debug.ts';
import type { Sysreg } from '../../events/os-lock/sysregs.ts';
import { hasBits, type U64, withBits, withoutBits } from '../../events/u64.ts';
import { MDSCR, OSLSR } from './arm-debug-rule.ts';

/** One design: every point at which sources, versions or mutants differ. */
export interface ArmDebugDesign {
  /**
   * Set-up and clear around every entry (6.1 to 6.12), or an owner decided when the vCPU is loaded
   * (6.14).
   */
  readonly model: 'each-entry' | 'owner';
  /** The bit of OSLSR_EL1 by which KVM finds out whether the lock is on. */
  readonly lockBit: number;
  /** A debugger in user space sets MDCR_EL2.TDE. */
  readonly debuggerRoutes: boolean;
  /** The lock sets MDCR_EL2.TDE, and KVM skips BRK: patch v2. */
  readonly lockRoutes: boolean;
  /** The guest's lock is switched into the CPU's own. */
  readonly physical: boolean;
  readonly resetLocked: boolean;
  /** DBGOSLAR compares with the architecture's key; else only bit 0 counts. */
  readonly dbgoslarKey: boolean;
  /** TDE follows the last change of one of its users, instead of all users. */
  readonly lastWriterTde: boolean;
  /** pKVM: whether the hypervisor's copy follows the host's. */
  readonly pkvm: 'none' | 'flushed' | 'stale';
  /** Bits of MDSCR_EL1 that the lock forgets to take from this vCPU; none if absent. */
  readonly lockLeaves?: (vcpu: ArmVcpuState) => number;
  /** Who decides MDE while both the debugger and the lock have a say. */
  readonly precedence: 'debugger' | 'lock' | 'debugger-even-without-hw';
  /** User space's single step sets SS. */
  readonly forcesStep: boolean;
  /** clear_debug() puts the guest's MDSCR back. */
  readonly restores: boolean;
  /** Which kernels list OSLSR_EL1 in KVM_GET_REG_LIST. */
  readonly lists: 'by-kernel' | 'always' | 'never';
  /** Kernels without the emulation ignore writes of OSLAR. */
  readonly oldIgnores: boolean;
  /** Registers of which KVM lets a guest read a constant; none if absent. */
  readonly constants?: Partial<Record<Sysreg, U64>>;
  /** KVM injects the exception that user space let pass. */
  readonly helpsInject: boolean;
}

export interface ArmVcpuInput {
  /** Whether the vCPU's kernel knows the OS Lock. */
  readonly knowsLock: boolean;
}

export interface ArmVcpuState extends ArmVcpuInput {
  readonly oslsr: U64;
  readonly loadedOn: ActorId | null;
  /**
   * A second load or put without the other between. KVM notices one of them: the load, in the owner
   * model, with VHE, where a load leaves registers on the CPU. Neither the put nor the old model
   * looks.
   * @see kernel arch/arm64/kvm/debug.c, kvm_vcpu_load_debug(): KVM_BUG_ON() (6.14);
   * arch/arm64/kvm/hyp/vhe/sysreg-sr.c sets SYSREGS_ON_CPU
   */
  readonly unbalanced: 'loaded twice' | 'put twice' | null;
  /** Registers of the guest. */
  readonly mdscr: U64;
  readonly bcr: U64;
  readonly wcr: U64;
  /** DBGVCR32_EL2; absent until it is written. */
  readonly vcr?: U64 | undefined;
  readonly pstate: DebugPstate;
  readonly guestDebug: readonly GuestDebugFlag[];
  /** The VMM knows the breakpoints that it armed: a hit is its own. */
  readonly known: boolean;
  /** `last-writer`: MDCR_EL2.TDE as the last of its users left it. */
  readonly tdeWritten: boolean;
  readonly traps: DebugTraps;
  /** VCPU flag DEBUG_DIRTY: the guest's breakpoint registers are switched at the next entry. */
  readonly dirty: boolean;
  /** vcpu->arch.guest_debug_preserved: whatever was saved last. */
  readonly preserved: { readonly mdscr: U64; readonly ss: boolean };
  readonly owner: 'FREE' | 'GUEST_OWNED' | 'HOST_OWNED';
  readonly externalMdscr: U64;
  /** The owner in the hypervisor's own copy. */
  readonly hypOwner: ArmVcpuState['owner'];
  /** Flags GUEST_SS_ACTIVE_PENDING and HOST_SS_ACTIVE_PENDING. */
  readonly guestSsPending: boolean;
  readonly hostSsPending: boolean;
  /** What the guest finds when it goes on after an exit. */
  readonly value: U64;
  readonly undef: boolean;
  readonly injected: DebugException | null;
  readonly skipped: boolean;
  readonly stopped: boolean;
  readonly arrived: boolean;
}

const TRAPS_NONE: DebugTraps = { tda: false, tdosa: false, tde: false };

/** A Linux guest past its boot: EL1, debug exceptions not masked. */
export const GUEST_PSTATE: DebugPstate = { el: 1, d: false, ss: false };

/**
 * reset_oslsr_el1(): the architecture resets OSLK to 1, mainline to 0. A kernel without the
 * emulation shows 0x8.
 */
const resetOslsr = ({ knowsLock }: ArmVcpuInput, { resetLocked }: ArmDebugDesign): number =>
  OSLSR.OSLM | (knowsLock && resetLocked ? OSLSR.OSLK : 0);

export const armVcpuState = (input: ArmVcpuInput, design: ArmDebugDesign): ArmVcpuState => ({
  ...input,
  oslsr: resetOslsr(input, design),
  loadedOn: null,
  unbalanced: null,
  mdscr: 0,
  bcr: 0,
  wcr: 0,
  pstate: GUEST_PSTATE,
  guestDebug: [],
  known: true,
  tdeWritten: false,
  traps: TRAPS_NONE,
  dirty: false,
  preserved: { mdscr: 0, ss: false },
  owner: 'FREE',
  externalMdscr: 0,
  hypOwner: 'FREE',
  guestSsPending: false,
  hostSsPending: false,
  value: 0,
  undef: false,
  injected: null,
  skipped: false,
  stopped: false,
  arrived: false,
});

type Change = Partial<ArmVcpuState>;
const has = ({ guestDebug }: ArmVcpuState, flag: GuestDebugFlag) => guestDebug.includes(flag);
const isDebugged = (v: ArmVcpuState) => v.guestDebug.length > 0;
const withSs = (v: ArmVcpuState, ss: boolean): DebugPstate => ({ ...v.pstate, ss });

/** kvm_vcpu_os_lock_enabled(). */
const isLocked = (v: ArmVcpuState, { lockBit, physical }: ArmDebugDesign): boolean => !physical && hasBits(v.oslsr, lockBit);

const routes = (v: ArmVcpuState, design: ArmDebugDesign): boolean =>
  (design.lastWriterTde ? v.tdeWritten : isDebugged(v) && design.debuggerRoutes) || (design.lockRoutes && isLocked(v, design));

/** O4, kvm_arm_setup_mdcr_el2(). */
export const setupMdcr = (v: ArmVcpuState, design: ArmDebugDesign): Change => ({
  traps: {
    tdosa: !design.physical,
    tde: routes(v, design),
    tda: design.model === 'owner' ? v.owner !== 'GUEST_OWNED' : has(v, 'USE_HW') || !v.dirty || isLocked(v, design),
  },
});

/** These bits of MDSCR_EL1, but for those that only the lock would take, and leaves. */
const taken = (v: ArmVcpuState, { lockLeaves }: ArmDebugDesign, bits: number): number =>
  isDebugged(v) || lockLeaves === undefined ? bits : bits & ~lockLeaves(v);

/** What the debugger and the lock make of MDE. */
function forcedMde(v: ArmVcpuState, design: ArmDebugDesign, mdscr: U64): U64 {
  const locked = isLocked(v, design);
  const off = withoutBits(mdscr, taken(v, design, MDSCR.MDE));
  if (design.precedence === 'lock' && locked) return off;
  if (has(v, 'USE_HW')) return withBits(mdscr, MDSCR.MDE);
  if (design.precedence === 'debugger-even-without-hw' && isDebugged(v)) return mdscr;
  return locked ? off : mdscr;
}

/** O5, kvm_arm_setup_debug(): save, then force. */
export function setupDebug(v: ArmVcpuState, design: ArmDebugDesign): Change {
  const steps = has(v, 'SINGLESTEP') && design.forcesStep;
  let { mdscr, pstate } = v;
  const forced = isDebugged(v) || isLocked(v, design);
  if (forced) {
    mdscr = forcedMde(v, design, steps ? withBits(mdscr, MDSCR.SS) : withoutBits(mdscr, taken(v, design, MDSCR.SS)));
    if (steps) pstate = withSs(v, !v.hostSsPending);
  }
  return {
    mdscr,
    pstate,
    ...(forced && { preserved: { mdscr: v.mdscr, ss: v.pstate.ss } }),
    dirty: v.dirty || has(v, 'USE_HW') || hasBits(mdscr, MDSCR.KDE | MDSCR.MDE),
  };
}

/** O7, kvm_arm_clear_debug(). */
export function clearDebug(v: ArmVcpuState, design: ArmDebugDesign): Change {
  if (!isDebugged(v) && !isLocked(v, design)) return {};
  return {
    hostSsPending: has(v, 'SINGLESTEP') && !v.pstate.ss,
    ...(design.restores && { mdscr: v.preserved.mdscr, pstate: withSs(v, v.preserved.ss) }),
  };
}

/** setup_external_mdscr(): what the CPU gets in the place of the guest's own. */
function externalMdscr(v: ArmVcpuState, design: ArmDebugDesign): U64 {
  const steps = has(v, 'SINGLESTEP') && design.forcesStep ? MDSCR.SS : 0;
  const hw = has(v, 'USE_HW') && !(design.precedence === 'lock' && isLocked(v, design)) ? MDSCR.MDE | MDSCR.KDE : 0;
  const kept = design.precedence === 'debugger-even-without-hw' && isDebugged(v) ? MDSCR.MDE : 0;
  return withBits(withoutBits(v.mdscr, taken(v, design, MDSCR.SS | MDSCR.MDE | MDSCR.KDE) & ~kept), steps | hw);
}

/** G1, kvm_vcpu_load_debug(): who owns the debug registers until the vCPU is put. */
function loadDebug(v: ArmVcpuState, design: ArmDebugDesign): Change {
  const locked = isLocked(v, design) && !(design.precedence === 'debugger-even-without-hw' && isDebugged(v));
  const host = isDebugged(v) || (locked && taken(v, design, MDSCR.MDE) !== 0);
  const owner = host ? 'HOST_OWNED' : hasBits(v.mdscr, MDSCR.KDE | MDSCR.MDE) ? 'GUEST_OWNED' : 'FREE';
  const stolen = has(v, 'SINGLESTEP') ? { guestSsPending: !v.pstate.ss, pstate: withSs(v, !v.hostSsPending) } : {};
  const owned: Change = { owner, externalMdscr: host ? externalMdscr(v, design) : 0, ...stolen };
  return { ...owned, ...setupMdcr({ ...v, ...owned }, design) };
}

/** kvm_arch_vcpu_load(). */
export const load = (v: ArmVcpuState, design: ArmDebugDesign, cpu: ActorId): Change => ({
  loadedOn: cpu,
  ...(v.loadedOn !== null && { unbalanced: 'loaded twice' as const }),
  ...(design.model === 'owner' && loadDebug(v, design)),
});

/**
 * kvm_arch_vcpu_put(): PSTATE.SS goes back to the guest, and the debugger's step is remembered. A
 * second put does it once more.
 * @see kernel arch/arm64/kvm/debug.c, kvm_vcpu_put_debug() (6.14)
 */
export const put = (v: ArmVcpuState, design: ArmDebugDesign): Change => ({
  loadedOn: null,
  ...(v.loadedOn === null && { unbalanced: 'put twice' as const }),
  ...(design.model === 'owner' && has(v, 'SINGLESTEP') && { hostSsPending: !v.pstate.ss, pstate: withSs(v, !v.guestSsPending) }),
});

const BANKS = { FREE: 'host', GUEST_OWNED: 'guest', HOST_OWNED: 'external' } as const;

/** O6 and G2: what the world switch puts on the CPU. */
export function cpuStateOf(v: ArmVcpuState, design: ArmDebugDesign): CpuDebugState {
  const owner = design.pkvm === 'none' ? v.owner : v.hypOwner;
  const ofEntry: DebugBank = has(v, 'USE_HW') ? 'external' : v.dirty ? 'guest' : 'host';
  const bank = design.model === 'owner' ? BANKS[owner] : ofEntry;
  const armed = bank === 'external' && has(v, 'USE_HW') ? 1 : 0;
  return {
    mdscr: design.model === 'owner' && owner === 'HOST_OWNED' ? v.externalMdscr : v.mdscr,
    traps: v.traps,
    bank,
    bcr: bank === 'guest' ? v.bcr : armed,
    wcr: bank === 'guest' ? v.wcr : armed,
    // __sysreg32_restore_state() switches it, no matter who owns the breakpoints.
    ...(v.vcr !== undefined && { vcr: v.vcr }),
    pstate: v.pstate,
    osLock: design.physical && hasBits(v.oslsr, OSLSR.OSLK),
  };
}

/** The world switch back: what the CPU held is the vCPU's again. */
export const saved = (v: ArmVcpuState, design: ArmDebugDesign, cpu: CpuDebugState): Change => ({
  pstate: cpu.pstate,
  ...(design.model === 'owner' && cpuOwner(v, design) === 'HOST_OWNED' ? { externalMdscr: cpu.mdscr } : { mdscr: cpu.mdscr }),
  ...(cpu.vcr !== undefined && { vcr: cpu.vcr }),
  ...(cpu.bank === 'guest' && { bcr: cpu.bcr, wcr: cpu.wcr }),
  ...(design.model === 'each-entry' && { dirty: false }),
  ...(design.physical && { oslsr: OSLSR.OSLM | (cpu.osLock ? OSLSR.OSLK : 0) }),
});
const cpuOwner = (v: ArmVcpuState, design: ArmDebugDesign) => (design.pkvm === 'none' ? v.owner : v.hypOwner);

/**
 * KVM_SET_GUEST_DEBUG. The end of debugging forgets a step that was pending.
 * @see kernel arch/arm64/kvm/guest.c of 6.1, kvm_arch_vcpu_ioctl_set_guest_debug()
 */
export function setGuestDebug(v: ArmVcpuState, flags: readonly GuestDebugFlag[], known: boolean): Change {
  const before = new Set(v.guestDebug);
  const changed = (['USE_HW', 'SINGLESTEP', 'USE_SW_BP'] as const).filter((flag) => flags.includes(flag) !== before.has(flag));
  const last = changed.at(-1);
  return {
    guestDebug: flags,
    known,
    ...(flags.length === 0 && { hostSsPending: false }),
    ...(last !== undefined && { tdeWritten: flags.includes(last) }),
  };
}
