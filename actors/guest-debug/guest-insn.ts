/** The instructions of a guest that debugs, those of its handler of #DB, and their exits. */
import type { FastpathMsr } from '../../events/guest-debug/operations.ts';
import type { DebuggedInsn, InsnMet } from '../../events/guest-debug/x86-debug.ts';
import type { GuestOp } from '../../events/program.ts';
import type { U64 } from '../../events/u64.ts';
import { type GuestEnv, opOf, type Vcpu, vmexit } from '../kvm/guest-program.ts';
import { DR6_ACTIVE_LOW } from './debug-bits.ts';
import type { DebugVendor } from './x86-debug-rule.ts';

export const OPERATIONS = [
  'insn',
  'mov-ss',
  'mov-to-dr',
  'mov-from-dr',
  'popf',
  'sti',
  'int3',
  'icebp',
  'wrmsr-fastpath',
  'ac-loop',
] as const;
export type DebugOp = Extract<GuestOp, { readonly op: (typeof OPERATIONS)[number] }>;

/** Where instructions stand that no breakpoint is put at, and the guest's handler of #DB. */
const TEXT = 0x10_0000;
const HANDLER = 0xf_0000;
/** Bytes of an instruction. */
const INSN_BYTES = 3;

/** The instruction of an operation as debug logic sees it. */
export function insnOf(env: GuestEnv, v: Vcpu): DebuggedInsn {
  const op = opOf(env, v) as DebugOp;
  const rip = op.at ?? TEXT + 16 * v.pc;
  switch (op.op) {
    case 'insn':
    case 'mov-ss': {
      const gva = op.writes ?? op.reads;
      const access = gva === undefined ? undefined : { gva, length: op.length ?? 8, write: op.writes !== undefined };
      return { kind: op.op === 'insn' ? 'plain' : 'mov-ss', rip, access };
    }
    case 'mov-to-dr':
      return { kind: 'mov-dr', rip, move: { dr: op.dr, write: true, value: op.value } };
    case 'mov-from-dr':
      return { kind: 'mov-dr', rip, move: { dr: op.dr, write: false, value: 0 } };
    case 'popf':
      return { kind: 'popf', rip, tf: op.tf };
    case 'wrmsr-fastpath':
      return { kind: 'wrmsr', rip };
    default:
      return { kind: op.op, rip };
  }
}

/**
 * The handler's MOV from and to DR6. @see kernel arch/x86/kernel/traps.c, debug_read_clear_dr6()
 */
export const READ_DR6: DebuggedInsn = { kind: 'mov-dr', rip: HANDLER, move: { dr: 6, write: false, value: 0 } };
export const CLEAR_DR6: DebuggedInsn = { kind: 'mov-dr', rip: HANDLER + INSN_BYTES, move: { dr: 6, write: true, value: DR6_ACTIVE_LOW } };

const behind = (rip: U64): U64 => Number(rip) + INSN_BYTES;

const msrOf = (env: GuestEnv, v: Vcpu): FastpathMsr => {
  const op = opOf(env, v);
  if (op.op !== 'wrmsr-fastpath') throw new Error(`${op.op} writes no MSR`);
  return op.msr;
};

/** The exit that an instruction has met, by the vendor's name. */
export function exitOf(env: GuestEnv, vendor: DebugVendor, v: Vcpu, insn: DebuggedInsn, { exit, bits, retired }: InsnMet) {
  const next = behind(insn.rip);
  if (exit === 'AC') return vmexit(v, 'EXCP_AC');
  if (exit === 'MSR') return vmexit(v, 'MSR_FASTPATH', { msr: msrOf(env, v), rip: insn.rip, next });
  if (exit === 'DR') {
    const { dr, write, value } = insn.move!;
    const info = { dr, write, value, rip: insn.rip, next };
    if (vendor === 'vmx') return vmexit(v, 'DR_ACCESS', info);
    return write ? vmexit(v, 'WRITE_DR', info) : vmexit(v, 'READ_DR', info);
  }
  if (exit === 'DB') {
    const info = { bits, icebp: insn.kind === 'icebp', rip: retired ? next : insn.rip, next };
    return vendor === 'vmx' ? vmexit(v, 'EXCEPTION_NMI', { vector: 'DB', ...info }) : vmexit(v, 'EXCP_DB', info);
  }
  const info = { rip: insn.rip };
  return vendor === 'vmx' ? vmexit(v, 'EXCEPTION_NMI', { vector: 'BP', ...info }) : vmexit(v, 'EXCP_BP', info);
}
