/**
 * Vocabulary of arm64 debugging: a CPU's debug registers, KVM's copy of a vCPU's, and what a
 * guest's instruction meets.
 */
import type { ActorId, Delivery, EventOf } from '../event.ts';
import type { U64 } from '../u64.ts';
import type { ExceptionLevel, Sysreg } from './sysregs.ts';

/** `vector-catch` exists for AArch32 only. */
export type DebugException = 'breakpoint' | 'watchpoint' | 'vector-catch' | 'step' | 'brk';

/** PSTATE as far as debug exceptions ask for it. */
export interface DebugPstate {
  readonly el: ExceptionLevel;
  /** Debug exceptions of the current level are masked. */
  readonly d: boolean;
  /** One instruction is to be stepped; clear while MDSCR.SS is set: the step is pending. */
  readonly ss: boolean;
}

/**
 * What MDCR_EL2 traps: TDA and TDOSA registers, TDE software debug exceptions. TDE makes the other
 * two behave as set.
 */
export interface DebugTraps {
  readonly tda: boolean;
  readonly tdosa: boolean;
  readonly tde: boolean;
}

/** Whose breakpoint and watchpoint registers a CPU holds. */
export type DebugBank = 'host' | 'guest' | 'external';

/** What a world switch puts on a CPU. */
export interface CpuDebugState {
  readonly mdscr: U64;
  readonly traps: DebugTraps;
  readonly bank: DebugBank;
  readonly bcr: U64;
  readonly wcr: U64;
  /** DBGVCR32_EL2, of AArch32 guests; absent if 0 since the start. */
  readonly vcr?: U64 | undefined;
  readonly pstate: DebugPstate;
  /** The CPU's own OS Lock. */
  readonly osLock: boolean;
}

/** An instruction as the debug logic sees it: what it meets if nothing blocks it. */
export interface Instruction {
  readonly breakpoint: boolean;
  readonly watchpoint: boolean;
  /** It stands at an exception vector of AArch32 that DBGVCR names. */
  readonly vector: boolean;
  readonly brk: boolean;
}

export interface SysregAccess {
  readonly reg: Sysreg;
  readonly write: boolean;
  readonly value: U64;
}

/** Flags of struct kvm_guest_debug.control, sorted. */
export type GuestDebugFlag = 'ENABLE' | 'SINGLESTEP' | 'USE_HW' | 'USE_SW_BP';

/** Messages to the debug registers of a CPU, `debug:N`. */
export type CpuDebugEvent = EventOf<{
  'dbg.enter': { state: CpuDebugState };
  /** The world switch back: the guest's values are read, the host's put in their place. */
  'dbg.leave?': object;
  'dbg.access?': SysregAccess;
  'dbg.execute?': Instruction;
  /** The guest returns to another level or masks debug exceptions. */
  'dbg.eret': { pstate: DebugPstate };
}>;

/**
 * What an instruction met. `bank` is whose registers the CPU held; `routed` says that debug
 * exceptions went to EL2.
 */
export interface Executed {
  readonly exception: DebugException | null;
  readonly to: 1 | 2;
  readonly bank: DebugBank;
  readonly routed: boolean;
  /** An armed breakpoint or watchpoint of `bank` was met. */
  readonly met: boolean;
}

/** Messages to KVM's copy of a vCPU's debug state, `arm:VM/N`. */
export type ArmVcpuEvent = EventOf<{
  'arm.load': { cpu: ActorId };
  'arm.put': object;
  'arm.setupMdcr': object;
  'arm.setupDebug': object;
  'arm.clearDebug': object;
  /** pKVM: the hypervisor's copy is brought up to date before the run, and read back after it. */
  'arm.flush': object;
  'arm.sync': object;
  'arm.enter': object;
  'arm.leave': object;
  'dbg.left': { state: CpuDebugState };
  'arm.sysreg': SysregAccess;
  'arm.stepped': object;
  'arm.skip': object;
  /** An exit for which KVM has no handler. */
  'arm.unknown': object;
  /** User space has put the guest before its vector: ESR, ELR, SPSR and PC are written. */
  'arm.inject': { exception: DebugException };
  'arm.handled': object;
  'arm.resume?': object;
  'arm.setGuestDebug': { flags: readonly GuestDebugFlag[]; known: boolean };
  'arm.debugger?': object;
  'arm.regList?': object;
  'arm.getReg?': { reg: Sysreg };
  'arm.setReg': { reg: Sysreg; value: U64 };
  /**
   * The VMM has stopped the vCPU for good; the registers of a migrated one are all there, the core
   * registers last.
   */
  'arm.stopped': object;
  'arm.arrived': { pstate: DebugPstate };
  'arm.lifecycle?': object;
}>;

/**
 * The exception class of a debug exception that goes to EL2.
 * @see kernel arch/arm64/include/asm/esr.h
 */
export const DEBUG_EXITS = {
  breakpoint: 'BREAKPT_LOW',
  watchpoint: 'WATCHPT_LOW',
  step: 'SOFTSTP_LOW',
  'vector-catch': 'VECTOR32',
  brk: 'BRK64',
} as const satisfies Record<DebugException, string>;
export type DebugExit = (typeof DEBUG_EXITS)[DebugException];

type DebugExits = { readonly [K in DebugExit]: null };
declare module '../kvm.ts' {
  /** Exception classes by the kernel's names, without ESR_ELx_EC_. */
  interface ExitInfoOf extends DebugExits {
    /** The trap of a register access; those of AArch32 are CP14_MR. */
    readonly SYS64: SysregAccess;
    readonly CP14_MR: SysregAccess;
    /** Not the processor's: the VMM stops the VM, and its migration begins. */
    readonly STOP: null;
  }
}

/** What a guest finds when it goes on after such an exit. */
export interface Resumed {
  readonly value: U64;
  readonly undef: boolean;
  readonly injected: DebugException | null;
  readonly skipped: boolean;
}

export type ArmThreadEvent = EventOf<{
  'arm.debugger': { flags: readonly GuestDebugFlag[]; known: boolean };
  'arm.regList': { regs: readonly Sysreg[] };
  'arm.reg': { value: U64; error: 'ENOENT' | null };
  'arm.regSet': { error: 'ENOENT' | 'EINVAL' | null };
  'arm.lifecycle': { stopped: boolean; arrived: boolean; pstate: DebugPstate };
}>;

/** What a vCPU's guest hears. */
export type ArmGuestEvent = EventOf<{
  /** `undef`: UNDEFINED, a matter of the guest alone. */
  'dbg.accessed': { trap: boolean; value: U64; undef?: true };
  'dbg.executed': Executed;
  'arm.resumed': Resumed;
}>;

/** All of them are bus messages: registers, and fields of struct kvm_vcpu. */
export const ARM_DEBUG_EVENTS = {
  'dbg.enter': 'bus',
  'dbg.leave?': 'bus',
  'dbg.left': 'bus',
  'dbg.access?': 'bus',
  'dbg.accessed': 'bus',
  'dbg.execute?': 'bus',
  'dbg.executed': 'bus',
  'dbg.eret': 'bus',
  'arm.load': 'bus',
  'arm.put': 'bus',
  'arm.setupMdcr': 'bus',
  'arm.setupDebug': 'bus',
  'arm.clearDebug': 'bus',
  'arm.flush': 'bus',
  'arm.sync': 'bus',
  'arm.enter': 'bus',
  'arm.leave': 'bus',
  'arm.sysreg': 'bus',
  'arm.stepped': 'bus',
  'arm.skip': 'bus',
  'arm.unknown': 'bus',
  'arm.inject': 'bus',
  'arm.handled': 'bus',
  'arm.resume?': 'bus',
  'arm.resumed': 'bus',
  'arm.setGuestDebug': 'bus',
  'arm.debugger?': 'bus',
  'arm.debugger': 'bus',
  'arm.regList?': 'bus',
  'arm.regList': 'bus',
  'arm.getReg?': 'bus',
  'arm.reg': 'bus',
  'arm.setReg': 'bus',
  'arm.regSet': 'bus',
  'arm.stopped': 'bus',
  'arm.arrived': 'bus',
  'arm.lifecycle?': 'bus',
  'arm.lifecycle': 'bus',
} as const satisfies Record<(CpuDebugEvent | ArmVcpuEvent | ArmThreadEvent | ArmGuestEvent)['type'], Delivery>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    'os-lock': ArmThreadEvent;
  }
  interface GuestEventsOf {
    'os-lock': ArmGuestEvent;
  }
}

type OfVcpu = { readonly vm: string; readonly vcpu: number };

declare module '../program.ts' {
  interface GuestOpsOf {
    'os-lock':
      | { readonly op: 'msr'; readonly reg: Sysreg; readonly value: U64 }
      | { readonly op: 'mrs'; readonly reg: Sysreg }
      | { readonly op: 'brk' }
      | {
          readonly op: 'execute';
          readonly breakpoint?: boolean | undefined;
          readonly watchpoint?: boolean | undefined;
          readonly vector?: boolean | undefined;
        }
      | { readonly op: 'eret'; readonly el: 0 | 1; readonly d?: boolean | undefined; readonly ss?: boolean | undefined }
      | { readonly op: 'pause' };
  }
  interface HostOpsOf {
    'os-lock':
      | ({ readonly op: 'KVM_GET_REG_LIST' } & OfVcpu)
      | ({ readonly op: 'KVM_GET_ONE_REG'; readonly reg: Sysreg } & OfVcpu)
      | ({ readonly op: 'KVM_SET_ONE_REG'; readonly reg: Sysreg; readonly value: U64 } & OfVcpu)
      | ({ readonly op: 'migrate' } & OfVcpu)
      | ({ readonly op: 'incoming' } & OfVcpu)
      | { readonly op: 'user-work' };
  }
}

declare module '../options.ts' {
  interface MechanismOptions {
    'kvm.armDebug': 'each-entry' | 'owner';
    'kvm.osLock': 'emulated' | 'patch-v2' | 'ignored' | 'physical';
    'kvm.oslsrReset': 'mainline' | 'architecture';
    'kvm.dbgoslar': 'kvm' | 'architecture';
    'kvm.oslarReload': 'atomic' | 'lazy' | 'preemptible';
    'kvm.oslarExit': 'handle-exit' | 'fast-path';
    'kvm.pkvmDebug': 'none' | 'flushed' | 'stale';
    'kvm.tdeUsers': 'all' | 'last-writer';
    'kvm.oslkTest': 'bit-1' | 'bit-0';
    'vmm.debugInject': 'always' | 'unless-locked';
  }
}
