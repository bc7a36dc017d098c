/** What programs of x86 hosts do with debug registers: operations of guests and of host threads. */
import type { U64 } from '../u64.ts';
import type { DebugRegister } from './x86-debug.ts';

type OfVcpu = { readonly vm: string; readonly vcpu: number };

/** Bytes of a data access. */
export type AccessLength = 1 | 2 | 4 | 8;

/** KVM_SET_GUEST_DEBUG on x86. */
export type X86SetGuestDebug = {
  readonly op: 'KVM_SET_GUEST_DEBUG';
  readonly enable?: boolean | undefined;
  readonly hw?: boolean | undefined;
  readonly step?: boolean | undefined;
  readonly sw?: boolean | undefined;
  readonly known?: boolean | undefined;
  readonly injectDb?: boolean | undefined;
  readonly injectBp?: boolean | undefined;
  readonly blockirq?: boolean | undefined;
  /** Of the debugger; 0 where not given. */
  readonly dr0?: U64 | undefined;
  readonly dr1?: U64 | undefined;
  readonly dr2?: U64 | undefined;
  readonly dr3?: U64 | undefined;
  readonly dr7?: U64 | undefined;
} & OfVcpu;

declare module '../program.ts' {
  interface GuestOpsOf {
    'guest-debug':
      | {
          readonly op: 'insn' | 'mov-ss';
          readonly at?: U64 | undefined;
          readonly reads?: U64 | undefined;
          readonly writes?: U64 | undefined;
          readonly length?: AccessLength | undefined;
        }
      | { readonly op: 'mov-to-dr'; readonly at?: U64 | undefined; readonly dr: DebugRegister; readonly value: U64 }
      | { readonly op: 'mov-from-dr'; readonly at?: U64 | undefined; readonly dr: DebugRegister }
      | { readonly op: 'popf'; readonly at?: U64 | undefined; readonly tf: boolean }
      | { readonly op: 'sti' | 'int3' | 'icebp'; readonly at?: U64 | undefined };
  }
  interface HostOpsOf {
    'guest-debug': X86SetGuestDebug;
  }
}
