/**
 * Vocabulary of a CPU's world switch, `hsave:N`: the registers of the CPU by whose value they hold,
 * and its host save area, whose physical address is in the MSR VM_HSAVE_PA.
 */
import type { ActorId, Delivery, EventOf } from '../event.ts';
import type { HostBreakpointsAnswer } from '../guest-debug/host-breakpoints.ts';
import type { CpuDebugRegistersAnswer } from '../guest-debug/x86-debug.ts';

/** What the world switch has to know of a guest: features of its VMSA, or that it has none. */
export type SwitchedGuest = { readonly debugSwap: boolean } | 'plain';

/** Messages, in the order of a run. Registers go by the names of the table of swap types. */
export type HostSaveAreaEvent =
  | EventOf<{
      /** E2: whether svm->guest_state_loaded is set for the vCPU that is loaded here. */
      'hsave.loaded?': object;
      /** E3 to E5, and E8: software stores what the CPU holds. */
      'hsave.save': { registers: readonly string[] };
      'hsave.saveDebug': { db: boolean; masks: boolean };
      'hsave.setLoaded': object;
      /** E9 and E11. Of a plain guest with the VMLOAD and VMSAVE around them. */
      'hsave.vmrun': { vcpu: ActorId; guest: SwitchedGuest };
      'hsave.vmexit': object;
      /** Behind the exit: software takes its registers from the stack. */
      'hsave.pop': { registers: readonly string[] };
      /** svm_vcpu_put(): guest_state_loaded is clear. */
      'hsave.put': object;
    }>
  | Extract<CpuDebugRegistersAnswer, { type: 'dr.values' }>
  | Extract<HostBreakpointsAnswer, { type: 'hbp.masks' }>;

/** What a host thread hears. */
export type HostSaveAreaAnswer = EventOf<{ 'hsave.loaded': { loaded: boolean } }>;

/** All of them are bus messages: registers, memory of the CPU, and instructions. */
export const HOST_SAVE_AREA_EVENTS = {
  'hsave.loaded?': 'bus',
  'hsave.loaded': 'bus',
  'hsave.save': 'bus',
  'hsave.saveDebug': 'bus',
  'hsave.setLoaded': 'bus',
  'hsave.vmrun': 'bus',
  'hsave.vmexit': 'bus',
  'hsave.pop': 'bus',
  'hsave.put': 'bus',
} as const satisfies Record<Exclude<HostSaveAreaEvent['type'], 'dr.values' | 'hbp.masks'> | HostSaveAreaAnswer['type'], Delivery>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    'sev-es-debug': HostSaveAreaAnswer;
  }
}
