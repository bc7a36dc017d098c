/**
 * The exits of a recording, and what a guest of the simulated host does to leave guest mode in the
 * same way.
 */
import type { ExitReason } from '../../events/kvm.ts';
import type { GuestStep } from '../../sim/scenario/program.ts';
import type { Cast } from './cast.ts';
import type { Act, Need } from './need.ts';

/** An exit of a vCPU. */
export interface Exit {
  readonly line: number;
  /** As recorded. */
  readonly reason: string;
  /** What KVM_RUN ended with because of it; null if it did not. */
  readonly ended: string | null;
  /** Of the simulated guest; null if it has no such exit. */
  readonly model: ExitReason | null;
  /** What the guest does; null where it is interrupted. */
  readonly step: GuestStep | null;
}

/** Whether a guest has left as recorded: as derived, or by the recorded name of the exit. */
export const fits = ({ model, reason }: Exit, found: ExitReason): boolean => found === model || found.toLowerCase() === reason;

/** Exits that have a cause outside the guest, by the names of SVM and of VMX. */
const FROM_OUTSIDE: Readonly<Record<string, ExitReason>> = {
  interrupt: 'INTR',
  intr: 'INTR',
  external_interrupt: 'INTR',
  smi: 'INTR',
  nmi: 'NMI',
};

const FAULTS = ['npf', 'ept_violation'];
const NAME_MAX = 40;

type Left = Extract<Act, { readonly type: 'exit' }>;

/** Exits that user space has seen, by kvm_run->exit_reason. */
const TO_USER: Readonly<Record<string, (left: Left) => Pick<Exit, 'model' | 'step'>>> = {
  KVM_EXIT_IO: ({ port }) => {
    const { port: number, write } = port ?? { port: 0, write: true };
    return { model: 'IO', step: write ? { out: { port: number } } : { in: { port: number } } };
  },
  KVM_EXIT_MMIO: () => ({ model: 'MMIO', step: { mmio: { gpa: 0 } } }),
  KVM_EXIT_DEBUG: () => ({ model: 'DEBUG', step: { 'debug-exit': {} } }),
  KVM_EXIT_SHUTDOWN: () => ({ model: 'SHUTDOWN', step: null }),
};

/**
 * What the guest does for an exit that KVM has resolved itself. A HLT that did not block was over
 * at the first look of kvm_vcpu_check_block().
 */
function inKernel(reason: string, hasSlept: boolean): Pick<Exit, 'model' | 'step'> {
  if (reason === 'hlt' && hasSlept) return { model: 'HLT', step: { hlt: {} } };
  if (FAULTS.includes(reason)) return { model: 'TDP_FAULT', step: { touch: {} } };
  const name = reason.replace(/[^\w ()-]/g, '-').slice(0, NAME_MAX);
  return /^[a-z]/.test(name) ? { model: 'INTERCEPT', step: { intercept: { name } } } : { model: null, step: null };
}

/** An exit of which it is not known yet what followed. */
interface Open {
  readonly line: number;
  readonly left: Left;
  /** Its thread has slept since. */
  hasSlept: boolean;
}

/** The exit as the recording has it, with the end of KVM_RUN that it led to, if any. */
function exitOf({ line, left, hasSlept }: Open, ended: string | null): Exit {
  const { reason } = left;
  const outside = Object.hasOwn(FROM_OUTSIDE, reason) ? FROM_OUTSIDE[reason]! : null;
  if (outside !== null) return { line, reason, ended, model: outside, step: null };
  if (ended === null) return { line, reason, ended, ...inKernel(reason, hasSlept) };
  return { line, reason, ended, ...(Object.hasOwn(TO_USER, ended) ? TO_USER[ended]!(left) : { model: null, step: null }) };
}

/** Every exit of each vCPU's thread, in order. */
export function exitsOf(needs: readonly Need[], { threads }: Cast): Exit[][] {
  const exits: Exit[][] = threads.map(() => []);
  const open: (Open | null)[] = threads.map(() => null);
  const close = (thread: number, ended: string | null): void => {
    const exit = open[thread];
    if (exit) exits[thread]!.push(exitOf(exit, ended));
    open[thread] = null;
  };
  for (const { line, act } of needs) {
    if (act.type === 'exit') {
      close(act.thread, null);
      open[act.thread] = { line, left: act, hasSlept: false };
    } else if (act.type === 'entry') close(act.thread, null);
    else if (act.type === 'switch' && act.prev !== null && act.state === 'sleeps') {
      const exit = open[act.prev];
      if (exit) exit.hasSlept = true;
    } else if (act.type === 'user-exit') close(act.thread, act.isError ? null : act.reason);
  }
  threads.forEach((_, thread) => {
    close(thread, null);
  });
  return exits;
}
