/**
 * Vocabulary of split-lock detection on Intel hosts: MSR_TEST_CTRL of a core, exits of VMX, and
 * what KVM keeps in struct vcpu_vmx.
 *
 * @see domain debug-and-split-lock C
 */

import type { ActorId, Delivery, EventOf } from '../event.ts';
import type { CoreEvent } from '../sched.ts';
import type { U64 } from '../u64.ts';
import type { Cpl } from './privileges.ts';

/** MSR_TEST_CTRL, bit 29. */
export const SPLIT_LOCK_DETECT = 0x2000_0000;

/** CPL and alignment checking at an access: CR0.AM, EFLAGS.AC. */
export interface AccessContext {
  readonly cpl: Cpl;
  readonly am: boolean;
  readonly ac: boolean;
}

type GuestOps =
  | { readonly op: 'wrmsr-test-ctrl'; readonly value: U64; readonly cpl?: Cpl }
  | { readonly op: 'rdmsr-test-ctrl'; readonly cpl?: Cpl }
  | { readonly op: 'emulated-increment' }
  | ({ readonly op: 'split-lock' } & AccessContext)
  | ({ readonly op: 'misaligned' } & AccessContext);
type HostOps =
  | { readonly op: 'cpu-offline'; readonly cpu: number }
  | { readonly op: 'pin' }
  | { readonly op: 'resume' }
  | { readonly op: 'frozen' }
  | { readonly op: 'sysctl'; readonly splitLockMitigate: boolean }
  | { readonly op: 'split-lock'; readonly mode: 'user' | 'kernel'; readonly ac: boolean }
  | { readonly op: 'KVM_SET_MSRS'; readonly vm: string; readonly vcpu: number; readonly value: U64 }
  | { readonly op: 'KVM_GET_MSRS'; readonly vm: string; readonly vcpu: number };
declare module '../program.ts' {
  interface GuestOpsOf {
    'split-lock': GuestOps;
  }
  interface HostOpsOf {
    'split-lock': HostOps;
  }
}

declare module '../kvm.ts' {
  interface ExitInfoOf {
    readonly MSR_WRITE: { readonly value: U64 };
    readonly MSR_READ: null;
    /** After an instruction that has locked the bus. */
    readonly BUS_LOCK: null;
    /** A locked increment across two cache lines that the emulator has to carry out. */
    readonly EPT_MISCONFIG: null;
  }
}

declare module '../vmx.ts' {
  interface ExceptionInfoOf {
    /** `locked`: the instruction has a lock prefix and crosses a cache line. */
    readonly AC: { readonly locked: boolean; readonly context: AccessContext };
  }
}

export type MsrEvent = EventOf<{
  'core.wrmsr': { sld: boolean };
  /**
   * WRMSR of 0 to MSR_TEST_CTRL, by one logical CPU of a processor that has the register and not
   * the bit.
   */
  'core.wrmsrUnsupported': { cpu: ActorId };
  'core.vmxon': { cpu: ActorId };
  'core.vmptrld?': { cpu: ActorId };
  'core.rdmsr?': object;
  /** A locked access across two cache lines: it faults if the core detects it, or locks the bus. */
  'core.lockedAccess?': object;
  /** MSR_KERNEL_GS_BASE of one logical CPU: the guest's value, or the task's own. */
  'core.wrmsrKernelGsBase': { cpu: ActorId; guest: boolean };
}>;
type MsrAnswer = EventOf<{ 'core.msr': { sld: boolean }; 'core.vmptrlded': { defined: boolean } }>;
export type FreezerEvent = EventOf<{ 'freezer.frozen?': object; 'freezer.thaw': object }>;
type FreezerAnswer = EventOf<{ 'freezer.state': { frozen: boolean } }>;

/**
 * Fields of struct vcpu_vmx. `saved` is the host's setting while guest state is loaded, in the form
 * that an option chooses.
 */
export interface VmxFields {
  readonly loaded: boolean;
  readonly saved: boolean | null;
  readonly testCtrl: U64;
}
export type VmxEvent = EventOf<{
  'vmx.read?': object;
  /** `hostInitiated`: of an ioctl, and not of the guest. */
  'vmx.write': { fields: Partial<VmxFields>; hostInitiated?: true };
  /** kvm_arch_vcpu_put() of its vCPU. */
  'vmx.vcpuPut': object;
}>;
/**
 * Work items that turn detection on again: one that also gives back the semaphore, and one for all
 * CPUs or one for each.
 */
export type WorkEvent = EventOf<{
  /** schedule_delayed_work_on(): nothing if the item is pending, wherever. */
  'work.schedule': { work: string; cpu: ActorId };
  /** The timer of an item, in flight from when it was armed. */
  'work.timer': { work: string };
  /** From a worker: what to do on its CPU. The item may be scheduled again from here on. */
  'work.next?': { cpu: ActorId };
  'work.done': { work: string };
  /** What waits for this CPU goes to another one. */
  'work.offline': { cpu: ActorId };
}>;
type WorkAnswer = EventOf<{ 'work.item': { work: string | null } }>;
export type SemaphoreEvent = EventOf<{ 'sem.down': object; 'sem.up': object; 'sem.leave': object }>;
type SemaphoreAnswer = EventOf<{ 'sem.taken': { taken: boolean } }>;
export type SysctlEvent = EventOf<{ 'sysctl.read?': object; 'sysctl.write': { mitigate: boolean } }>;
type SysctlAnswer = EventOf<{ 'sysctl.value': { mitigate: boolean } }>;
/** A sleep for a time. Where nothing but sleeps is timed, the wake-up is in flight from here. */
export type SleepTimerEvent = EventOf<{ 'timer.arm': { ms: number } }>;
/** A clock that knows what is due first. */
export type ClockEvent =
  | SleepTimerEvent
  | EventOf<{
      /** A sleeper is awake: how much of its sleep is left? */
      'timer.cancel': object;
      /** A periodic timer that sends the thread a signal; and no more. */
      'timer.settime': { ms: number };
      'timer.delete': object;
      /** Code runs for a while. */
      'timer.elapse': object;
      /** In flight while time may pass. */
      'timer.tick': object;
    }>;
/** Who has locked the bus; and that the sender, or `by`, has been held up for it, or let on. */
export type BusEvent = EventOf<{ 'bus.lock': { by: ActorId }; 'bus.paid': { by: ActorId | null } }>;
/** ___ratelimit(): whether one more may pass; and the end of the second. */
export type RatelimitEvent = EventOf<{ 'ratelimit?': object; 'ratelimit.over': object }>;
type RatelimitAnswer = EventOf<{ 'ratelimit.answer': { passes: boolean } }>;
/** Null if it did not sleep. */
type ClockAnswer = EventOf<{ 'timer.left': { ms: number | null } }>;
/** Guest memory across two cache lines, as the emulator sees it. */
export type SplitLineEvent = EventOf<{ 'line.read?': object; 'line.cmpxchg': { expected: number }; 'line.write': { value: number } }>;
type SplitLineAnswer = EventOf<{ 'line.value': { value: number }; 'line.exchanged': { ok: boolean } }>;
type Gen2Event =
  | WorkEvent
  | WorkAnswer
  | SemaphoreEvent
  | SemaphoreAnswer
  | SysctlEvent
  | SysctlAnswer
  | ClockEvent
  | ClockAnswer
  | FreezerEvent
  | FreezerAnswer
  | BusEvent
  | RatelimitEvent
  | RatelimitAnswer
  | SplitLineEvent
  | SplitLineAnswer;

type VmxAnswer = EventOf<{ 'vmx.fields': VmxFields }>;
/** From the vCPU's thread: the instruction that exited is done, or faults. */
type CompletionEvent = EventOf<{ 'vmx.complete': { exception: 'AC' | 'GP' | null; value: U64 | null } }>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    'split-lock':
      | MsrAnswer
      | VmxAnswer
      | WorkAnswer
      | SemaphoreAnswer
      | SysctlAnswer
      | SplitLineAnswer
      | ClockAnswer
      | FreezerAnswer
      | RatelimitAnswer;
  }
  interface GuestEventsOf {
    'split-lock': MsrAnswer | CompletionEvent;
  }
}

export const SPLIT_LOCK_EVENTS = {
  'core.switchTo': 'bus',
  'core.wrmsr': 'bus',
  'core.wrmsrUnsupported': 'bus',
  'core.vmxon': 'bus',
  'core.vmptrld?': 'bus',
  'core.vmptrlded': 'bus',
  'bus.lock': 'bus',
  'bus.paid': 'bus',
  'ratelimit?': 'bus',
  'ratelimit.answer': 'bus',
  'ratelimit.over': 'queued',
  'freezer.frozen?': 'bus',
  'freezer.thaw': 'bus',
  'freezer.state': 'bus',
  'core.rdmsr?': 'bus',
  'core.lockedAccess?': 'bus',
  'core.msr': 'bus',
  'core.wrmsrKernelGsBase': 'bus',
  'vmx.read?': 'bus',
  'vmx.write': 'bus',
  'vmx.vcpuPut': 'bus',
  'vmx.fields': 'bus',
  'vmx.complete': 'bus',
  'work.schedule': 'bus',
  'work.timer': 'queued',
  'work.next?': 'bus',
  'work.item': 'bus',
  'work.done': 'bus',
  'work.offline': 'bus',
  'sem.down': 'bus',
  'sem.up': 'bus',
  'sem.leave': 'bus',
  'sem.taken': 'bus',
  'sysctl.read?': 'bus',
  'sysctl.write': 'bus',
  'sysctl.value': 'bus',
  'timer.arm': 'bus',
  'timer.cancel': 'bus',
  'timer.left': 'bus',
  'timer.settime': 'bus',
  'timer.delete': 'bus',
  'timer.elapse': 'bus',
  'timer.tick': 'latched',
  'line.read?': 'bus',
  'line.cmpxchg': 'bus',
  'line.write': 'bus',
  'line.value': 'bus',
  'line.exchanged': 'bus',
} as const satisfies Record<(CoreEvent | MsrEvent | MsrAnswer | VmxEvent | VmxAnswer | CompletionEvent | Gen2Event)['type'], Delivery>;
