/**
 * The debug half of struct kvm_vcpu on arm64: KVM's copy of the guest's registers, who owns the
 * CPU's, and what was saved to be put back.
 *
 * @see kernel arch/arm64/include/asm/kvm_host.h, struct kvm_vcpu_arch; arch/arm64/kvm/debug.c
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { ArmVcpuEvent } from '../../events/os-lock/arm-debug.ts';
import { getReg, regList, setReg, sysreg } from './arm-vcpu-registers.ts';
import {
  type ArmDebugDesign,
  type ArmVcpuInput,
  type ArmVcpuState,
  armVcpuState,
  clearDebug,
  cpuStateOf,
  load,
  put,
  saved,
  setGuestDebug,
  setupDebug,
  setupMdcr,
} from './arm-vcpu-state.ts';

/** The debug registers of the CPU with this id. */
export const debugOf = (cpu: ActorId): ActorId => cpu.replace(/^pcpu:/, 'debug:');

/** KVM's copy of the vCPU with this id, and the one that a migration goes to. */
export const armOf = (vcpu: ActorId): ActorId => vcpu.replace(/^vcpu:/, 'arm:');
export const destinationOf = (arm: ActorId): ActorId => `${arm}/destination`;

type Args = { readonly context: ArmVcpuState; readonly event: Stamped<ArmVcpuEvent> };
const NOTHING_TO_TELL = { value: 0, undef: false, injected: null, skipped: false } as const;

/** What an event without an answer changes. */
function changed({ context: v, event }: Args, design: ArmDebugDesign): Partial<ArmVcpuState> {
  switch (event.type) {
    case 'arm.load':
      return load(v, design, event.cpu);
    case 'arm.put':
      return put(v, design);
    case 'arm.setupMdcr':
      return setupMdcr(v, design);
    case 'arm.setupDebug':
      return setupDebug(v, design);
    case 'arm.clearDebug':
      return clearDebug(v, design);
    case 'arm.flush':
      return design.pkvm === 'flushed' ? { hypOwner: v.owner } : {};
    case 'arm.sync':
      return design.pkvm === 'flushed' ? { owner: v.hypOwner } : {};
    case 'dbg.left':
      return saved(v, design, event.state);
    case 'arm.sysreg':
      return sysreg(v, design, event.reg, event.write, event.value);
    case 'arm.stepped':
      return { hostSsPending: false, ...(design.model === 'owner' && { pstate: { ...v.pstate, ss: true } }) };
    case 'arm.skip':
      return { skipped: true };
    case 'arm.unknown':
      return { undef: true };
    case 'arm.inject':
      return { injected: event.exception };
    case 'arm.handled':
      return design.helpsInject ? { injected: 'breakpoint' } : {};
    case 'arm.setGuestDebug':
      return setGuestDebug(v, event.flags, event.known);
    case 'arm.stopped':
      return { stopped: true };
    case 'arm.arrived':
      return { arrived: true, pstate: event.pstate };
    default:
      return {};
  }
}

/** What a question is answered. */
function answerTo({ context: v, event }: Args, design: ArmDebugDesign): { readonly type: string; readonly [field: string]: unknown } {
  switch (event.type) {
    case 'arm.debugger?':
      return { type: 'arm.debugger', flags: v.guestDebug, known: v.known };
    case 'arm.regList?':
      return { type: 'arm.regList', regs: regList(v, design) };
    case 'arm.getReg?':
      return { type: 'arm.reg', ...getReg(v, design, event.reg) };
    case 'arm.lifecycle?':
      return { type: 'arm.lifecycle', stopped: v.stopped, arrived: v.arrived, pstate: v.pstate };
    default:
      throw new Error(`${event.type} is no question`);
  }
}

const onCpu = (v: ArmVcpuState): ActorId => {
  if (v.loadedOn === null) throw new Error('a vCPU that is loaded nowhere meets the registers of a CPU');
  return debugOf(v.loadedOn);
};

/** The machine of all arm64 vCPUs of one scenario. */
export function armVcpuMachine(design: ArmDebugDesign) {
  return setup({
    types: { context: {} as ArmVcpuState, events: {} as Stamped<ArmVcpuEvent>, emitted: {} as Outgoing, input: {} as ArmVcpuInput },
    actions: {
      change: assign((args) => changed(args, design)),
      answer: emit((args) => outgoing(sender(args.event), answerTo(args, design))),
      enter: emit(({ context }) => outgoing(onCpu(context), { type: 'dbg.enter', state: cpuStateOf(context, design) })),
      leave: emit(({ context }) => outgoing(onCpu(context), { type: 'dbg.leave?' })),
      setReg: enqueueActions(({ context, event, enqueue }) => {
        if (event.type !== 'arm.setReg') return;
        const { change, error } = setReg(context, design, event.reg, event.value);
        enqueue.emit(outgoing(sender(event), { type: 'arm.regSet', error }));
        enqueue.assign(change);
      }),
      resume: enqueueActions(({ context: { value, undef, injected, skipped }, event, enqueue }) => {
        enqueue.emit(outgoing(sender(event), { type: 'arm.resumed', value, undef, injected, skipped }));
        enqueue.assign(NOTHING_TO_TELL);
      }),
    },
  }).createMachine({
    id: 'armVcpu',
    context: ({ input }) => armVcpuState(input, design),
    initial: 'kept',
    states: {
      kept: {
        tags: 'rest',
        on: {
          'arm.load': { actions: 'change' },
          'arm.put': { actions: 'change' },
          'arm.setupMdcr': { actions: 'change' },
          'arm.setupDebug': { actions: 'change' },
          'arm.clearDebug': { actions: 'change' },
          'arm.flush': { actions: 'change' },
          'arm.sync': { actions: 'change' },
          'arm.enter': { actions: 'enter' },
          'arm.leave': { actions: 'leave' },
          'dbg.left': { actions: 'change' },
          'arm.sysreg': { actions: 'change' },
          'arm.stepped': { actions: 'change' },
          'arm.skip': { actions: 'change' },
          'arm.unknown': { actions: 'change' },
          'arm.inject': { actions: 'change' },
          'arm.handled': { actions: 'change' },
          'arm.resume?': { actions: 'resume' },
          'arm.setGuestDebug': { actions: 'change' },
          'arm.debugger?': { actions: 'answer' },
          'arm.regList?': { actions: 'answer' },
          'arm.getReg?': { actions: 'answer' },
          'arm.setReg': { actions: 'setReg' },
          'arm.stopped': { actions: 'change' },
          'arm.arrived': { actions: 'change' },
          'arm.lifecycle?': { actions: 'answer' },
        },
      },
    },
  });
}
