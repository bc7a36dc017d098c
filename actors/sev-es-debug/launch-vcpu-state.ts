/**
 * What is kept of a vCPU that is created in the run, `esv:VM/N`, and what it is before that.
 *
 * @see kernel arch/x86/kvm/svm/svm.h, struct vcpu_sev_es_state; domain debug-and-split-lock B.1
 */
import type { ActorId } from '../../events/event.ts';
import type { KvmVmType, LaunchRegisters, VmsaContent } from '../../events/sev-es-debug/launch.ts';
import { interceptsOf } from './launch-rule.ts';

export interface EsVcpuInput {
  /** Its number in the VM. */
  readonly vcpu: number;
  readonly id: ActorId;
  /** KVM's debug half of it, where programs debug. */
  readonly debugHalf: ActorId | null;
}

export interface EsVcpuContext extends EsVcpuInput {
  readonly life: 'absent' | 'creating' | 'online';
  readonly dead?: true | undefined;
  readonly vmType: KvmVmType;
  readonly es: boolean;
  /** What KVM holds, and what user space has been told that it has set before the launch. */
  readonly registers: LaunchRegisters;
  readonly told: LaunchRegisters;
  /** svm->sev_es.vmsa: null where there is none, or it has gone to another VM. */
  readonly vmsa: VmsaContent | null;
  /** The vCPU that walks through the program whose registers the page has. */
  readonly guest: ActorId | null;
  /** The page is encrypted, whatever KVM knows. */
  readonly encrypted: boolean;
  /** SNP: the RMP's owner of the page while a launch works on it. */
  readonly firmwarePage?: true | undefined;
  /** KVM's flags; they differ where guest_state_protected is set from the start. */
  readonly guestProtected: boolean;
  readonly vmsaEncrypted: boolean;
  /** Between the sync and the end of the launch of this vCPU, or in the middle of its move. */
  readonly launching: boolean;
  readonly lbrv: boolean;
  /** DEBUGCTL in the VMCB. */
  readonly debugctl: number;
  readonly features: number;
  readonly intercepts: { readonly dr7: boolean; readonly db: boolean };
  /** The host has stored to an encrypted page, or through the null pointer. */
  readonly storedEncrypted?: true | undefined;
  readonly storedNull?: true | undefined;
  /** The firmware got a page that is not what the registers were when it looked. */
  readonly stale?: true | undefined;
  /** VMRUN in the middle of a launch. */
  readonly enteredInLaunch?: true | undefined;
}

/** Registers as KVM_CREATE_VCPU leaves them. */
export const LAUNCH_RESET: LaunchRegisters = { gprs: 0, sregs: 0, fpu: 0 };

/** Before KVM_CREATE_VCPU. */
export const ABSENT_VCPU: Omit<EsVcpuContext, keyof EsVcpuInput> = {
  life: 'absent',
  vmType: 'default',
  es: false,
  registers: LAUNCH_RESET,
  told: LAUNCH_RESET,
  vmsa: null,
  guest: null,
  encrypted: false,
  guestProtected: false,
  vmsaEncrypted: false,
  launching: false,
  lbrv: false,
  debugctl: 0,
  features: 0,
  intercepts: interceptsOf(0),
};
