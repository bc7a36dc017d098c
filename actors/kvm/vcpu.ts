/**
 * A vCPU: the guest's own program counter, and the fields of struct kvm_vcpu that its thread and
 * others read.
 *
 * The guest moves only when its thread gives it a step in guest mode; between two entries it stands
 * still.
 *
 * @see kernel virt/kvm/kvm_main.c, kvm_vcpu_kick(), kvm_make_vcpu_request(), kvm_vcpu_block()
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { GuestEvent } from '../../events/index.ts';
import type { BlockedUntil, RequestFlags, VcpuEvent, VcpuRequest } from '../../events/kvm.ts';
import { expandedWith } from '../host/host-env.ts';
import { EVERY } from '../host/program-counter.ts';
import { expand } from '../path/expand.ts';
import { USER_MODE } from '../path/path.ts';
import { type GuestEnv, type GuestLocals, guestPath, opOf, runningThread, type Vcpu } from './guest-program.ts';

export interface VcpuInput {
  readonly thread: ActorId | null;
  readonly image: number;
  readonly loops: ActorId | null;
  /** Whether virtual interrupts are offered while it is halted. */
  readonly interrupts: boolean;
}

const SCHEDULER: ActorId = 'sched';
/** Its thread sleeps in KVM_RUN, so there is one. */
const wake = (v: Vcpu) => outgoing(SCHEDULER, { type: 'sched.wake', thread: v.thread! });
const withRequest = ({ requests }: Vcpu, request: VcpuRequest): readonly VcpuRequest[] =>
  requests.includes(request) ? requests : [...requests, request].sort();

/** Its thread sleeps in kvm_vcpu_block(), and has not been woken. */
const isBlocked = ({ blockedUntil }: Vcpu): boolean => blockedUntil !== null && blockedUntil !== 'over';

/**
 * Tells a vCPU that something is to be done. One that blocks is woken, and no IPI sent; of one in
 * guest mode, by cmpxchg() of the mode, the first who kicks it sends the IPI. With KVM_REQUEST_WAIT
 * the others do so too: they wait until it is out.
 * @see kernel virt/kvm/kvm_main.c, kvm_vcpu_kick(), kvm_make_vcpu_request(),
 * kvm_request_needs_ipi(), kvm_vcpu_wake_up()
 */
function told(v: Vcpu, { wait, noWakeup }: RequestFlags = {}) {
  const { mode, cpu, blockedUntil } = v;
  if (isBlocked(v) && !noWakeup) return { answer: null, sent: [wake(v)], changes: { blockedUntil: null } };
  const needsIpi = wait ? mode !== 'OUTSIDE_GUEST_MODE' : mode === 'IN_GUEST_MODE';
  const exiting = mode === 'IN_GUEST_MODE' ? ('EXITING_GUEST_MODE' as const) : mode;
  return { answer: needsIpi ? cpu : null, sent: [], changes: { mode: exiting, blockedUntil } };
}

type Ends = ReadonlySet<VcpuRequest>;
const isRunnable = ({ blockedUntil, requests }: Vcpu, ends: Ends): boolean =>
  blockedUntil === 'over' || requests.some((request) => ends.has(request));

/**
 * kvm_vcpu_check_block(): whether the thread sleeps on. HLT is ended by KVM_REQ_UNBLOCK and by
 * those requests that make the vCPU runnable.
 */
const sleepsOn = (v: Vcpu, until: BlockedUntil, ends: Ends): boolean => {
  const { blockedUntil, requests } = v;
  if (until !== 'request') return blockedUntil !== 'over' && requests.includes(until.cleared);
  return !isRunnable(v, ends) && !requests.includes('KVM_REQ_UNBLOCK');
};

/**
 * KVM_REQ_VM_DEAD does not wake a halted vCPU (KVM_REQUEST_NO_WAKEUP): its thread hangs in KVM_RUN
 * until a signal, or an interrupt of the guest, comes.
 */
const stuckIn = ({ requests, blockedUntil }: Vcpu): string | null =>
  blockedUntil === 'request' && requests.includes('KVM_REQ_VM_DEAD') ? 'the HLT of a dead VM' : null;

/**
 * kvm_vcpu_check_block(): whether there is nothing to do; kvm_check_request() takes what it finds.
 * A halted vCPU runs on only if it is runnable: after KVM_REQ_UNBLOCK alone it is still halted.
 * @see kernel arch/x86/kvm/x86.c, vcpu_block()
 */
function blocked(v: Vcpu, { until, polls }: Extract<VcpuEvent, { readonly type: 'vcpu.block' }>, ends: Ends) {
  const sleep = sleepsOn(v, until, ends);
  const halted = v.halted === true && !(until === 'request' && isRunnable(v, ends));
  const requests = until === 'request' ? v.requests.filter((request) => request !== 'KVM_REQ_UNBLOCK') : v.requests;
  return {
    answer: { type: 'vcpu.blocked', sleep, halted },
    next: { blockedUntil: sleep && !polls ? until : null, requests, ...(v.halted === true && !halted && { halted: undefined }) },
  };
}
/** A request is gone, and with it the sleep that it is waited for in. */
function cleared(v: Vcpu, { request }: Extract<VcpuEvent, { readonly type: 'vcpu.clearRequest' }>) {
  const ends = typeof v.blockedUntil === 'object' && v.blockedUntil?.cleared === request;
  return { ends, next: { requests: v.requests.filter((one) => one !== request), blockedUntil: ends ? null : v.blockedUntil } };
}

interface Asked {
  readonly context: Vcpu;
  readonly event: Stamped<GuestEvent>;
}
const mpState = ({ context: v, event }: Asked): Outgoing => outgoing(sender(event), { type: 'vcpu.mpState', halted: v.halted === true });
const mode = ({ context: v, event }: Asked): Outgoing => outgoing(sender(event), { type: 'vcpu.mode', mode: v.mode });
const requests = ({ context: v, event }: Asked): Outgoing =>
  outgoing(sender(event), { type: 'vcpu.requests', pending: v.requests, exiting: v.mode === 'EXITING_GUEST_MODE' });

/** Halted, asleep or on its way there: a virtual interrupt makes it runnable. */
const isHalted = ({ context: v }: Asked): boolean =>
  v.interrupts && v.blockedUntil !== 'over' && (v.halted === true || v.blockedUntil === 'request');
const requested = ({ context: v, event }: Asked): Partial<Vcpu> =>
  event.type === 'vcpu.setRequest' ? { requests: withRequest(v, event.request) } : {};
const runBy = ({ event }: Asked): Partial<Vcpu> => (event.type === 'guest.runBy' ? { runner: event.runner ?? undefined } : {});

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

/** What guests walk, as states. */
const guestCode = (env: GuestEnv) =>
  expand<Vcpu, GuestLocals, GuestEvent>(
    guestPath(env),
    {
      root: 'vcpu',
      frame: 'guest',
      stepEvent: 'guest.step',
      from: { ...USER_MODE, mode: 'guest', irqs: false },
      ...expandedWith(env),
      acknowledge: (v, letter, sent) =>
        sent.some((message) => message.to === runningThread(v))
          ? []
          : [outgoing(runningThread(v), { type: 'guest.ran', atomic: letter === 'X' })],
    },
    () => guestPath(env, EVERY),
  );

/** A vCPU as it is made, in the place of this one. What mechanisms add stays as it is. */
export const newVcpu = (v: Vcpu): Vcpu => ({ ...v, halted: undefined, runner: undefined, ...OFF });

/** The machine of all vCPUs of one scenario. */
export function vcpuMachine(env: GuestEnv) {
  const ends: Ends = new Set(env.parts.flatMap(({ endsHalt = [] }) => endsHalt));
  const code = guestCode(env);
  return setup({
    types: { context: {} as Vcpu, events: {} as Stamped<GuestEvent>, emitted: {} as Outgoing, input: {} as VcpuInput },
    guards: { isHalted },
    actions: {
      /**
       * kvm_arch_vcpu_runnable() is true from now on.
       * @see kernel virt/kvm/kvm_main.c, kvm_vcpu_wake_up()
       */
      wake: enqueueActions(({ context: v, enqueue }) => {
        if (isBlocked(v)) enqueue.emit(wake(v));
        enqueue.assign({ blockedUntil: 'over' });
      }),
      load: assign({ cpu: ({ context: v, event }) => (event.type === 'vcpu.load' ? event.cpu : v.cpu) }),
      setMode: assign({ mode: ({ context: v, event }) => (event.type === 'vcpu.setMode' ? event.mode : v.mode) }),
      answerMode: emit(mode),
      answerRequests: emit(requests),
      tell: enqueueActions(({ context: v, event, enqueue }) => {
        const flags = event.type === 'vcpu.makeRequest' ? event.flags : {};
        const makes = (event.type === 'vcpu.request' || event.type === 'vcpu.makeRequest') && !flags.noAction;
        const { answer, sent, changes } = told(v, flags);
        enqueue.emit(outgoing(sender(event), { type: 'vcpu.kick', cpu: answer }));
        for (const message of sent) enqueue.emit(message);
        enqueue.assign({ ...changes, requests: makes ? withRequest(v, event.request) : v.requests });
      }),
      clearRequest: enqueueActions(({ context: v, event, enqueue }) => {
        if (event.type !== 'vcpu.clearRequest') return;
        const { ends, next } = cleared(v, event);
        if (ends) enqueue.emit(wake(v));
        enqueue.assign(next);
      }),
      block: enqueueActions(({ context: v, event, enqueue }) => {
        if (event.type !== 'vcpu.block') return;
        const { answer, next } = blocked(v, event, ends);
        enqueue.emit(outgoing(sender(event), answer));
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
    meta: { offers: () => [{ type: 'interrupt' }], stuckIn },
    context: ({ input }) => ({ ...OFF, ...input }),
    initial: code.initial,
    on: {
      interrupt: { guard: 'isHalted', actions: 'wake' },
      'vcpu.load': { actions: 'load' },
      'vcpu.put': { actions: assign({ cpu: null }) },
      'vcpu.setMode': { actions: 'setMode' },
      'vcpu.mode?': { actions: 'answerMode' },
      'vcpu.requests?': { actions: 'answerRequests' },
      'vcpu.request': { actions: 'tell' },
      'vcpu.setRequest': { actions: assign(requested) },
      'vcpu.makeRequest': { actions: 'tell' },
      'vcpu.exitGuestMode': { actions: 'tell' },
      'vcpu.clearRequest': { actions: 'clearRequest' },
      'vcpu.halt': { actions: assign({ halted: true }) },
      'vcpu.runnable': { actions: assign({ halted: undefined }) },
      'vcpu.mpState?': { actions: emit(mpState) },
      'vcpu.block': { actions: 'block' },
      'vcpu.unblock': { actions: 'unblock' },
      'guest.interrupted': { actions: 'setInterrupted' },
      'guest.runBy': { actions: assign(runBy) },
      'guest.reset': { target: `.${code.initial}`, actions: assign({ pc: 0, interrupted: false, asking: null, frames: { guest: {} } }) },
    },
    states: code.states,
  });
}
