/** Changes of one line around the host's breakpoints, each of which a property must notice. */
import {
  breakpointWrites,
  type HostBreakpointsDesign,
  hostBreakpointsDesign,
  hostBreakpointsMachine,
} from '../../../actors/guest-debug/host-breakpoints.ts';
import { vcpuDebugMachine } from '../../../actors/guest-debug/vcpu-debug.ts';
import { type PathPatch, replaceStep, withoutSteps } from '../../../actors/path/patch.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { designOf } from './design.ts';

/** What is written where perf arms or removes a breakpoint, all else as the scenario has it. */
const writing = (summary: string, writes: HostBreakpointsDesign['writes'] & object, paths: Mutant['paths'] = {}): Mutant => ({
  summary,
  paths,
  machines: {
    hostBreakpoints: (_machine, { host: { kernel } }) => hostBreakpointsMachine({ ...hostBreakpointsDesign(kernel), writes }),
  },
});

/** The function is called twice. */
const callTwice: PathPatch = (path) =>
  replaceStep(path, 'smp_call_function_single', (item) =>
    item.kind === 'call' ? [item, { ...item, path: { ...item.path, name: 'smp_call_function_single_copy' } }] : [item],
  );

/** The first call writes the CPU's registers, the second cpu_debugreg and cpu_dr7. */
const copyLater: typeof breakpointWrites = (s, design, event) => {
  if (event.type !== 'hbp.install') return breakpointWrites(s, design, event);
  const isSecond = s.armed[event.slot] !== null;
  return breakpointWrites({ ...s, armed: [null, null, null, null] }, design, event).filter(
    (write) => ('copy' in write && ('db' in write.copy || 'dr7' in write.copy)) === isSecond,
  );
};

export const HOST_BREAKPOINT_MUTANTS: Readonly<Record<string, Mutant>> = {
  'debug-host-not-restored': {
    summary: 'R14 does not call hw_breakpoint_restore()',
    paths: { vcpu_enter_guest: [withoutSteps('hw_breakpoint_restore')] },
  },
  'debug-host-armed-at-entry': {
    summary: 'R11 writes the addresses of the guest with DR7 as it is',
    machines: {
      vcpuDebug: (_machine, scenario) => vcpuDebugMachine({ ...designOf(scenario), entryDr7: null }),
    },
  },
  'debug-host-copy-later': writing('perf writes cpu_debugreg and cpu_dr7 by a second call, behind the registers', copyLater, {
    perf_install_in_context: [callTwice],
  }),
  'debug-host-mask-unwritten': writing('perf does not write the address mask of its breakpoint', (s, design, event) =>
    breakpointWrites(s, design, event).filter((write) => !('cpu' in write) || write.cpu.masks === undefined),
  ),
  'debug-host-mask-left': writing('perf leaves the address mask of a breakpoint that it removes', (s, design, event) =>
    breakpointWrites(s, design, event).filter(
      (write) => event.type !== 'hbp.uninstall' || !('cpu' in write) || write.cpu.masks === undefined,
    ),
  ),
  'debug-host-left-armed': writing('perf removes a breakpoint from cpu_dr7, and not from DR7', (s, design, event) =>
    breakpointWrites(s, design, event).filter((write) => event.type !== 'hbp.uninstall' || 'copy' in write),
  ),
};
