/**
 * A vCPU: the guest's own program counter, and the fields of struct kvm_vcpu that its thread and
 * others read.
 *
 * The guest moves only when its thread gives it a step in guest mode; between two entries it stands
 * still.
 *
 * @see kernel virt/kvm/kvm_main.c, kvm_make_request(), kvm_vcpu_kick(), kvm_vcpu_block()
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { GuestEvent } from '../../events/index.ts';
import type { VcpuEvent } from '../../events/kvm.ts';
import { expand } from '../path/expand.ts';
import { USER_MODE } from '../path/path.ts';
import { type GuestEnv, type GuestLocals, guestPath, opOf, type Vcpu } from './guest-program.ts';

export interface VcpuInput {
  readonly thread: ActorId;
  readonly image: number;
  readonly loops: ActorId | null;
  /** Whether virtual interrupts are offered while it is halted. */
  readonly interrupts: boolean;
}

const SCHEDULER: ActorId = 'sched';
/**
 * cmpxchg() of the mode: the first who kicks a vCPU in guest mode sends the IPI.
 * @see kernel kvm_vcpu_exiting_guest_mode()
 */
const kicked = ({ mode, cpu }: Vcpu) => (mode === 'IN_GUEST_MODE' ? { mode: 'EXITING_GUEST_MODE' as const, cpu } : { mode, cpu: null });
const wake = (v: Vcpu) => outgoing(SCHEDULER, { type: 'sched.wake', thread: v.thread });

/**
 * kvm_vcpu_check_block(): whether there is nothing to do. A halted vCPU is runnable from then on
 * that there is.
 * @see kernel arch/x86/kvm/x86.c, vcpu_block()
 */
function blocked(v: Vcpu, { until, polls }: Extract<VcpuEvent, { readonly type: 'vcpu.block' }>) {
  const sleep = v.blockedUntil !== 'over' && (until === 'request' ? v.requests.length === 0 : v.requests.includes(until.cleared));
  const awake = !sleep && until === 'request' && v.halted === true && { halted: undefined };
  return { sleep, next: { blockedUntil: sleep && !polls ? until : null, ...awake } };
}
const mpState = ({ context: v, event }: { readonly context: Vcpu; readonly event: Stamped<GuestEvent> }): Outgoing =>
  outgoing(sender(event), { type: 'vcpu.mpState', halted: v.halted === true });

/** A vCPU that no thread has run yet. */
const OFF: Omit<Vcpu, keyof VcpuInput> = {
  pc: 0,
  mode: 'OUTSIDE_GUEST_MODE',
  cpu: null,
  requests: [],
  blockedUntil: null,
  interrupted: false,
  asking: null,
  frames: { guest: {} },
};

/** The machine of all vCPUs of one scenario. */
export function vcpuMachine(env: GuestEnv) {
  const code = expand<Vcpu, GuestLocals, GuestEvent>(guestPath(env), {
    root: 'vcpu',
    frame: 'guest',
    stepEvent: 'guest.step',
    from: { ...USER_MODE, mode: 'guest', irqs: false },
    patches: env.patches,
    acknowledge: (v, letter, sent) =>
      sent.some((message) => message.to === v.thread) ? [] : [outgoing(v.thread, { type: 'guest.ran', atomic: letter === 'X' })],
  });
  return setup({
    types: { context: {} as Vcpu, events: {} as Stamped<GuestEvent>, emitted: {} as Outgoing, input: {} as VcpuInput },
    guards: { isHalted: ({ context: v }) => v.interrupts && v.blockedUntil === 'request' },
    actions: {
      /**
       * kvm_arch_vcpu_runnable() is true from now on.
       * @see kernel virt/kvm/kvm_main.c, kvm_vcpu_wake_up()
       */
      wake: enqueueActions(({ context: v, enqueue }) => {
        enqueue.emit(wake(v));
        enqueue.assign({ blockedUntil: 'over' });
      }),
      load: assign({ cpu: ({ context: v, event }) => (event.type === 'vcpu.load' ? event.cpu : v.cpu) }),
      setMode: assign({ mode: ({ context: v, event }) => (event.type === 'vcpu.setMode' ? event.mode : v.mode) }),
      answerMode: emit(({ context: v, event }) => outgoing(sender(event), { type: 'vcpu.mode', mode: v.mode })),
      answerRequests: emit(({ context: v, event }) =>
        outgoing(sender(event), { type: 'vcpu.requests', pending: v.requests, exiting: v.mode === 'EXITING_GUEST_MODE' }),
      ),
      kick: enqueueActions(({ context: v, event, enqueue }) => {
        const { mode, cpu } = kicked(v);
        enqueue.emit(outgoing(sender(event), { type: 'vcpu.kick', cpu }));
        enqueue.assign({ mode });
      }),
      request: enqueueActions(({ context: v, event, enqueue }) => {
        if (event.type !== 'vcpu.request') return;
        const requests = v.requests.includes(event.request) ? v.requests : [...v.requests, event.request].sort();
        const { mode, cpu } = kicked(v);
        enqueue.emit(outgoing(sender(event), { type: 'vcpu.kick', cpu }));
        if (v.blockedUntil === 'request') enqueue.emit(wake(v));
        enqueue.assign({ mode, requests, blockedUntil: v.blockedUntil === 'request' ? null : v.blockedUntil });
      }),
      clearRequest: enqueueActions(({ context: v, event, enqueue }) => {
        if (event.type !== 'vcpu.clearRequest') return;
        const ends = typeof v.blockedUntil === 'object' && v.blockedUntil?.cleared === event.request;
        if (ends) enqueue.emit(wake(v));
        enqueue.assign({
          requests: v.requests.filter((request) => request !== event.request),
          blockedUntil: ends ? null : v.blockedUntil,
        });
      }),
      block: enqueueActions(({ context: v, event, enqueue }) => {
        if (event.type !== 'vcpu.block') return;
        const { sleep, next } = blocked(v, event);
        enqueue.emit(outgoing(sender(event), { type: 'vcpu.blocked', sleep }));
        enqueue.assign(next);
      }),
      /** A signal has ended the sleep; what else there is to do stays. */
      unblock: assign({ blockedUntil: ({ context: v }) => (v.blockedUntil === 'over' ? 'over' : null) }),
      /** Only a guest that computes notices; any other goes on where it was. */
      setInterrupted: assign({ interrupted: ({ context: v }) => opOf(env, v).op === 'spin' }),
    },
  }).createMachine({
    id: 'vcpu',
    tags: 'rest',
    meta: { offers: () => [{ type: 'interrupt' }] },
    context: ({ input }) => ({ ...OFF, ...input }),
    initial: code.initial,
    on: {
      interrupt: { guard: 'isHalted', actions: 'wake' },
      'vcpu.load': { actions: 'load' },
      'vcpu.put': { actions: assign({ cpu: null }) },
      'vcpu.setMode': { actions: 'setMode' },
      'vcpu.mode?': { actions: 'answerMode' },
      'vcpu.requests?': { actions: 'answerRequests' },
      'vcpu.request': { actions: 'request' },
      'vcpu.exitGuestMode': { actions: 'kick' },
      'vcpu.clearRequest': { actions: 'clearRequest' },
      'vcpu.halt': { actions: assign({ halted: true }) },
      'vcpu.mpState?': { actions: emit(mpState) },
      'vcpu.block': { actions: 'block' },
      'vcpu.unblock': { actions: 'unblock' },
      'guest.interrupted': { actions: 'setInterrupted' },
    },
    states: code.states,
  });
}
