/**
 * Vocabulary of split-lock detection on Intel hosts: MSR_TEST_CTRL of a core, exits of VMX, and
 * what KVM keeps in struct vcpu_vmx.
 *
 * @see domain debug-and-split-lock C
 */

import type { ActorId, Delivery, EventOf } from '../event.ts';
import type { CoreEvent } from '../sched.ts';
import type { U64 } from '../u64.ts';

/** Every switch with its values; the first is the default. */
export const SPLIT_LOCK_OPTIONS = {
  /**
   * `split_lock_detect=`: what the host does about split locks.
   * @see kernel Documentation/arch/x86/buslock.rst
   */
  'host.sld': ['warn', 'off', 'fatal', 'ratelimit'],
  /** Under `ratelimit`: how many bus locks of all tasks together the host lets pass in a second. */
  'host.sldRatelimit': ['1', '2'],
  /**
   * What the task is that turned detection off: a flag of the task (5.7 to 5.18), the same with
   * preemption off, a work item for all CPUs, or one for each.
   */
  'host.sldWarn': ['gen2-global', 'gen2', 'gen1', 'gen1-atomic'],
  /** `kernel.split_lock_mitigate` at the start: whether a splitting task is slowed down. */
  'host.sldMitigate': ['on', 'off'],
  /**
   * What a warning does whose sleep a signal has ended: returns with detection on, as released, or
   * goes on as without split_lock_mitigate.
   */
  'host.sldInterrupted': ['return', 'progress'],
  /**
   * Whether VMMs have a periodic timer send each vCPU thread a signal, so that KVM_RUN ends; how
   * long its period is.
   */
  'vmm.exitTimer': ['none', '1ms', '20ms'],
  /** How often one warning reads the sysctl. */
  'host.sldSysctlReads': ['once', 'twice'],
  /** Whether a CPU that goes offline turns detection on for its core; generation 2 alone asks. */
  'host.sldOffline': ['callback', 'none'],
  /**
   * Whether a CPU that comes up writes MSR_TEST_CTRL only where the processor is known to detect
   * split locks; under `ratelimit` it writes in any case.
   */
  'host.sldInit': ['whitelist-check', 'blind-write'],
  /**
   * Name and polarity of the flag of thread_info: set while detection is off (the first two), or
   * while it is on.
   */
  'host.sldFlag': ['TIF_SLD', 'TIF_SLD_DISABLED', 'TIF_SLD_ENABLED'],
  /** Whether KVM lets guests have the bit: mainline does not, two series would have. */
  'kvm.sldVirt': ['none', 'v8', 'v10'],
  /** Whether the bit is shown to guests where a sibling thread would share it. */
  'kvm.sldExpose': ['no-smt', 'always'],
  /**
   * What guards the toggle in vmx_set_msr(): preemption off around test and toggle, around the
   * toggle only, or nothing.
   */
  'kvm.sldGuard': ['preempt-off', 'toggle-only', 'none'],
  /**
   * What brings the next task its setting: a put at sched_out, the flag that KVM keeps in step with
   * the MSR, both, or neither.
   */
  'kvm.sldSwitch': ['put-and-flag', 'flag-only', 'put-only', 'neither'],
  /**
   * What vmx_prepare_switch_to_guest() keeps of the host: whether detection was on, or the flag as
   * it stood.
   */
  'kvm.sldSaved': ['host_sld_on', 'host_tif'],
  /** Whether MSR_KERNEL_GS_BASE, which is deferred in the same way, is looked at too. */
  'kvm.kernelGsBase': ['untracked', 'tracked'],
  /**
   * KVM_CAP_X86_BUS_LOCK_EXIT: whether KVM_RUN ends after a bus lock of the guest, so that the VMM
   * can slow it down.
   */
  'kvm.busLockExit': ['off', 'exit'],
  /** How KVM tells whose #AC it is: by the context, or also by looking at the instruction. */
  'kvm.acInjection': ['context', 'analyse'],
} as const;

type Values = { readonly [K in keyof typeof SPLIT_LOCK_OPTIONS]: (typeof SPLIT_LOCK_OPTIONS)[K][number] };
declare module '../options.ts' {
  interface MechanismOptions extends Values {}
}
export type SldState = Values['host.sld'];
export type SldWarn = Values['host.sldWarn'];
export type SldFlag = Values['host.sldFlag'];

/** MSR_TEST_CTRL, bit 29. */
export const SPLIT_LOCK_DETECT = 0x2000_0000;

/** CPL and alignment checking at an access: CR0.AM, EFLAGS.AC. */
export interface AccessContext {
  readonly cpl: 0 | 3;
  readonly am: boolean;
  readonly ac: boolean;
}

type GuestOps =
  | { readonly op: 'wrmsr-test-ctrl'; readonly value: U64 }
  | { readonly op: 'rdmsr-test-ctrl' }
  | { readonly op: 'emulated-increment' }
  | ({ readonly op: 'split-lock' } & AccessContext)
  | ({ readonly op: 'misaligned' } & AccessContext);
type HostOps =
  | { readonly op: 'compute' }
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
    /** #AC, vector 17. `locked`: the instruction has a lock prefix and crosses a cache line. */
    readonly EXCEPTION_NMI: { readonly locked: boolean; readonly context: AccessContext };
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
  'vmx.write': { fields: Partial<VmxFields> };
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
/** Who has locked the bus; and that it, or `by`, has been held up for it, or let on. */
export type BusEvent = EventOf<{ 'bus.lock': object; 'bus.paid': { by: ActorId | null } }>;
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
  'core.msr': 'bus',
  'core.wrmsrKernelGsBase': 'bus',
  'vmx.read?': 'bus',
  'vmx.write': 'bus',
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
