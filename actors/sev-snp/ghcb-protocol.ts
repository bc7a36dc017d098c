/**
 * The GHCB protocol as two tables, and what KVM answers for each code: requests in the GHCB MSR,
 * and non-automatic exit events (NAE) whose fields stand in the page.
 *
 * A payload is bits 63:12 of the MSR as a number. Left out: values of CPUID but those of the vendor
 * and of memory encryption, which read 0.
 *
 * @see arch/x86/kvm/svm/sev.c (6.12), sev_handle_vmgexit_msr_protocol(), sev_es_validate_vmgexit(),
 * sev_handle_vmgexit(), setup_vmgexit_scratch(); domain snp e.1, e.2
 */
import type { GhcbAnswer, GhcbFields } from '../../events/sev-snp/ghcb.ts';

const PAGE_BYTES = 4096;
const MSR_BITS = { high: 2 ** 20, versionMax: 2 ** 36, versionMin: 2 ** 20, cBit: 2 ** 12, register: 2 ** 18, operation: 2 ** 40 };
const C_BIT = 51;
const VERSION_MIN = 1;
/** KVM_SEV_INIT2 of an SNP guest asks for version 2; KVM_SEV_ES_INIT knows version 1 alone. */
const versionMax = (isSnp: boolean) => (isSnp ? 2 : 1);

/** GHCB_HV_FT_SUPPORTED: SNP, AP creation. @see SNP-58 */
export const HV_FEATURES = 0b11;
/** All ones: no preferred GPA. @see SNP-50 */
export const PREFERRED_NONE = 2 ** 52 - 1;
/** Bit 63 of the MSR. */
export const MSR_PSC_ERROR = 2 ** 51;

/** What KVM does about a request in the MSR; `value` alone needs nothing but the payload. */
export type MsrEffect = 'value' | 'register' | 'reset-hold' | 'page-state-change' | 'terminate' | 'unknown';

export interface MsrRequest {
  readonly request: number;
  readonly name: string;
  /** Null where the guest gets none: it does not run again, or KVM does not know the request. */
  readonly response: number | null;
  readonly effect: MsrEffect;
  /** Of a guest without SNP it ends the VM. */
  readonly snpOnly?: true;
}

export const MSR_REQUESTS: readonly MsrRequest[] = [
  { request: 0x002, name: 'SEV information', response: 0x001, effect: 'value' },
  { request: 0x004, name: 'CPUID', response: 0x005, effect: 'value' },
  { request: 0x006, name: 'AP reset hold', response: 0x007, effect: 'reset-hold' },
  { request: 0x010, name: 'preferred GHCB GPA', response: 0x011, effect: 'value', snpOnly: true },
  { request: 0x012, name: 'register GHCB GPA', response: 0x013, effect: 'register', snpOnly: true },
  { request: 0x014, name: 'page state change', response: 0x015, effect: 'page-state-change', snpOnly: true },
  { request: 0x016, name: 'run VMPL', response: null, effect: 'unknown' },
  { request: 0x080, name: 'hypervisor features', response: 0x081, effect: 'value' },
  { request: 0x100, name: 'terminate', response: null, effect: 'terminate' },
];

/** What KVM does about a request; one of a guest that may not make it ends its VM. */
export function msrEffect(request: number, isSnp: boolean): MsrEffect {
  const known = MSR_REQUESTS.find((one) => one.request === request);
  if (known?.snpOnly && !isSnp) return 'terminate';
  return known?.effect ?? 'unknown';
}

const VENDOR = [0x10, 0x6874_7541, 0x444d_4163, 0x6974_6e65];
/** SME, SEV, SEV-ES and SEV-SNP; the C-bit. */
const ENCRYPTION = [0b11011, C_BIT, 0, 0];
/** EAX, EBX, ECX, EDX of a function, by number of the register. */
const cpuid = (fn: number, register: number): number => (fn === 0 ? VENDOR : fn === 0x8000_001f ? ENCRYPTION : [])[register] ?? 0;

/**
 * Response and payload of a request that needs nothing else. What KVM does not know it leaves as it
 * is.
 */
export function msrAnswer(request: number, payload: number, isSnp: boolean): { readonly response: number; readonly payload: number } {
  const { response = null } = MSR_REQUESTS.find((one) => one.request === request) ?? {};
  if (response === null) return { response: request, payload };
  if (request === 0x002) {
    const { versionMax: max, versionMin: min, cBit } = MSR_BITS;
    return { response, payload: versionMax(isSnp) * max + VERSION_MIN * min + C_BIT * cBit };
  }
  if (request === 0x004) {
    const low = payload % MSR_BITS.high;
    const value = cpuid(Math.floor(payload / MSR_BITS.high), Math.floor(low / MSR_BITS.register));
    return { response, payload: value * MSR_BITS.high + low };
  }
  if (request === 0x010) return { response, payload: PREFERRED_NONE };
  if (request === 0x080) return { response, payload: HV_FEATURES };
  return { response, payload };
}

/** Operation and GFN of a page state change; null for an operation that KVM refuses. */
export function msrPsc(payload: number): { readonly gfn: number; readonly to: 'private' | 'shared' } | null {
  const operation = Math.floor(payload / MSR_BITS.operation) % 16;
  if (operation !== 1 && operation !== 2) return null;
  return { gfn: payload % MSR_BITS.operation, to: operation === 1 ? 'private' : 'shared' };
}

/** Reasons in SW_EXITINFO2 where SW_EXITINFO1 is 2. @see domain snp e.2 */
export const GHCB_ERRORS = {
  NOT_REGISTERED: 1,
  INVALID_USAGE: 2,
  INVALID_SCRATCH: 3,
  MISSING_INPUT: 4,
  INVALID_INPUT: 5,
  INVALID_EVENT: 6,
} as const;
export type GhcbError = keyof typeof GHCB_ERRORS;
export const malformed = (error: GhcbError): GhcbAnswer => ({ info1: 2, info2: GHCB_ERRORS[error] });
export const DONE: GhcbAnswer = { info1: 0, info2: 0 };

/** What KVM does about an event whose fields are right. `intercept`: the handler of that exit. */
export type NaeEffect =
  | 'intercept'
  | 'mmio'
  | 'nmi-complete'
  | 'reset-hold'
  | 'jump-table'
  | 'page-state-change'
  | 'guest-request'
  | 'ext-guest-request'
  | 'ap-creation'
  | 'hv-features'
  | 'terminate'
  | 'unsupported';

type Fields = readonly (keyof GhcbFields)[];
export interface NaeEventRow {
  readonly code: number;
  readonly name: string;
  readonly effect: NaeEffect;
  readonly snpOnly?: true;
  /** Fields besides code and information that must be valid. */
  readonly needs?: Fields | ((fields: GhcbFields) => Fields);
  /** Conditions on the values of fields. */
  readonly isRight?: (fields: GhcbFields) => boolean;
}

const has = (bits: number, mask: number): boolean => Math.floor(bits / mask) % 2 === 1;
const isAligned = (gpa = 0) => gpa % PAGE_BYTES === 0;
const isRequest = ({ info1, info2 }: GhcbFields) => isAligned(info1) && isAligned(info2) && info1 !== info2;
const ofIo = ({ info1 = 0 }: GhcbFields): Fields => (has(info1, 4) ? ['scratch'] : has(info1, 1) ? [] : ['rax']);
const intercept = (code: number, name: string, needs: NaeEventRow['needs'] = []): NaeEventRow => ({
  code,
  name,
  effect: 'intercept',
  needs,
});
const AP_DESTROY = 2;
const low32 = (value = 0): number => value % 2 ** 32;

export const NAE_EVENTS: readonly NaeEventRow[] = [
  intercept(0x27, 'read DR7'),
  intercept(0x37, 'write DR7', ['rax']),
  intercept(0x6e, 'RDTSC'),
  intercept(0x6f, 'RDPMC', ['rcx']),
  intercept(0x72, 'CPUID', ({ rax }) => ['rax', 'rcx', ...(rax === 0xd ? (['xcr0'] as const) : [])]),
  intercept(0x76, 'INVD'),
  intercept(0x7b, 'IOIO', ofIo),
  intercept(0x7c, 'MSR', ({ info1 }) => (info1 ? ['rcx', 'rax', 'rdx'] : ['rcx'])),
  intercept(0x81, 'VMMCALL', ['rax', 'cpl']),
  intercept(0x87, 'RDTSCP'),
  intercept(0x89, 'WBINVD'),
  intercept(0x8a, 'MONITOR', ['rax', 'rcx', 'rdx']),
  intercept(0x8b, 'MWAIT', ['rax', 'rcx']),
  { code: 0x8000_0001, name: 'MMIO read', effect: 'mmio', needs: ['scratch'] },
  { code: 0x8000_0002, name: 'MMIO write', effect: 'mmio', needs: ['scratch'] },
  { code: 0x8000_0003, name: 'NMI complete', effect: 'nmi-complete' },
  { code: 0x8000_0004, name: 'AP reset hold', effect: 'reset-hold' },
  { code: 0x8000_0005, name: 'AP jump table', effect: 'jump-table' },
  { code: 0x8000_0010, name: 'page state change', effect: 'page-state-change', snpOnly: true, needs: ['scratch'] },
  { code: 0x8000_0011, name: 'guest request', effect: 'guest-request', snpOnly: true, isRight: isRequest },
  { code: 0x8000_0012, name: 'extended guest request', effect: 'ext-guest-request', snpOnly: true, isRight: isRequest },
  {
    code: 0x8000_0013,
    name: 'AP creation',
    effect: 'ap-creation',
    snpOnly: true,
    needs: ({ info1 }) => (low32(info1) === AP_DESTROY ? [] : ['rax']),
  },
  { code: 0x8000_fffd, name: 'hypervisor features', effect: 'hv-features' },
  { code: 0x8000_fffe, name: 'terminate', effect: 'terminate' },
  { code: 0x8000_ffff, name: 'unsupported event', effect: 'unsupported' },
];

const INFORMATION: Fields = ['code', 'info1', 'info2'];

/**
 * What sev_es_validate_vmgexit() says of the fields: the first thing that is wrong with them, or
 * what KVM does.
 */
export function checkFields(fields: GhcbFields, isSnp: boolean): { readonly error: GhcbError } | { readonly effect: NaeEffect } {
  const lacks = (names: Fields): boolean => names.some((name) => fields[name] === undefined);
  if (fields.usage) return { error: 'INVALID_USAGE' };
  if (lacks(INFORMATION)) return { error: 'MISSING_INPUT' };
  const row = NAE_EVENTS.find(({ code }) => code === fields.code);
  if (row === undefined) return { error: 'INVALID_EVENT' };
  const { needs = [], snpOnly, isRight } = row;
  if ((snpOnly && !isSnp) || lacks(typeof needs === 'function' ? needs(fields) : needs)) return { error: 'MISSING_INPUT' };
  return isRight?.(fields) === false ? { error: 'MISSING_INPUT' } : { effect: row.effect };
}

const BUFFER = { begin: 0x800, end: 0xff0 };
const SCRATCH_MAX = 16 * PAGE_BYTES;
/**
 * setup_vmgexit_scratch(): a scratch area that begins in the GHCB stays in its shared buffer.
 * Another is copied, if it is not too large.
 */
export function scratchFits(gfn: number, { scratch = 0, info2 = 0 }: GhcbFields): boolean {
  if (scratch === 0) return false;
  const begin = scratch - gfn * PAGE_BYTES;
  if (begin < 0 || begin >= PAGE_BYTES) return info2 <= SCRATCH_MAX;
  return begin >= BUFFER.begin && begin + info2 <= BUFFER.end;
}
/** The shared buffer of the GHCB in this page. */
export const bufferOf = (gfn: number): number => gfn * PAGE_BYTES + BUFFER.begin;
