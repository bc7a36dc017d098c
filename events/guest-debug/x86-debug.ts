/**
 * Vocabulary of x86 debugging: the debug registers of a CPU, what a guest's instruction meets, and
 * KVM's half of a debugged vCPU.
 */
import type { Delivery, EventOf } from '../event.ts';
import type { U64 } from '../u64.ts';

/** Debug registers by number. DR4 and DR5 are names of DR6 and DR7 while CR4.DE is clear. */
export type DebugRegister = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** DR0 to DR3: linear addresses. */
export type BreakpointAddresses = readonly [U64, U64, U64, U64];

/**
 * DR0_ADDR_MASK to DR3_ADDR_MASK of AMD's processors: bits of an address that are not compared. KVM
 * gives a plain guest none of its own.
 */
export type AddressMasks = readonly [number, number, number, number];
export const NO_MASKS: AddressMasks = [0, 0, 0, 0];

/** One value for each of DR0 to DR3; null stays. */
type Four<V> = readonly [V | null, V | null, V | null, V | null];

/** What a CPU holds. */
export interface DebugRegisters {
  readonly db: BreakpointAddresses;
  readonly dr6: U64;
  readonly dr7: U64;
}

/** A data access of an instruction. */
export interface DataAccess {
  readonly gva: U64;
  /** Bytes. */
  readonly length: 1 | 2 | 4 | 8;
  readonly write: boolean;
}

/** What an instruction is, as far as debug logic asks. */
export type InsnKind = 'plain' | 'mov-dr' | 'wrmsr' | 'ac-loop' | 'int3' | 'icebp' | 'popf' | 'sti' | 'mov-ss';

/** An instruction as debug logic sees it. */
export interface DebuggedInsn {
  readonly kind: InsnKind;
  /** Its linear address. */
  readonly rip: U64;
  readonly access?: DataAccess | undefined;
  /** MOV to or from a debug register. */
  readonly move?: { readonly dr: DebugRegister; readonly write: boolean; readonly value: U64 } | undefined;
  /** POPF: what it makes of TF. */
  readonly tf?: boolean | undefined;
}

/** RFLAGS as far as debug logic asks. */
export interface DebugFlags {
  readonly tf: boolean;
  readonly rf: boolean;
}

/** Instructions behind which debug exceptions, or interrupts, wait for one more. */
export type Shadow = 'sti' | 'mov-ss' | null;

/** What a guest state area holds beside the registers, and what KVM has asked to be told of. */
export interface GuestDebugControls {
  /**
   * Exits on MOV DR, on #DB, on #BP, on WRMSR and on #AC. `dr7-by-vc`: of MOV DR7 alone, and the
   * guest gets #VC; `by-vc`: the guest gets #VC for #DB.
   */
  readonly intercepts: {
    readonly dr: boolean | 'dr7-by-vc';
    readonly db: boolean | 'by-vc';
    readonly bp: boolean;
    readonly msr?: boolean;
    readonly ac?: boolean;
  };
  /** CR4.DE: DR4 and DR5 are undefined. */
  readonly de: boolean;
  readonly flags: DebugFlags;
  readonly shadow: Shadow;
  /** Bits of DR6 that a debug exception has which waits behind a shadow; 0 for none. */
  readonly pending: U64;
  /** The event that the entry delivers. `dr6` of #DB: what the guest finds. */
  readonly inject: DebugVector | null;
}

export type DebugVector = 'DB' | 'BP' | 'GP' | 'UD' | 'AC';

/** What an instruction met. */
export interface InsnMet {
  /**
   * The exit that KVM has asked for; the instruction is not done, unless `retired` says so. `VC`:
   * the guest gets #VC in its place, of a MOV DR7 or of the exception. `HANG`: the CPU delivers #DB
   * or #AC without end.
   */
  readonly exit: 'DR' | 'DB' | 'BP' | 'MSR' | 'AC' | 'VC' | 'HANG' | null;
  /** The exception that the guest takes, where nothing exits; by #VC, if `exit` says so. */
  readonly exception: DebugVector | null;
  /** Bits of DR6 of a debug exception that it brought; 0 for none. */
  readonly bits: U64;
  /** Whether it is done: a trap comes behind its instruction, a fault before. */
  readonly retired: boolean;
  /** What MOV from a debug register gave; else 0. */
  readonly value: U64;
  /** TF of the RFLAGS that the delivery of the exception pushes. */
  readonly tf: boolean;
}

/** Messages to the debug registers of a CPU, `dr:N`. */
export type CpuDebugRegistersEvent = EventOf<{
  /** set_debugreg() of the host, and WRMSR of a mask; what is not named stays. */
  'dr.set': { db?: Four<U64>; dr6?: U64; dr7?: U64; masks?: Four<number> };
  /** Code of the host accesses memory. */
  'dr.touch?': DataAccess;
  /** The host reads DR0 to DR3. */
  'dr.read?': object;
  /**
   * VM entry: `dr6` null where no guest state area has it (VMX). `keepsDr7`: the exit brings back
   * the host's DR7, as that of a guest with encrypted registers does.
   */
  'dr.enter': { controls: GuestDebugControls; dr6: U64 | null; dr7: U64; keepsDr7?: true };
  /** VM exit: what the guest state area gets. */
  'dr.leave?': object;
  'dr.insn?': DebuggedInsn;
  /** The guest's handler returns: its RF, and TF as its stack has them. */
  'dr.iret': { flags: DebugFlags };
}>;

/** What they answer. */
export type CpuDebugRegistersAnswer = EventOf<{
  /** B0 to B3 of the host's #DB; 0 for none. */
  'dr.touched': { bits: number };
  'dr.values': { db: BreakpointAddresses };
  'dr.left': { registers: DebugRegisters; flags: DebugFlags; shadow: Shadow; pending: U64 };
  'dr.met': InsnMet;
}>;

/** Flags of struct kvm_guest_debug.control, sorted. @see kernel arch/x86/include/uapi/asm/kvm.h */
export type X86GuestDebugFlag = 'BLOCKIRQ' | 'ENABLE' | 'INJECT_BP' | 'INJECT_DB' | 'SINGLESTEP' | 'USE_HW_BP' | 'USE_SW_BP';

/** kvm_run->debug.arch. */
export interface DebugExit {
  readonly exception: 'DB' | 'BP';
  readonly dr6: U64;
  readonly dr7: U64;
  readonly rip: U64;
}

/** All of them are bus messages: registers, and fields of the guest state area. */
export const CPU_DEBUG_EVENTS = {
  'dr.set': 'bus',
  'dr.touch?': 'bus',
  'dr.touched': 'bus',
  'dr.read?': 'bus',
  'dr.values': 'bus',
  'dr.enter': 'bus',
  'dr.leave?': 'bus',
  'dr.left': 'bus',
  'dr.insn?': 'bus',
  'dr.met': 'bus',
  'dr.iret': 'bus',
} as const satisfies Record<(CpuDebugRegistersEvent | CpuDebugRegistersAnswer)['type'], Delivery>;
