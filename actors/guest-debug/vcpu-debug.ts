/**
 * The debug half of struct kvm_vcpu on x86: KVM's copy of the guest's debug registers, the
 * debugger's, and the fields of a VMCB or a VMCS that debugging asks for.
 *
 * @see kernel arch/x86/include/asm/kvm_host.h, struct kvm_vcpu_arch; arch/x86/kvm/x86.c,
 * vcpu_enter_guest()
 */
import { type ActorId, outgoing, sender } from '../../events/event.ts';
import { type DebugHalf, debugHalfMachine, type HalfStep, LOADED_HALF, onCpu } from './debug-half.ts';
import { bpExit, dbExit, drExit } from './vcpu-debug-exits.ts';
import {
  cancelInjection,
  controlsOf,
  enterGuest,
  injectEvents,
  leaveGuest,
  prepareDebugRegisters,
  type RunStep,
  syncDebugRegisters,
} from './vcpu-debug-run.ts';
import {
  queueException,
  setGuestDebug,
  setRegs,
  skipEmulatedInstruction,
  skipUnheeded,
  VCPU_DEBUG_RESET,
  type VcpuDebugDesign,
  type VcpuDebugState,
} from './vcpu-debug-state.ts';

/** KVM's debug half of the vCPU with this id. */
export const kdbOf = (vcpu: ActorId): ActorId => vcpu.replace(/^vcpu:/, 'kdb:');

/** A step of the run: what it writes to the CPU, and what it changes. */
const stepped = (v: VcpuDebugState, { change, writes }: RunStep): HalfStep<VcpuDebugState> => ({
  change,
  sends: writes.map((write) => outgoing(onCpu(v), { type: 'dr.set', ...write })),
});

const bpIntercepted = ({ area }: Partial<VcpuDebugState>, before: VcpuDebugState): VcpuDebugState['area'] => ({
  ...(area ?? before.area),
  interceptsBp: true,
});

/** Of a vCPU whose registers KVM reads and writes. */
export const vcpuDebugHalf = (design: VcpuDebugDesign): DebugHalf<VcpuDebugState> => ({
  ...LOADED_HALF,
  ...(design.forgets === 'queue' && { 'kdb.put': () => ({ change: { loadedOn: null, exception: null } }) }),
  'kdb.setGuestDebug': (v, event) => {
    const change = setGuestDebug(v, event);
    const isBusy = change === 'EBUSY';
    const keepsBp = design.forgets === 'bp-intercept' && v.area.interceptsBp;
    return {
      sends: [outgoing(sender(event), { type: 'kdb.guestDebugSet', error: isBusy ? change : null })],
      ...(!isBusy && { change: keepsBp ? { ...change, area: bpIntercepted(change, v) } : change }),
    };
  },
  'kdb.debugged?': ({ guestDebug, area }, event) => ({
    sends: [outgoing(sender(event), { type: 'kdb.debugged', guestDebug: guestDebug.length > 0, dr7: area.dr7 })],
  }),
  'kdb.inject': (v) => ({ change: injectEvents(v) }),
  'kdb.cancel': (v) => ({ change: cancelInjection(v) }),
  'kdb.prepare': (v, { hostActive }) => stepped(v, prepareDebugRegisters(v, design, hostActive)),
  'kdb.enter': (v) => {
    const { change, sends = [] } = stepped(v, enterGuest(v, design));
    const at = { ...v, ...change };
    const entry = outgoing(onCpu(at), { type: 'dr.enter', controls: controlsOf(at, design), dr6: at.area.dr6, dr7: at.area.dr7 });
    return { change: change!, sends: [...sends, entry] };
  },
  'dr.left': (v, event) => ({ change: leaveGuest(v, design, event) }),
  'kdb.sync': (v) => stepped(v, syncDebugRegisters(v, design)),
  'kdb.dr': (v, event) => ({ change: drExit(v, design, event) }),
  'kdb.db': (v, event) => ({ change: dbExit(v, design, event) }),
  'kdb.ac': (v) => ({ change: queueException(v, 'AC') }),
  'kdb.bp': (v, { rip }) => ({ change: bpExit(v, rip) }),
  'kdb.skip': (v, { next, unheeded }) => ({ change: (unheeded ? skipUnheeded : skipEmulatedInstruction)(v, next) }),
  'kdb.setRegs': (v, { rip }) => ({ change: setRegs(v, rip) }),
  'kdb.exit?': ({ exits, run, exception }, event) => ({
    sends: [outgoing(sender(event), { type: 'kdb.exit', exit: exits ? run : null, queued: exception?.injected === false })],
    change: { exits: false },
  }),
  'kdb.resume?': ({ skipped, value, delivered }, event) => ({
    sends: [outgoing(sender(event), { type: 'kdb.resumed', skipped, value, exception: delivered[0] ?? null })],
    change: { skipped: false, value: 0, delivered: delivered.slice(1) },
  }),
});

/** After reset. */
export const vcpuDebugStart = ({ de }: VcpuDebugDesign): VcpuDebugState => ({ ...VCPU_DEBUG_RESET, de });

/** The machine of all x86 vCPUs of one scenario. */
export const vcpuDebugMachine = (design: VcpuDebugDesign) =>
  debugHalfMachine('vcpuDebug', () => vcpuDebugStart(design), vcpuDebugHalf(design));
