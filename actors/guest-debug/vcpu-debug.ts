/**
 * The debug half of struct kvm_vcpu on x86: KVM's copy of the guest's debug registers, the
 * debugger's, and the fields of a VMCB or a VMCS that debugging asks for.
 *
 * @see kernel arch/x86/include/asm/kvm_host.h, struct kvm_vcpu_arch; arch/x86/kvm/x86.c,
 * vcpu_enter_guest()
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { VcpuDebugEvent } from '../../events/guest-debug/kvm-debug.ts';
import { drOf } from './cpu-debug-registers.ts';
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

type Args = { readonly context: VcpuDebugState; readonly event: Stamped<VcpuDebugEvent> };

/** What an event changes that neither asks nor writes to a CPU. */
function changed({ context: v, event }: Args, design: VcpuDebugDesign): Partial<VcpuDebugState> {
  switch (event.type) {
    case 'kdb.load':
      return { loadedOn: event.cpu };
    case 'kdb.put':
      return { loadedOn: null, ...(design.forgets === 'queue' && { exception: null }) };
    case 'kdb.inject':
      return injectEvents(v);
    case 'kdb.cancel':
      return cancelInjection(v);
    case 'dr.left':
      return leaveGuest(v, design, event);
    case 'kdb.dr':
      return drExit(v, design, event);
    case 'kdb.db':
      return dbExit(v, design, event);
    case 'kdb.ac':
      return queueException(v, 'AC');
    case 'kdb.bp':
      return bpExit(v, event.rip);
    case 'kdb.skip':
      return (event.unheeded ? skipUnheeded : skipEmulatedInstruction)(v, event.next);
    case 'kdb.setRegs':
      return setRegs(v, event.rip);
    default:
      throw new Error(`${event.type} is no change of the vCPU alone`);
  }
}

/** What a step of the run changes and writes to the CPU. */
function stepped({ context: v, event }: Args, design: VcpuDebugDesign): RunStep {
  switch (event.type) {
    case 'kdb.prepare':
      return prepareDebugRegisters(v, design, event.hostActive);
    case 'kdb.enter':
      return enterGuest(v, design);
    case 'kdb.sync':
      return syncDebugRegisters(v, design);
    default:
      throw new Error(`${event.type} is no step of the run`);
  }
}

const bpIntercepted = ({ area }: Partial<VcpuDebugState>, before: VcpuDebugState): VcpuDebugState['area'] => ({
  ...(area ?? before.area),
  interceptsBp: true,
});

const onCpu = (v: VcpuDebugState): ActorId => {
  if (v.loadedOn === null) throw new Error('a vCPU that is loaded nowhere meets the registers of a CPU');
  return drOf(v.loadedOn);
};

/** The machine of all x86 vCPUs of one scenario. */
export function vcpuDebugMachine(design: VcpuDebugDesign) {
  return setup({
    types: { context: {} as VcpuDebugState, events: {} as Stamped<VcpuDebugEvent>, emitted: {} as Outgoing },
    actions: {
      change: assign((args) => changed(args, design)),
      step: enqueueActions(({ context, event, enqueue }) => {
        const { change, writes } = stepped({ context, event }, design);
        for (const write of writes) enqueue.emit(outgoing(onCpu(context), { type: 'dr.set', ...write }));
        enqueue.assign(change);
      }),
      enter: emit(({ context: v }) =>
        outgoing(onCpu(v), { type: 'dr.enter', controls: controlsOf(v, design), dr6: v.area.dr6, dr7: v.area.dr7 }),
      ),
      leave: emit(({ context }) => outgoing(onCpu(context), { type: 'dr.leave?' })),
      setGuestDebug: enqueueActions(({ context, event, enqueue }) => {
        if (event.type !== 'kdb.setGuestDebug') return;
        const change = setGuestDebug(context, event);
        enqueue.emit(outgoing(sender(event), { type: 'kdb.guestDebugSet', error: change === 'EBUSY' ? change : null }));
        if (change === 'EBUSY') return;
        enqueue.assign(
          design.forgets === 'bp-intercept' && context.area.interceptsBp ? { ...change, area: bpIntercepted(change, context) } : change,
        );
      }),
      answerDebugged: emit(({ context: { guestDebug, area }, event }) =>
        outgoing(sender(event), { type: 'kdb.debugged', guestDebug: guestDebug.length > 0, dr7: area.dr7 }),
      ),
      exit: enqueueActions(({ context: { exits, run, exception }, event, enqueue }) => {
        const queued = exception?.injected === false;
        enqueue.emit(outgoing(sender(event), { type: 'kdb.exit', exit: exits ? run : null, queued }));
        enqueue.assign({ exits: false });
      }),
      resume: enqueueActions(({ context: { skipped, value, delivered }, event, enqueue }) => {
        enqueue.emit(outgoing(sender(event), { type: 'kdb.resumed', skipped, value, exception: delivered[0] ?? null }));
        enqueue.assign({ skipped: false, value: 0, delivered: delivered.slice(1) });
      }),
    },
  }).createMachine({
    id: 'vcpuDebug',
    context: { ...VCPU_DEBUG_RESET, de: design.de },
    initial: 'kept',
    states: {
      kept: {
        tags: 'rest',
        on: {
          'kdb.setGuestDebug': { actions: 'setGuestDebug' },
          'kdb.debugged?': { actions: 'answerDebugged' },
          'kdb.load': { actions: 'change' },
          'kdb.put': { actions: 'change' },
          'kdb.inject': { actions: 'change' },
          'kdb.cancel': { actions: 'change' },
          'kdb.prepare': { actions: 'step' },
          'kdb.enter': { actions: ['step', 'enter'] },
          'kdb.leave': { actions: 'leave' },
          'dr.left': { actions: 'change' },
          'kdb.sync': { actions: 'step' },
          'kdb.dr': { actions: 'change' },
          'kdb.db': { actions: 'change' },
          'kdb.ac': { actions: 'change' },
          'kdb.bp': { actions: 'change' },
          'kdb.skip': { actions: 'change' },
          'kdb.setRegs': { actions: 'change' },
          'kdb.exit?': { actions: 'exit' },
          'kdb.resume?': { actions: 'resume' },
        },
      },
    },
  });
}
