/**
 * Error codes of page faults: what the processor pushes at #PF on the host, and what #VMEXIT(NPF)
 * has in EXITINFO1. One table of bits for both.
 *
 * A code has 37 bits, so it is a number that JSON holds; operators on 32 bits do not fit.
 *
 * @see kernel arch/x86/include/asm/trap_pf.h; arch/x86/include/asm/kvm_host.h, PFERR_*; domain snp
 * c, "Error codes"
 */
export const ERROR_BITS = {
  PRESENT: 0,
  WRITE: 1,
  USER: 2,
  RSVD: 3,
  FETCH: 4,
  PK: 5,
  SS: 6,
  SGX: 15,
  /** A check of the RMP has failed. */
  RMP: 31,
  /** Of #NPF alone: at the guest's final address, or at a page table of the guest. */
  FINAL: 32,
  WALK: 33,
  /** The C-bit of the access. */
  ENC: 34,
  /** PVALIDATE or RMPADJUST was smaller than the entry. */
  SIZEM: 35,
  /** The permissions of the VMPL. */
  VMPL: 36,
} as const;
export type ErrorBit = keyof typeof ERROR_BITS;

export const errorCode = (...bits: readonly ErrorBit[]): number => [...new Set(bits)].reduce((code, bit) => code + 2 ** ERROR_BITS[bit], 0);

export const hasErrorBit = (code: number, bit: ErrorBit): boolean => Math.floor(code / 2 ** ERROR_BITS[bit]) % 2 === 1;

/** The names of the bits that are set, lowest first. */
export const errorBitsOf = (code: number): readonly ErrorBit[] =>
  (Object.keys(ERROR_BITS) as ErrorBit[]).filter((bit) => hasErrorBit(code, bit));

/**
 * #PF of a host store that the RMP has refused. The translation was there: the kernel's oops says
 * "RMP violation" of a code with PRESENT alone.
 * @see kernel arch/x86/mm/fault.c, page_fault_oops()
 */
export const hostFaultCode = (isUser: boolean): number => errorCode('PRESENT', 'WRITE', ...(isUser ? (['USER'] as const) : []), 'RMP');

/** What a guest did where the nested walk met the RMP. */
export interface NestedAccess {
  readonly write: boolean;
  /** The C-bit. */
  readonly private: boolean;
  /** The instruction is smaller than the entry. */
  readonly sizem: boolean;
  /** The permissions of the vCPU's VMPL do not allow it. */
  readonly vmpl: boolean;
}

/**
 * #NPF of a guest's access that the RMP has refused. To the nested walk every access is one of user
 * mode.
 * @see APM vol. 2, "Nested versus Guest Page Faults, Fault Ordering"
 */
export const nestedFaultCode = ({ write, private: enc, sizem, vmpl }: NestedAccess): number =>
  errorCode(
    'PRESENT',
    'USER',
    'RMP',
    'FINAL',
    ...(write ? (['WRITE'] as const) : []),
    ...(enc ? (['ENC'] as const) : []),
    ...(sizem ? (['SIZEM'] as const) : []),
    ...(vmpl ? (['VMPL'] as const) : []),
  );
