/**
 * What one instruction of a guest meets in the debug logic of an x86 CPU, and what it leaves: the
 * rules of the manuals as one function of state.
 *
 * By priority: a trap that waits from an earlier instruction, an instruction breakpoint, the faults
 * of the instruction itself, the exits that KVM asked for, the traps behind it. Left out: privilege
 * (the guest is at CPL 0), I/O breakpoints, task switches, branch stepping (DEBUGCTL.BTF), RTM and
 * bus locks.
 *
 * MOV SS makes its own traps wait for one more instruction; on Intel it also hides an instruction
 * breakpoint of that one. A data breakpoint that waits is told with the next debug exception, of
 * any kind. INT3 and faults other than #DB come first, and it is taken in front of the first
 * instruction of their handler. A single-step trap that waits is told with that of the next
 * instruction, and lost if there is none: kvm-unit-tests see no BS with ICEBP or general detect.
 *
 * @see SDM vol. 3, "Debug Exceptions", "Masking Exceptions and Interrupts When Switching Stacks",
 * "Priority Among Simultaneous Exceptions and Interrupts"; APM vol. 2, "Software-Debug Resources"
 * @see kvm-unit-tests x86/debug.c
 */
import type { DebugFlags, DebuggedInsn, DebugRegisters, DebugVector, InsnMet, Shadow } from '../../events/guest-debug/x86-debug.ts';
import { hasBits, type U64, withBits, withoutBits } from '../../events/u64.ts';
import { type InsnControls, nestedHits } from './db-delivery.ts';
import {
  bitsOfBoth,
  codeBreakpointsAt,
  DR6_BD,
  DR6_BS,
  DR7_GD,
  dataBreakpointsOf,
  dr6After,
  dr6Written,
  dr7Written,
  isUpperHalfClear,
  trapBitsOf,
} from './debug-bits.ts';

/** Where CPUs of AMD and Intel differ. */
export interface DebugCpu {
  /**
   * An intercepted MOV DR exits before its own faults are looked for; if not, behind all of them.
   * @see kernel arch/x86/kvm/vmx/vmx.c, handle_dr(); arch/x86/kvm/svm/svm.c, x86_intercept_map
   */
  readonly exitsBeforeGd: boolean;
  /**
   * ICEBP exits with #DB, before it is done. SVM has an intercept of its own for it, which KVM does
   * not set.
   * @see kernel arch/x86/kvm/vmx/vmx.c, handle_exception_nmi(); APM vol. 2, "#DB (Debug)"
   */
  readonly exitsOnIcebp: boolean;
  /**
   * An intercepted #DB has written DR6 and cleared DR7.GD when it exits: both are as its handler
   * would see them.
   * @see APM vol. 2, "#DB (Debug)"; SDM vol. 3, "Architectural State Before a VM Exit"
   */
  readonly exitsBehindDelivery: boolean;
  /**
   * An exit of an instruction saves RF as 0.
   * @see SDM vol. 3, "Saving RIP, RSP, RFLAGS, and SSP"
   */
  readonly forgetsRf: boolean;
  /** @see kernel arch/x86/kvm/x86.c, kvm_is_code_breakpoint_inhibited() */
  readonly movSsHidesCodeBreakpoints: boolean;
  /** ICEBP leaves B0 to B3 as they were. @see Xen xen/arch/x86/debug.c, x86_merge_dr6() */
  readonly icebpKeepsTrapBits: boolean;
}

export type DebugVendor = 'svm' | 'vmx';

export const DEBUG_CPUS: Readonly<Record<DebugVendor, DebugCpu>> = {
  svm: {
    exitsBeforeGd: false,
    exitsOnIcebp: false,
    exitsBehindDelivery: true,
    forgetsRf: false,
    movSsHidesCodeBreakpoints: false,
    icebpKeepsTrapBits: true,
  },
  vmx: {
    exitsBeforeGd: true,
    exitsOnIcebp: true,
    exitsBehindDelivery: false,
    forgetsRf: true,
    movSsHidesCodeBreakpoints: true,
    icebpKeepsTrapBits: false,
  },
};

/** What the debug logic of a CPU holds while a guest runs. */
export interface GuestDebugState {
  readonly registers: DebugRegisters;
  readonly flags: DebugFlags;
  readonly shadow: Shadow;
  /** Bits of DR6 of debug exceptions that wait; 0 for none. */
  readonly pending: U64;
}

export interface Ran {
  readonly met: InsnMet;
  readonly next: GuestDebugState;
}

const NOTHING: InsnMet = { exit: null, exception: null, bits: 0, retired: false, value: 0, tf: false };

/** Delivery of an event clears TF and RF, and ends a shadow. */
export const handlerEntered = <S extends Pick<GuestDebugState, 'flags' | 'shadow'>>(state: S): S => ({
  ...state,
  flags: { tf: false, rf: false },
  shadow: null,
});

/** An exception other than #DB. A data breakpoint that waits is taken behind it. */
const raised = (exception: Exclude<DebugVector, 'DB'>, state: GuestDebugState, retired: boolean): Ran => ({
  met: { ...NOTHING, exception, retired, tf: state.flags.tf },
  next: handlerEntered(withoutStep(state)),
});

/** The exit that KVM has asked for, of an instruction that is not done. */
const exited = (cpu: DebugCpu, exit: 'DR' | 'BP' | 'MSR' | 'VC', state: GuestDebugState): Ran => ({
  met: { ...NOTHING, exit },
  next: cpu.forgetsRf && exit !== 'BP' ? { ...state, flags: { ...state.flags, rf: false } } : state,
});

/**
 * A debug exception, which tells all that waits as well; to KVM if it has asked for it. The state
 * is that behind the instruction, for a trap.
 */
function debugException(
  cpu: DebugCpu,
  controls: InsnControls,
  state: GuestDebugState,
  raisedBy: { readonly bits: U64; readonly retired: boolean; readonly value?: U64; readonly kept?: U64; readonly isIcebp?: true },
): Ran {
  const { intercepts } = controls;
  const { retired, value = 0, kept = 0 } = raisedBy;
  const bits = bitsOfBoth(raisedBy.bits, state.pending);
  const met: InsnMet = { ...NOTHING, bits, retired, value };
  const told: DebugRegisters = { ...state.registers, dr6: dr6After(state.registers.dr6, bitsOfBoth(bits, kept)) };
  const seen = { ...told, dr7: withoutBits(told.dr7, DR7_GD) };
  if (intercepts.db === 'by-vc' && !raisedBy.isIcebp) return delivered('VC', controls, state, seen, met);
  if (intercepts.db && !raisedBy.isIcebp) {
    const registers = cpu.exitsBehindDelivery ? seen : state.registers;
    return { met: { ...met, exit: 'DB' }, next: { ...state, registers, pending: 0 } };
  }
  return delivered('DB', controls, state, seen, met);
}

/**
 * The handler of #DB, or of the #VC in its place. What the delivery itself hits raises the next #DB
 * before an instruction of the handler is fetched. That one exits, if KVM has asked for it: ICEBP
 * alone comes here then. Where it is #VC, the same delivery follows.
 */
function delivered(vector: 'DB' | 'VC', controls: InsnControls, state: GuestDebugState, registers: DebugRegisters, met: InsnMet): Ran {
  const pending = nestedHits(vector, registers, controls);
  const next: GuestDebugState = { ...handlerEntered(state), registers, pending };
  if (pending !== 0 && (vector === 'VC' || !controls.intercepts.db))
    return { met: { ...met, exit: 'HANG' }, next: { ...next, pending: 0 } };
  return { met: { ...met, exit: vector === 'VC' ? 'VC' : null, exception: 'DB', tf: state.flags.tf }, next };
}

/** Bits of the instruction breakpoints that stop the instruction. */
function breakpointsBefore(
  cpu: DebugCpu,
  { masks }: InsnControls,
  { registers, flags, shadow }: GuestDebugState,
  { rip }: DebuggedInsn,
): number {
  if (flags.rf || (shadow === 'mov-ss' && cpu.movSsHidesCodeBreakpoints)) return 0;
  return codeBreakpointsAt(registers, rip, masks);
}

/** The single-step trap of a MOV SS is told by that of the next instruction, or not at all. */
export const withoutStep = <S extends Pick<GuestDebugState, 'pending'>>(state: S): S => ({
  ...state,
  pending: withoutBits(state.pending, DR6_BS),
});

type Move = NonNullable<DebuggedInsn['move']>;

const moveOf = ({ kind, move }: DebuggedInsn): Move | null => {
  if (kind !== 'mov-dr') return null;
  if (move === undefined) throw new Error('MOV DR without a debug register; its instruction names one');
  return move;
};

/** DR4 and DR5 are DR6 and DR7. */
const registerNumber = ({ dr }: Move): 0 | 1 | 2 | 3 | 6 | 7 => (dr === 4 ? 6 : dr === 5 ? 7 : dr);

/** Why a MOV DR is not done, or null: #UD as of decoding, then GD, then its value. */
function moveStopped(cpu: DebugCpu, controls: InsnControls, state: GuestDebugState, move: Move): Ran | null {
  if (controls.intercepts.dr && cpu.exitsBeforeGd) return exited(cpu, 'DR', state);
  if (controls.de && (move.dr === 4 || move.dr === 5)) return raised('UD', state, false);
  if (hasBits(state.registers.dr7, DR7_GD)) {
    return debugException(cpu, controls, withoutStep(state), { bits: DR6_BD, retired: false });
  }
  if (move.write && registerNumber(move) >= 6 && !isUpperHalfClear(move.value)) return raised('GP', state, false);
  return interceptedMove(cpu, controls, state, move);
}

function interceptedMove(cpu: DebugCpu, { intercepts: { dr } }: InsnControls, state: GuestDebugState, move: Move): Ran | null {
  if (dr === 'dr7-by-vc') return registerNumber(move) === 7 ? exited(cpu, 'VC', state) : null;
  return dr ? exited(cpu, 'DR', state) : null;
}

function readRegister({ db, dr6, dr7 }: DebugRegisters, move: Move): U64 {
  const number = registerNumber(move);
  if (number === 6) return dr6;
  return number === 7 ? dr7 : db[number];
}

function writtenRegister(registers: DebugRegisters, move: Move): DebugRegisters {
  const number = registerNumber(move);
  if (number === 6) return { ...registers, dr6: dr6Written(move.value) };
  if (number === 7) return { ...registers, dr7: dr7Written(move.value) };
  const [db0, db1, db2, db3] = registers.db.map((address, index) => (index === number ? move.value : address));
  return { ...registers, db: [db0!, db1!, db2!, db3!] };
}

/**
 * A second MOV SS in a row makes nothing wait: only the first of a sequence is sure to.
 * @see SDM vol. 2, "MOV"
 */
function shadowBehind(kind: DebuggedInsn['kind'], before: Shadow): Shadow {
  if (kind === 'sti') return 'sti';
  return kind === 'mov-ss' && before !== 'mov-ss' ? 'mov-ss' : null;
}

/** The instruction is done: what it leaves, and the traps behind it. */
function completed(cpu: DebugCpu, controls: InsnControls, before: GuestDebugState, insn: DebuggedInsn): Ran {
  const move = moveOf(insn);
  const value = move !== null && !move.write ? readRegister(before.registers, move) : 0;
  const registers = move?.write ? writtenRegister(before.registers, move) : before.registers;
  const shadow = shadowBehind(insn.kind, before.shadow);
  const tf = insn.kind === 'popf' ? (insn.tf ?? before.flags.tf) : before.flags.tf;
  const next: GuestDebugState = { registers, flags: { tf, rf: false }, shadow, pending: before.pending };
  const data = insn.access === undefined ? 0 : dataBreakpointsOf(registers, insn.access, controls.masks);
  const done: InsnMet = { ...NOTHING, retired: true, value };
  // The trap belongs to TF as it was before the instruction: POPF that sets it is not stepped.
  const bits = before.flags.tf ? withBits(data, DR6_BS) : data;
  if (shadow === 'mov-ss') return { met: done, next: { ...next, pending: bits } };
  if (bits === 0 && next.pending === 0) return { met: done, next };
  return debugException(cpu, controls, next, { bits, retired: true, value });
}

/** INT1. TF is clear in its handler, and it is not stepped. */
function icebp(cpu: DebugCpu, controls: InsnControls, before: GuestDebugState): Ran {
  if (controls.intercepts.db && cpu.exitsOnIcebp) return debugException(cpu, controls, before, { bits: 0, retired: false });
  const next: GuestDebugState = { ...before, flags: { ...before.flags, rf: false }, shadow: null };
  const kept = cpu.icebpKeepsTrapBits ? trapBitsOf(before.registers.dr6) : 0;
  return debugException(cpu, controls, next, { bits: 0, retired: true, kept, isIcebp: true });
}

/** What an instruction meets, and what it leaves. */
export function runInsn(cpu: DebugCpu, controls: InsnControls, before: GuestDebugState, insn: DebuggedInsn): Ran {
  const { pending, shadow } = before;
  if (pending !== 0 && shadow !== 'mov-ss') return debugException(cpu, controls, before, { bits: pending, retired: false });
  const bits = breakpointsBefore(cpu, controls, before, insn);
  if (bits !== 0) return debugException(cpu, controls, withoutStep(before), { bits, retired: false });
  const move = moveOf(insn);
  const stopped = move === null ? null : moveStopped(cpu, controls, before, move);
  if (stopped !== null) return stopped;
  // Its delivery pushes to a misaligned stack, which raises it again.
  if (insn.kind === 'ac-loop') return { met: { ...NOTHING, exit: controls.intercepts.ac ? 'AC' : 'HANG' }, next: before };
  if (insn.kind === 'wrmsr' && controls.intercepts.msr) return exited(cpu, 'MSR', before);
  if (insn.kind === 'int3') return controls.intercepts.bp ? exited(cpu, 'BP', before) : raised('BP', before, true);
  if (insn.kind === 'icebp') return icebp(cpu, controls, withoutStep(before));
  return completed(cpu, controls, before, insn);
}
