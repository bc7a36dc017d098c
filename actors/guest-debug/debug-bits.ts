/**
 * The bits of DR6 and DR7, with the kernel's names and values.
 *
 * Debug exceptions report in positive polarity, as the pending debug exceptions of VMX and the
 * payload of KVM do. The CPU has neither RTM nor bus-lock detection: bits 16 and 11 of its DR6 read
 * as 1.
 *
 * @see kernel arch/x86/include/asm/kvm_host.h, arch/x86/include/uapi/asm/debugreg.h
 * @see SDM vol. 3, "Debug Registers"; APM vol. 2, "Debug Registers"
 */
import { type AddressMasks, type DataAccess, type DebugRegisters, NO_MASKS } from '../../events/guest-debug/x86-debug.ts';
import { type U64, u64 } from '../../events/u64.ts';

/** B0 to B3. */
export const DR_TRAP_BITS = 0xf;
export const DR6_BD = 1 << 13;
export const DR6_BS = 1 << 14;
/** Bits that read as 1 where nothing happened, and the value after reset. */
export const DR6_ACTIVE_LOW = 0xffff_0ff0;
/** What a write can change, on a CPU that has all of it. */
export const DR6_VOLATILE = 0x0001_e80f;
export const DR6_FIXED_1 = 0xfffe_07f0;

/** L0 to L3 and G0 to G3; the latter alone are the host's. */
export const DR7_BP_EN_MASK = 0xff;
export const DR_GLOBAL_ENABLE_MASK = 0xaa;
/** GE, which arming a breakpoint sets and removing it leaves. */
const DR_GLOBAL_SLOWDOWN = 0x200;
export const DR7_GD = 1 << 13;
/** Bit 10, and the value after reset. */
export const DR7_FIXED_1 = 0x400;
export const DR7_VOLATILE = 0xffff_2bff;

/** R/W of a breakpoint. `io` needs CR4.DE, and no instruction here does I/O. */
type BreakpointKind = 'execute' | 'write' | 'io' | 'access';
const KINDS: readonly BreakpointKind[] = ['execute', 'write', 'io', 'access'];
/** LEN: 0b10 is 8 bytes, not 4. */
const LENGTHS = [1, 2, 8, 4] as const;

/** A breakpoint that DR7 enables. */
interface EnabledBreakpoint {
  readonly index: number;
  readonly kind: BreakpointKind;
  /** Bytes. */
  readonly length: 1 | 2 | 4 | 8;
}

const low32 = (value: U64): number => Number(BigInt.asUintN(32, BigInt(value)));

/** The breakpoints with Ln or Gn set: without task switches in hardware the two do the same. */
export function enabledBreakpoints(dr7: U64): readonly EnabledBreakpoint[] {
  const bits = low32(dr7);
  if ((bits & DR7_BP_EN_MASK) === 0) return [];
  return [0, 1, 2, 3]
    .filter((index) => ((bits >>> (2 * index)) & 0b11) !== 0)
    .map((index) => {
      const field = bits >>> (16 + 4 * index);
      return { index, kind: KINDS[field & 0b11]!, length: LENGTHS[(field >>> 2) & 0b11]! };
    });
}

/**
 * B0 to B3 of the instruction breakpoints at an address. A LEN other than 0 is undefined for them;
 * here it never matches.
 * @see kernel arch/x86/kvm/x86.c, kvm_vcpu_check_hw_bp(); APM vol. 2, "Address Breakpoint Mask"
 */
export function codeBreakpointsAt({ db, dr7 }: DebugRegisters, rip: U64, masks: AddressMasks = NO_MASKS): number {
  return enabledBreakpoints(dr7)
    .filter(({ index, kind, length }) => {
      const ignored = ~BigInt(masks[index]!);
      return kind === 'execute' && length === 1 && (BigInt(db[index]!) & ignored) === (BigInt(rip) & ignored);
    })
    .reduce((bits, { index }) => bits | (1 << index), 0);
}

/**
 * B0 to B3 of the data breakpoints that an access touches with any of its bytes. The CPU ignores
 * the bits of an address that LEN covers, and those of a mask, which is of low bits here.
 * @see SDM vol. 3, "Breakpoint Field Recognition"; APM vol. 2, "Address Breakpoint Mask"
 */
export function dataBreakpointsOf(
  { db, dr7 }: Pick<DebugRegisters, 'db' | 'dr7'>,
  { gva, length, write }: DataAccess,
  masks: AddressMasks = NO_MASKS,
): number {
  const first = BigInt(gva);
  return enabledBreakpoints(dr7)
    .filter(({ kind }) => kind === 'access' || (kind === 'write' && write))
    .filter((breakpoint) => {
      const size = BigInt(Math.max(breakpoint.length, masks[breakpoint.index]! + 1));
      const start = BigInt(db[breakpoint.index]!) & ~(size - 1n);
      return first < start + size && start < first + BigInt(length);
    })
    .reduce((bits, { index }) => bits | (1 << index), 0);
}

/**
 * DR6 after a debug exception with these bits: B0 to B3 are written, all others are only ever set.
 * @see kernel arch/x86/kvm/x86.c, kvm_deliver_exception_payload()
 */
export const dr6After = (dr6: U64, bits: U64): U64 => ((low32(dr6) & ~DR_TRAP_BITS) | low32(bits)) >>> 0;

/**
 * The bits of DR7 that arm a data breakpoint of the host, but for GE.
 * @see kernel arch/x86/kernel/hw_breakpoint.c, __encode_dr7()
 */
export function dr7BitsOf(index: number, kind: 'write' | 'access', length: 1 | 2 | 4 | 8): number {
  const field = KINDS.indexOf(kind) | (LENGTHS.indexOf(length) << 2);
  return ((field << (16 + 4 * index)) | (0b10 << (2 * index))) >>> 0;
}

/** DR7 with a breakpoint armed, and with it removed. */
export const dr7With = (dr7: U64, bits: number): U64 => (low32(dr7) | bits | DR_GLOBAL_SLOWDOWN) >>> 0;
export const dr7Without = (dr7: U64, bits: number): U64 => (low32(dr7) & ~bits) >>> 0;

/** B0 to B3 of a DR6. */
export const trapBitsOf = (dr6: U64): number => low32(dr6) & DR_TRAP_BITS;

/** What a MOV to DR6 leaves. */
export const dr6Written = (value: U64): U64 => ((low32(value) & DR6_VOLATILE) | DR6_ACTIVE_LOW) >>> 0;

/** What a MOV to DR7 leaves. */
export const dr7Written = (value: U64): U64 => ((low32(value) & DR7_VOLATILE) | DR7_FIXED_1) >>> 0;

/** Whether bits 63 to 32 are clear: MOV to DR6 and DR7 is #GP otherwise. */
export const isUpperHalfClear = (value: U64): boolean => BigInt(value) >> 32n === 0n;

/** Both sets of bits. */
export const bitsOfBoth = (a: U64, b: U64): U64 => u64(BigInt(a) | BigInt(b));
