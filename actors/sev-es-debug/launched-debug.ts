/**
 * KVM's debug half of a vCPU that is launched in the run, `kdb:VM/N`: that of a plain vCPU up to
 * the first VMRUN of its encrypted VMSA, and that of a protected one from there on. What VMSA and
 * VMCB ask for, each VMRUN reads again, as a move of the VM may have changed it.
 *
 * Left out: what a debugger sees that is in force on a protected vCPU, which no design means.
 *
 * @see kernel arch/x86/kvm/svm/sev.c, __sev_launch_update_vmsa(), sev_migrate_from()
 */
import { outgoing, sender } from '../../events/event.ts';
import type { VcpuDebugEvent } from '../../events/guest-debug/kvm-debug.ts';
import { type DebugHalf, debugHalfMachine, type HalfStep, halfStep } from '../guest-debug/debug-half.ts';
import { vcpuDebugHalf, vcpuDebugStart } from '../guest-debug/vcpu-debug.ts';
import type { VcpuDebugDesign, VcpuDebugState } from '../guest-debug/vcpu-debug-state.ts';
import {
  overridden,
  type ProtectedDebugChange,
  type ProtectedDebugInput,
  type ProtectedDebugState,
  protectedDebugHalf,
  protectedDebugStart,
} from './protected-debug.ts';

/** The half of a plain vCPU, whose debugger stays known; and that of the protected one. */
export interface LaunchedDebugState extends VcpuDebugState {
  readonly encrypted: ProtectedDebugState | null;
}

type Step = HalfStep<LaunchedDebugState>;

/** What stays with the vCPU as user space knows it. */
const OF_BOTH: readonly VcpuDebugEvent['type'][] = ['kdb.load', 'kdb.put', 'kdb.setGuestDebug', 'kdb.debugged?'];

/** The queue of exceptions is that of the vCPU, whatever has become of its registers. */
const encryptedFrom = (v: LaunchedDebugState, input: ProtectedDebugInput): ProtectedDebugState => ({
  ...protectedDebugStart(input),
  exception: v.exception,
  inject: v.area.inject,
});
const withoutQueue = ({ area }: LaunchedDebugState): Partial<LaunchedDebugState> => ({ exception: null, area: { ...area, inject: null } });

/** `input`: what is known of the vCPU before any VMRUN. */
function launchedDebugHalf(
  design: VcpuDebugDesign,
  input: ProtectedDebugInput,
  change: ProtectedDebugChange,
): DebugHalf<LaunchedDebugState> {
  const plain = vcpuDebugHalf(design);
  const protectedHalf = protectedDebugHalf(change);
  const taken = (v: LaunchedDebugState, event: VcpuDebugEvent): Step => {
    if (v.encrypted === null || OF_BOTH.includes(event.type)) return halfStep(plain, v, event) as Step;
    const { change: changed, sends = [] } = halfStep(protectedHalf, { ...v.encrypted, loadedOn: v.loadedOn }, event);
    return { sends, ...(changed && { change: { encrypted: { ...v.encrypted, ...changed } } }) };
  };
  const types = Object.keys({ ...plain, ...protectedHalf }) as VcpuDebugEvent['type'][];
  return {
    ...(Object.fromEntries(types.map((type) => [type, taken])) as DebugHalf<LaunchedDebugState>),
    'kdb.vmcb': (v, { debugSwap, interceptsDr7, interceptsDb }) => {
      const read = { debugSwap, interceptsDr7, interceptsDb: interceptsDb && input.interceptsDb, ...overridden(change) };
      if (v.encrypted !== null) return { change: { encrypted: { ...v.encrypted, ...read } } };
      return { change: { encrypted: { ...encryptedFrom(v, input), ...read }, ...withoutQueue(v) } };
    },
    'kdb.sevStatus?': ({ encrypted }, event) => ({
      sends: [outgoing(sender(event), { type: 'kdb.sevStatus', debugSwap: encrypted!.debugSwap })],
    }),
    // sev_migrate_from() moves the VMSA, and what is in it; KVM's queue of exceptions stays behind.
    'kdb.giveVmsa': ({ encrypted }, { to }) =>
      encrypted === null
        ? {}
        : {
            sends: [outgoing(to, { type: 'kdb.takeVmsa', vmsa: encrypted.vmsa, delivered: encrypted.delivered })],
            change: { encrypted: null },
          },
    'kdb.takeVmsa': (v, { vmsa, delivered }) => ({
      change: { encrypted: { ...encryptedFrom(v, input), vmsa, delivered }, ...withoutQueue(v) },
    }),
  };
}

/** The machine of all vCPUs that are launched in the run. */
export const launchedDebugMachine = (design: VcpuDebugDesign, input: ProtectedDebugInput, change: ProtectedDebugChange = {}) =>
  debugHalfMachine(
    'launchedDebug',
    (): LaunchedDebugState => ({ ...vcpuDebugStart(design), encrypted: null }),
    launchedDebugHalf(design, { ...input, ...overridden(change) }, change),
  );
