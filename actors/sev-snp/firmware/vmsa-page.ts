/**
 * The VMSA of a vCPU that has not run: the 4096 bytes that KVM gives to the firmware for a vCPU of
 * QEMU. Fields that are not named here are zero.
 *
 * @see kernel arch/x86/include/asm/svm.h, struct sev_es_save_area; arch/x86/kvm/svm/sev.c,
 * sev_es_sync_vmsa(); domain snp f.6
 */
import { PAGE_BYTES } from './launch-digest.ts';

/** Where the boot processor begins, and each other one if user space has set nothing else. */
export const RESET_EIP = 0xffff_fff0;

export interface InitialVmsa {
  /** The address of the first instruction. */
  readonly eip: number;
  readonly sevFeatures: bigint;
  /** EAX of CPUID function 1, with which a processor begins in EDX. */
  readonly signature: number;
  /**
   * Whether KVM has copied the x87 state, as kernels with SNP do for every VM type but the oldest.
   * The host series before them left it zero, as KVM_SEV_ES_INIT does.
   */
  readonly x87: 'initial' | 'zero';
}

/** A segment register: selector, attributes, limit; the base behind them. */
interface Segment {
  readonly at: number;
  readonly selector?: number;
  readonly attributes: number;
  readonly base?: number;
}

const ACCESSED_DATA = 0x93;
const DATA_AND_TABLES: readonly Segment[] = [
  { at: 0x00, attributes: ACCESSED_DATA }, // ES
  { at: 0x20, attributes: ACCESSED_DATA }, // SS
  { at: 0x30, attributes: ACCESSED_DATA }, // DS
  { at: 0x40, attributes: ACCESSED_DATA }, // FS
  { at: 0x50, attributes: ACCESSED_DATA }, // GS
  { at: 0x60, attributes: 0 }, // GDTR
  { at: 0x70, attributes: 0x82 }, // LDTR
  { at: 0x80, attributes: 0 }, // IDTR
  { at: 0x90, attributes: 0x8b }, // TR
];
const CS = { at: 0x10, selector: 0xf000, attributes: 0x9b } as const;
const LIMIT = 0xffff;
/** What of an instruction's address stands in the base of CS; the rest is in RIP. */
const CS_BASE = 0xffff_0000;

/** Registers of 64 bits that every such vCPU has alike. */
const REGISTERS: readonly (readonly [at: number, value: bigint])[] = [
  [0x0d0, 0x1000n], // EFER: KVM sets SVME in every guest
  [0x148, 0x40n], // CR4: KVM sets MCE
  [0x158, 0x10n], // CR0: ET
  [0x160, 0x400n], // DR7
  [0x168, 0xffff_0ff0n], // DR6
  [0x170, 0x2n], // RFLAGS
  [0x268, 0x0007_0406_0007_0406n], // PAT
  [0x3e8, 0x1n], // XCR0: x87
];
const RIP = 0x178;
const RDX = 0x310;
const SEV_FEATURES_AT = 0x3b0;
const MXCSR = 0x408;
const X87_FCW = 0x410;

function putSegment(view: DataView, { at, selector = 0, attributes, base = 0 }: Segment): void {
  view.setUint16(at, selector, true);
  view.setUint16(at + 2, attributes, true);
  view.setUint32(at + 4, LIMIT, true);
  view.setBigUint64(at + 8, BigInt(base), true);
}

export function vmsaPage({ eip, sevFeatures, signature, x87 }: InitialVmsa): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES);
  const view = new DataView(bytes.buffer);
  const base = (eip & CS_BASE) >>> 0;
  for (const segment of [...DATA_AND_TABLES, { ...CS, base }]) putSegment(view, segment);
  for (const [at, value] of REGISTERS) view.setBigUint64(at, value, true);
  view.setBigUint64(RIP, BigInt(eip - base), true);
  view.setBigUint64(RDX, BigInt(signature), true);
  view.setBigUint64(SEV_FEATURES_AT, sevFeatures, true);
  if (x87 === 'initial') {
    view.setUint32(MXCSR, 0x1f80, true);
    view.setUint16(X87_FCW, 0x37f, true);
  }
  return bytes;
}
