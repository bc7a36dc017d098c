/**
 * A guest's own account of split-lock detection: what the host does about split locks, whether the
 * guest was given the bit, how it set the bit, and the last misaligned access that it made.
 * Properties compare it with what became of that access.
 */
import type { SldState } from '../../events/split-lock/sld-options.ts';
import type { AccessContext } from '../../events/split-lock/split-lock.ts';
import type { Vcpu } from '../kvm/guest-program.ts';

/** An access as the processor judges it, with the bit as the guest had set it then. */
export interface MetAccess extends AccessContext {
  /** It has a lock prefix and crosses a cache line. */
  readonly locked: boolean;
  readonly bit: boolean;
  /** The guest's handler of #AC has run. */
  readonly injected: boolean;
}

export interface SplitLockAccount {
  readonly host: SldState;
  /** Whether it has the bit in its IA32_CORE_CAPABILITIES. */
  readonly given: boolean;
  /** Bit 29 as it last wrote it without #GP. */
  readonly bit: boolean;
  readonly met: MetAccess | null;
  /** Its last WRMSR has to be #GP: of a bit that it does not have, or at CPL 3. */
  readonly gpDue?: true | undefined;
}

declare module '../kvm/guest-program.ts' {
  interface Vcpu {
    /** Under VMX only. */
    readonly splitLock?: SplitLockAccount | undefined;
  }
}

/** Alignment is checked: CPL 3 with CR0.AM and EFLAGS.AC. @see domain debug-and-split-lock C.1 */
export const isChecked = ({ cpl, am, ac }: AccessContext): boolean => cpl === 3 && am && ac;

export const accountOf = (v: Vcpu): SplitLockAccount => {
  if (!v.splitLock) throw new Error('a guest of VMX without its account of split locks');
  return v.splitLock;
};
export const noted = (v: Vcpu, change: Partial<SplitLockAccount>) => ({ splitLock: { ...accountOf(v), ...change } });
