/**
 * What KVM keeps of an x86 vCPU's debug registers, and what changes it, as functions of that state:
 * guest debugging by user space, MOV to and from debug registers, RFLAGS and the exception queue.
 *
 * Left out: nested virtualization, real mode, DEBUGCTL, single-stepping over an NMI window, and the
 * length of the instruction that a software exception is injected with. CR4.DE stays as it is, and
 * guests run at CPL 0.
 *
 * @see kernel arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_set_guest_debug(), kvm_set_dr(),
 * kvm_update_dr7(); domain debug-and-split-lock A.6, B.1, B.3
 */
import type { ActorId } from '../../events/event.ts';
import type { DeliveredException } from '../../events/guest-debug/kvm-debug.ts';
import type {
  BreakpointAddresses,
  DebugExit,
  DebugFlags,
  DebugRegister,
  DebugRegisters,
  DebugVector,
  Shadow,
  X86GuestDebugFlag,
} from '../../events/guest-debug/x86-debug.ts';
import type { HostOptions } from '../../events/options.ts';
import { hasBits, type U64, u64, withBits, withoutBits } from '../../events/u64.ts';
import { DR6_ACTIVE_LOW, DR6_BS, DR7_BP_EN_MASK, DR7_FIXED_1, DR7_GD, dr6Written, dr7Written, isUpperHalfClear } from './debug-bits.ts';
import type { DebugVendor } from './x86-debug-rule.ts';

/** Every point at which vendors and versions differ. */
export interface VcpuDebugDesign {
  readonly vendor: DebugVendor;
  /**
   * Who gives a guest that has its debug registers its DR6: the common code, once; the vendor,
   * once, told by a flag; the vendor, each time it runs the guest.
   */
  readonly loadDr6: 'common' | 'run-flag' | 'each-run';
  /** A write of the ICR is handled on the fastpath and goes on in the guest. */
  readonly icrReenters: boolean;
  /** The fastpath ends KVM_RUN where the instruction that it skips is stepped. */
  readonly fastpathExits: boolean;
  /** #DB and #AC exit. */
  readonly interceptsVectoring: boolean;
  /** CR4.DE of the guest. */
  readonly de: boolean;
  /** What KVM leaves out; nothing unless a mutant says so. */
  readonly forgets?: 'step-in-shadow' | 'cr4-de' | 'queue' | 'bp-intercept' | undefined;
  /** What R11 writes to the CPU's DR7; null leaves it as it is, as no kernel does. */
  readonly entryDr7: U64 | null;
}

/**
 * By version, the newest stable release of each.
 * @see kernel arch/x86/kvm/x86.c, vcpu_enter_guest(), KVM_RUN_LOAD_GUEST_DR6;
 * handle_fastpath_set_msr_irqoff(), EXIT_FASTPATH_EXIT_USERSPACE
 */
const VERSIONS = {
  '6.1': { loadDr6: 'run-flag', icrReenters: false, fastpathExits: false, entryDr7: 0 },
  '6.6': { loadDr6: 'run-flag', icrReenters: false, fastpathExits: false, entryDr7: 0 },
  '6.12': { loadDr6: 'run-flag', icrReenters: true, fastpathExits: true, entryDr7: DR7_FIXED_1 },
  '6.14': { loadDr6: 'common', icrReenters: true, fastpathExits: true, entryDr7: 0 },
} as const satisfies Record<string, Omit<VcpuDebugDesign, 'vendor' | 'interceptsVectoring' | 'de'>>;

export const vcpuDebugDesign = (
  vendor: VcpuDebugDesign['vendor'],
  kernel: keyof typeof VERSIONS,
  options: Partial<Pick<HostOptions, 'kvm.vectoringIntercepts' | 'kvm.guestDr6' | 'guest.cr4De'>> = {},
): VcpuDebugDesign => ({
  ...VERSIONS[kernel],
  vendor,
  interceptsVectoring: options['kvm.vectoringIntercepts'] !== 'none',
  de: options['guest.cr4De'] === 'set',
  ...(options['kvm.guestDr6'] === 'each-run' && { loadDr6: 'each-run' }),
});

/** The fields of a VMCB or a VMCS. */
export interface DebugArea {
  /** A VMCS has none, and a VMCB gets it at the entry. */
  readonly dr6: U64 | null;
  readonly dr7: U64;
  readonly flags: DebugFlags;
  readonly shadow: Shadow;
  /** GUEST_PENDING_DBG_EXCEPTIONS; a VMCB has none. */
  readonly pending: U64;
  readonly interceptsDr: boolean;
  readonly interceptsBp: boolean;
  /** EVENTINJ, or VM_ENTRY_INTR_INFO. */
  readonly inject: DebugVector | null;
}

export interface VcpuDebugState extends DebugRegisters {
  /** CR4.DE: DR4 and DR5 are undefined. */
  readonly de: boolean;
  readonly loadedOn: ActorId | null;
  /** What the CPU gets: the guest's own addresses, or the debugger's. */
  readonly effDb: BreakpointAddresses;
  readonly guestDebugDr7: U64;
  /** vcpu->arch.switch_db_regs: KVM_DEBUGREG_BP_ENABLED and KVM_DEBUGREG_WONT_EXIT. */
  readonly bpEnabled: boolean;
  readonly wontExit: boolean;
  readonly singlestepRip: U64;
  /** Where the guest stands, as it was told last. */
  readonly rip: U64;
  /** vcpu->guest_debug; empty is 0. */
  readonly guestDebug: readonly X86GuestDebugFlag[];
  /** vcpu->arch.exception. A payload is delivered when the exception is queued. */
  readonly exception: { readonly vector: DebugVector; readonly injected: boolean } | null;
  readonly area: DebugArea;
  /** KVM_RUN_LOAD_GUEST_DR6, which holds for the first entry of the fastpath's loop. */
  readonly loadsGuestDr6: boolean;
  /** What the last exit left: DR0 to DR3 and DR6 of VMX on the CPU, the others in the area. */
  readonly left: DebugRegisters;
  /** kvm_run->debug.arch: what an exit does not write stays. */
  readonly run: DebugExit | null;
  /** kvm_run->exit_reason is KVM_EXIT_DEBUG. */
  readonly exits: boolean;
  /** What the guest finds when it goes on. */
  readonly value: U64;
  readonly skipped: boolean;
  readonly delivered: readonly DeliveredException[];
  /** R13's WARN_ON: the guest had the debug registers while they held the debugger's. */
  readonly warned: boolean;
  /** Where the guest stood behind a step that KVM made for the debugger and did not tell it. */
  readonly untoldStep?: U64;
  /** The CPU refused an entry: TF, a shadow and the pending exceptions did not go together. */
  readonly entryFailed: boolean;
}

type Change = Partial<VcpuDebugState>;

const NO_ADDRESSES: BreakpointAddresses = [0, 0, 0, 0];

/** kvm_vcpu_reset(). */
export const VCPU_DEBUG_RESET: VcpuDebugState = {
  de: false,
  loadedOn: null,
  db: NO_ADDRESSES,
  dr6: DR6_ACTIVE_LOW,
  dr7: DR7_FIXED_1,
  effDb: NO_ADDRESSES,
  guestDebugDr7: 0,
  bpEnabled: false,
  wontExit: false,
  singlestepRip: 0,
  rip: 0,
  guestDebug: [],
  exception: null,
  area: {
    dr6: null,
    dr7: DR7_FIXED_1,
    flags: { tf: false, rf: false },
    shadow: null,
    pending: 0,
    interceptsDr: true,
    interceptsBp: false,
    inject: null,
  },
  loadsGuestDr6: false,
  left: { db: NO_ADDRESSES, dr6: DR6_ACTIVE_LOW, dr7: DR7_FIXED_1 },
  run: null,
  exits: false,
  value: 0,
  skipped: false,
  delivered: [],
  warned: false,
  entryFailed: false,
};

export const hasFlag = ({ guestDebug }: Pick<VcpuDebugState, 'guestDebug'>, flag: X86GuestDebugFlag): boolean => guestDebug.includes(flag);
/** #DB of the guest belongs to user space. */
export const takesDb = (v: VcpuDebugState): boolean => hasFlag(v, 'SINGLESTEP') || hasFlag(v, 'USE_HW_BP');

/** These changes, one behind the other: each sees what those before it have made. */
export function inOrder(v: VcpuDebugState, ...steps: readonly ((v: VcpuDebugState) => Change)[]): Change {
  let change: Change = {};
  for (const step of steps) change = { ...change, ...step({ ...v, ...change }) };
  return change;
}

/** kvm_update_dr0123(). */
export const updateDr0123 = (v: VcpuDebugState): Change => (hasFlag(v, 'USE_HW_BP') ? {} : { effDb: v.db });

/** kvm_update_dr7(). */
export function updateDr7(v: VcpuDebugState): Change {
  const dr7 = hasFlag(v, 'USE_HW_BP') ? v.guestDebugDr7 : v.dr7;
  return { area: { ...v.area, dr7 }, bpEnabled: hasBits(dr7, DR7_BP_EN_MASK) };
}

const withAddress = (db: BreakpointAddresses, at: number, value: U64): BreakpointAddresses =>
  db.map((old, index) => (index === at ? value : old)) as unknown as BreakpointAddresses;

/** kvm_set_dr(); null is #GP. DR6 has neither RTM nor bus locks, as the CPU has neither. */
export function setDr(v: VcpuDebugState, dr: DebugRegister, value: U64): Change | null {
  if (dr <= 3) {
    const own = { db: withAddress(v.db, dr, value) };
    return hasFlag(v, 'USE_HW_BP') ? own : { ...own, effDb: withAddress(v.effDb, dr, value) };
  }
  if (!isUpperHalfClear(value)) return null;
  if (dr === 4 || dr === 6) return { dr6: dr6Written(value) };
  return inOrder(v, () => ({ dr7: dr7Written(value) }), updateDr7);
}

/** kvm_get_dr(). */
export const getDr = (v: VcpuDebugState, dr: DebugRegister): U64 => {
  if (dr <= 3) return v.db[dr as 0 | 1 | 2 | 3];
  return dr === 4 || dr === 6 ? v.dr6 : v.dr7;
};

/** kvm_get_rflags(): a debugger that steps is the one that set TF. */
export const getRflags = (v: VcpuDebugState): DebugFlags => (hasFlag(v, 'SINGLESTEP') ? { ...v.area.flags, tf: false } : v.area.flags);

/** kvm_set_rflags(): TF comes back only where the debugger asked for the step. */
export function setRflags(v: VcpuDebugState, flags: DebugFlags): Change {
  const steps = hasFlag(v, 'SINGLESTEP') && v.rip === v.singlestepRip;
  return { area: { ...v.area, flags: steps ? { ...flags, tf: true } : flags } };
}

/**
 * kvm_deliver_exception_payload() of a #DB. The payload has the form of pending debug exceptions:
 * bits that are active low in DR6 are active high in it, and bit 12 says that a breakpoint was
 * enabled.
 */
function deliverPayload(v: VcpuDebugState, payload: U64): Change {
  const low = BigInt(DR6_ACTIVE_LOW);
  const bits = BigInt(payload);
  const dr6 = (((BigInt(v.dr6) & ~0xfn) | low | bits) ^ (bits & low)) & ~(1n << 12n);
  return { dr6: u64(dr6) };
}

/**
 * kvm_multiple_exception() outside a nested guest. A second exception takes the place of the first;
 * two that would make a #DF cannot meet, as each exit clears the queue.
 */
export function queueException(v: VcpuDebugState, vector: DebugVector, payload: U64 | null = null): Change {
  if (v.exception?.vector === 'GP' && vector === 'GP') throw new Error('#GP queued behind #GP: the exit between them clears the queue');
  return { exception: { vector, injected: false }, ...(vector === 'DB' && payload !== null && deliverPayload(v, payload)) };
}

/** KVM_EXIT_DEBUG. */
export const exitDebug = (v: VcpuDebugState, exit: Pick<DebugExit, 'exception' | 'rip'> & Partial<DebugExit>): Change => ({
  exits: true,
  run: { dr6: v.run?.dr6 ?? 0, dr7: v.run?.dr7 ?? 0, ...exit },
});

/** kvm_skip_emulated_instruction(): TF as it was makes a step of the emulated instruction. */
export function skipEmulatedInstruction(v: VcpuDebugState, next: U64): Change {
  const skipped: Change = { rip: next, skipped: true, area: { ...v.area, shadow: null } };
  if (!v.area.flags.tf) return skipped;
  if (hasFlag(v, 'SINGLESTEP'))
    return { ...skipped, ...exitDebug(v, { exception: 'DB', rip: next, dr6: withBits(DR6_ACTIVE_LOW, DR6_BS) }) };
  return { ...skipped, ...queueException(v, 'DB', DR6_BS) };
}

/** The same where what it returns is not looked at: KVM_RUN does not end for a step. */
export function skipUnheeded(v: VcpuDebugState, next: U64): Change {
  const { exits, run, ...skipped } = skipEmulatedInstruction(v, next);
  return exits ? { ...skipped, untoldStep: next } : skipped;
}

/**
 * KVM_SET_REGS of a user space that moves the guest on, with RFLAGS as KVM_GET_REGS told them.
 * @see kernel arch/x86/kvm/x86.c, __set_regs()
 */
export const setRegs = (v: VcpuDebugState, rip: U64): Change => ({
  rip,
  skipped: true,
  ...setRflags({ ...v, rip }, getRflags(v)),
  ...(v.exception?.injected === false && { exception: null }),
});

/** The argument of KVM_SET_GUEST_DEBUG, and where the guest stands. */
export interface SetGuestDebug {
  /** In any order. */
  readonly flags: readonly X86GuestDebugFlag[];
  readonly db: BreakpointAddresses;
  readonly dr7: U64;
  readonly rip?: U64;
}

/** kvm_arch_vcpu_ioctl_set_guest_debug() and the vendors' update_exception_bitmap(). */
export function setGuestDebug(v: VcpuDebugState, { flags, db, dr7, rip = v.rip }: SetGuestDebug): Change | 'EBUSY' {
  const has = (flag: X86GuestDebugFlag) => flags.includes(flag);
  const injects = has('INJECT_DB') ? 'DB' : has('INJECT_BP') ? 'BP' : null;
  if (injects !== null && v.exception?.injected === false) return 'EBUSY';
  // Without the debugger's TF, which goes with the flags that it had.
  const rflags = getRflags(v);
  return inOrder(
    { ...v, rip },
    () => ({ rip, guestDebug: has('ENABLE') ? [...new Set(flags)].sort() : [] }),
    (at) => (injects === null ? {} : queueException(at, injects)),
    (at) => (hasFlag(at, 'USE_HW_BP') ? { effDb: db, guestDebugDr7: dr7 } : { effDb: at.db }),
    updateDr7,
    (at) => (hasFlag(at, 'SINGLESTEP') ? { singlestepRip: rip } : {}),
    (at) => setRflags(at, rflags),
    (at) => ({ area: { ...at.area, interceptsBp: hasFlag(at, 'USE_SW_BP') } }),
  );
}

/** The guest's DR7 as the delivery of a #DB leaves it. */
export const clearGd = (v: VcpuDebugState): Change =>
  hasBits(v.dr7, DR7_GD) ? inOrder(v, () => ({ dr7: withoutBits(v.dr7, DR7_GD) }), updateDr7) : {};
