/**
 * What an x86 guest is entitled to: its debug registers as it has written them, and what each of
 * its instructions has to meet if it has its CPU to itself. Properties compare that with what
 * happened.
 */
import type { ActorId } from '../../events/event.ts';
import type { DebuggedInsn, DebugRegister, DebugVector, InsnMet } from '../../events/guest-debug/x86-debug.ts';
import type { GuestRunner } from '../../events/kvm.ts';
import { hasBits, type U64 } from '../../events/u64.ts';
import { codeBreakpointsAt, DR6_ACTIVE_LOW, DR7_FIXED_1 } from './debug-bits.ts';
import { kdbOf } from './vcpu-debug.ts';
import { DEBUG_CPUS, type DebugVendor, type GuestDebugState, type Ran, runInsn } from './x86-debug-rule.ts';

export interface DebugAccount {
  /** Where KVM keeps its half. */
  readonly kvm: ActorId;
  /** CR4.DE is set. */
  readonly de?: true;
  readonly state: GuestDebugState;
  /** TF and RF that the handler's IRET brings back. */
  readonly stacked: { readonly tf: boolean; readonly rf: boolean };
  /** The last exception that was due and did not come, and that came and was not due. */
  readonly lost: DebugVector | null;
  readonly uncalledFor: DebugVector | null;
  /** What the last handler of #DB read of DR6, and what it had to. */
  readonly cause: { readonly dr6: U64; readonly expected: U64 } | null;
  /** What the last MOV from a debug register gave, and what it had to. */
  readonly read: { readonly dr: DebugRegister; readonly value: U64; readonly expected: U64 } | null;
  /** What its program expects of an instruction, and what it met there instead. */
  readonly unexpected?: { readonly op: string; readonly expected: string; readonly found: string } | undefined;
  /** Exceptions that it took, by count. */
  readonly taken: number;
}

/** KVM's half of the vCPU that runs the guest. */
export function kvmOf({
  debug,
  runner,
}: {
  readonly debug?: DebugAccount | undefined;
  readonly runner?: GuestRunner | undefined;
}): ActorId {
  if (debug === undefined) throw new Error('a guest that debugs without its account');
  return runner === undefined ? debug.kvm : kdbOf(runner.vcpu);
}

/** After reset. */
export const accountOfStart = (kvm: ActorId, de = false): DebugAccount => ({
  kvm,
  ...(de && { de }),
  state: {
    registers: { db: [0, 0, 0, 0], dr6: DR6_ACTIVE_LOW, dr7: DR7_FIXED_1 },
    flags: { tf: false, rf: false },
    shadow: null,
    pending: 0,
  },
  stacked: { tf: false, rf: false },
  lost: null,
  uncalledFor: null,
  cause: null,
  read: null,
  taken: 0,
});

const due = (account: DebugAccount, vendor: DebugVendor, insn: DebuggedInsn): Ran =>
  runInsn(
    DEBUG_CPUS[vendor],
    { intercepts: { dr: false, db: false, bp: false }, de: account.de === true, noNestedDataBp: true },
    account.state,
    insn,
  );

/**
 * What waits behind MOV SS comes behind the next instruction; where KVM has done that one, in front
 * of the one after it.
 */
function dueBehind(account: DebugAccount, vendor: DebugVendor, insn: DebuggedInsn): Ran {
  const { pending } = account.state;
  const { met, next } = due({ ...account, state: { ...account.state, pending: 0 } }, vendor, insn);
  return { met, next: { ...next, pending: met.exception === null ? pending : next.pending } };
}

/** An instruction was done, by KVM if it was `skipped`, and the guest took nothing. */
export function done(
  account: DebugAccount,
  vendor: DebugVendor,
  insn: DebuggedInsn,
  { value, skipped }: { readonly value: U64; readonly skipped: boolean },
): DebugAccount {
  const { met, next } = (skipped ? dueBehind : due)(account, vendor, insn);
  const isRead = insn.move !== undefined && !insn.move.write;
  return {
    ...account,
    state: next,
    ...(met.exception !== null && { lost: met.exception }),
    ...(isRead && met.exception === null && { read: { dr: insn.move!.dr, value, expected: met.value } }),
  };
}

/** A code breakpoint stops the instruction: its handler sets RF, or would never get behind it. */
const isStoppedHere = ({ state }: DebugAccount, { rip }: DebuggedInsn, { bits, retired }: InsnMet): boolean =>
  !retired && hasBits(bits, codeBreakpointsAt(state.registers, rip));

/** The guest takes an exception at an instruction. */
export function raised(account: DebugAccount, vendor: DebugVendor, insn: DebuggedInsn, vector: DebugVector): DebugAccount {
  const { met, next } = due(account, vendor, insn);
  const isDue = met.exception === vector;
  const { tf } = account.state.flags;
  return {
    ...account,
    state: isDue ? next : account.state,
    stacked: { tf: insn.kind === 'popf' && met.retired ? (insn.tf ?? tf) : tf, rf: isStoppedHere(account, insn, met) },
    ...(!isDue && { uncalledFor: vector, ...(met.exception !== null && { lost: met.exception }) }),
    taken: Math.min(account.taken + 1, TAKEN_MAX),
  };
}

/** Counted up to here, so that endless programs have an end. */
const TAKEN_MAX = 8;

/** The handler has read DR6. */
export const causeRead = (account: DebugAccount, dr6: U64): DebugAccount => ({
  ...account,
  cause: { dr6, expected: account.state.registers.dr6 },
});

/** The handler has cleared DR6. */
export const causeCleared = (account: DebugAccount): DebugAccount => ({
  ...account,
  state: { ...account.state, registers: { ...account.state.registers, dr6: DR6_ACTIVE_LOW } },
});

/** IRET. */
export const returned = (account: DebugAccount): DebugAccount => ({
  ...account,
  state: { ...account.state, flags: account.stacked, shadow: null },
});
