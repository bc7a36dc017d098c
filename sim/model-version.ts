/**
 * The version of the model's behaviour, and what each version changed. A changed golden digest
 * without a new version fails the check.
 */

export interface BehaviourChange {
  readonly version: number;
  readonly change: string;
  readonly source: string;
}

export const BEHAVIOUR_LOG: readonly BehaviourChange[] = [
  {
    version: 1,
    change: 'First model: pCPU, scheduler, host threads on the SVM run loop, RMP regions, PSP mailbox, host-write policies.',
    source: 'Linux 6.12 for the run loop and RMP helpers; series v5 for page-state changes and the map lock; docs/fidelity.md',
  },
  {
    version: 2,
    change:
      'One step and one end for runs and searches: a machine that has halted ends no run by itself, a closed set of states in which all wait ends it as a deadlock, and a seal says halted, owed, deadlock or stopped. A latched message that is in flight is no change. Offers declare what is owed. The start frame has the variants of the scenario. One run loop for all architectures, with exits by reason and info; arm64 checks requests and signals, and loads debug state in a step of its own. Pages and GHCB of SNP guests are in states of the hosts that have them alone; a scenario in a journal has the sections and settings of its mechanisms. Debug registers of arm64 are UNDEFINED at EL0, and a read of DBGOSLAR is everywhere. KVM_SET_GUEST_DEBUG without ENABLE forgets a pending step. The sysctl of split locks and CPU hotplug are there under every policy of an Intel host. A CPU that goes offline turns detection on only in warn mode of generation 2. The emulator of locked accesses and vmx_guest_inject_ac() ask for the feature of the CPU, and not for the policy of the host. Under ratelimit a CPU that comes up writes MSR_TEST_CTRL before it looks at the model of the processor. A guest that has ended shuts down once more in each later KVM_RUN. An exit for a bus lock hangs on KVM_CAP_X86_BUS_LOCK_EXIT alone. The driver of the firmware waits for a flag that the handler of its interrupt sets; commands reach the mailbox in the step that writes them. A halted vCPU tests again what its thread was woken for, and stays halted when a signal ends KVM_RUN. Hosts without kernel preemption reschedule where a sleeping lock is taken. Signals and need_resched are looked at in R10 and R18 on x86, and at the head of a turn and in R10 on arm64. HLT halts the vCPU, and its thread polls and sleeps at the head of the next turn. An rseq area leaves a thread that was switched away work to do. The FPU and user-return MSRs of an x86 guest have steps. A request to all vCPUs is made of all first, sends one call-function IPI with preemption off, waits for it, and leaves halted vCPUs asleep, by the flags of the request; a kick wakes them, and KVM_REQ_UNBLOCK alone ends the halt. A host thread computes on every architecture, without end if wished, and madvise() flushes TLBs; processes can be bound to a CPU. With an unstable TSC each load of a vCPU asks for a clock update, which R6 makes under a mutex of the VM. An exception exit of VMX tells its vector.',
    source:
      'docs/explore.md; Holzmann, The SPIN Model Checker, "invalid end states"; findings of others\' models; Arm ARM, pseudocode of OSLAR_EL1, MDSCR_EL1, DBGBCR<n>_EL1, DBGWCR<n>_EL1, DBGOSLAR; arch/arm64/kvm/sys_regs.c, trap_oslar_el1(); guest.c, kvm_arch_vcpu_ioctl_set_guest_debug(); Linux 6.1, arch/x86/kernel/cpu/intel.c, sld_mitigate_sysctl_init(), sld_state_show(), split_lock_init(), bus_lock_init(); arch/x86/kvm/x86.c, emulator_cmpxchg_emulated(); arch/x86/kvm/vmx/vmx.c, vmx_guest_inject_ac(), vmx_secondary_exec_control(); drivers/crypto/ccp/sev-dev.c, sev_irq_handler(), sev_wait_cmd_ioc(); virt/kvm/kvm_main.c, kvm_vcpu_block(); arch/x86/kvm/x86.c, vcpu_block(), vcpu_run(), vcpu_enter_guest(), kvm_emulate_halt(); arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_run(), kvm_vcpu_wfi(); kernel/entry/kvm.c; kernel/locking/mutex.c; include/linux/rseq.h; recordings of Linux 6.1.192 and 6.12.117; virt/kvm/kvm_main.c, kvm_make_all_cpus_request_except(), kvm_mmu_notifier_invalidate_range_start(); arch/x86/kvm/hyperv.c, kvm_hv_setup_tsc_page(); arch/x86/kvm/vmx/vmx.c, handle_exception_nmi()',
  },
];

export const MODEL_VERSION: number = BEHAVIOUR_LOG.at(-1)!.version;
