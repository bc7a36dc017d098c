/** Options of split-lock detection on Intel hosts: policies of the host, and designs of KVM. */

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
