/** Changes of one line in how KVM keeps a guest's debug state, each of which a property notices. */
import { cpuDebugRegistersMachine } from '../../../actors/guest-debug/cpu-debug-registers.ts';
import { vcpuDebugMachine } from '../../../actors/guest-debug/vcpu-debug.ts';
import type { VcpuDebugDesign } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import { hasStep, type PathPatch, withoutSteps } from '../../../actors/path/patch.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { designOf, vendorOf } from './design.ts';

/** These paths without these steps; a vendor has those of its own alone. */
const without = (summary: string, paths: readonly string[], ...names: readonly string[]): Mutant => {
  const patch: PathPatch = (before) => withoutSteps(...names.filter((name) => hasStep(before, name)))(before);
  return { summary, paths: Object.fromEntries(paths.map((path) => [path, [patch]])) };
};

const forgetting = (summary: string, forgets: VcpuDebugDesign['forgets']): Mutant => ({
  summary,
  machines: { vcpuDebug: (_machine, scenario) => vcpuDebugMachine({ ...designOf(scenario), forgets }) },
});

const TURN = ['vcpu_enter_guest'];
/** SVM's handlers stand in KVM_RUN, those of VMX in a function of exceptions. */
const EXITS = ['KVM_RUN', 'handle_exception_nmi'];

export const GUEST_DEBUG_MUTANTS: Readonly<Record<string, Mutant>> = {
  'debug-not-prepared': without("R11 does not load the guest's debug registers", TURN, 'set_debugreg'),
  'debug-not-synced': without('R13 does not read back what the guest wrote', TURN, 'sync_dirty_debug_regs'),
  'debug-not-injected': without('R6 forgets the exception that waits', TURN, 'inject_pending_event'),
  'debug-db-swallowed': without('the handler of #DB does not queue it for the guest', EXITS, 'db_interception', 'handle_db'),
  'debug-step-in-shadow': forgetting('VMX: a #DB in a shadow of STI or MOV SS leaves no step pending', 'step-in-shadow'),
  'debug-cr4-de-ignored': forgetting('VMX: handle_dr() does not look at CR4.DE', 'cr4-de'),
  'debug-queue-lost': forgetting('an exception that waits is gone where the vCPU is put', 'queue'),
  'debug-bp-intercept-stays': forgetting('the intercept of #BP stays where a debugger goes', 'bp-intercept'),
  'debug-step-lost': {
    summary: 'the CPU clears RFLAGS.TF at each entry',
    machines: {
      cpuDebugRegisters: (_machine, scenario) =>
        cpuDebugRegistersMachine({
          vendor: vendorOf(scenario),
          noNestedDataBp: false,
          heeds: (controls) => ({ ...controls, flags: { ...controls.flags, tf: false } }),
        }),
    },
  },
};
