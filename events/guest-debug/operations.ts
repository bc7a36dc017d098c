/** What programs of x86 guests and hosts do with debug registers. */
import type { U64 } from '../u64.ts';
import type { BreakpointSlot } from './host-breakpoints.ts';
import type { DebugRegister, DebugVector } from './x86-debug.ts';

/** MSRs whose writes KVM handles with interrupts off. */
export type FastpathMsr = 'tsc-deadline' | 'x2apic-icr';

/** What a program expects of an instruction; anything unless given. */
interface Told {
  readonly takes?: DebugVector | 'none' | undefined;
  /** What the handler of its #DB finds in DR6. */
  readonly dr6?: U64 | undefined;
}

/** Bytes of a data access. */
export type AccessLength = 1 | 2 | 4 | 8;

declare module '../program.ts' {
  interface GuestOpsOf {
    'guest-debug': Told &
      (
        | {
            readonly op: 'insn' | 'mov-ss';
            readonly at?: U64 | undefined;
            readonly reads?: U64 | undefined;
            readonly writes?: U64 | undefined;
            readonly length?: AccessLength | undefined;
          }
        | { readonly op: 'mov-to-dr'; readonly at?: U64 | undefined; readonly dr: DebugRegister; readonly value: U64 }
        | { readonly op: 'mov-from-dr'; readonly at?: U64 | undefined; readonly dr: DebugRegister; readonly gives?: U64 | undefined }
        | { readonly op: 'popf'; readonly at?: U64 | undefined; readonly tf: boolean }
        | { readonly op: 'sti' | 'int3' | 'icebp' | 'ac-loop'; readonly at?: U64 | undefined }
        | { readonly op: 'wrmsr-fastpath'; readonly at?: U64 | undefined; readonly msr: FastpathMsr }
      );
  }
  interface HostOpsOf {
    'guest-debug':
      | {
          readonly op: 'perf-breakpoint';
          /** All unless given. */
          readonly cpu?: number | undefined;
          readonly slot?: BreakpointSlot | undefined;
          readonly address: U64;
          /** Bytes, a power of two; more than 8 need a mask. */
          readonly length?: number | undefined;
          readonly type?: 'w' | 'rw' | undefined;
        }
      | { readonly op: 'perf-remove'; readonly cpu?: number | undefined; readonly slot?: BreakpointSlot | undefined }
      | {
          readonly op: 'touch-address';
          readonly address: U64;
          readonly length?: AccessLength | undefined;
          readonly write?: boolean | undefined;
          /** Whether the program expects perf to be told; either unless given. */
          readonly heard?: boolean | undefined;
        };
  }
}
