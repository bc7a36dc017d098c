/**
 * KVM_RUN, micro-step by micro-step: the run skeleton R1 to R21 that every vCPU thread walks. The
 * vendor gives the loop around it (`x86.ts`, `../arm64/`), the way into guest mode and back (R12)
 * and the names of its functions; mechanisms fill the slots (`slots.ts`).
 *
 * @see kernel arch/x86/kvm/x86.c, vcpu_run(), vcpu_enter_guest(); arch/arm64/kvm/arm.c,
 * kvm_arch_vcpu_ioctl_run(); kernel/entry/kvm.c, xfer_to_guest_mode_handle_work()
 */
import { outgoing } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import type { ExitReason, GuestExit, VcpuRequest } from '../../events/kvm.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { type Case, otherwise, type Source } from '../path/path.ts';
import { saying } from '../path/saying.ts';
import { guestOf, vcpuOf } from './kvm-env.ts';
import { recordedAt } from './recordings.ts';
import { REQUEST_FLAGS } from './requests.ts';
import type { Keyed, KvmParts } from './slots.ts';
import { exitRequest } from './thread-work.ts';
import { completeUserspaceIo, noteUserExit, type UserIoFunctions } from './user-exits.ts';
import { lockMutex, unlockMutex, vcpuLoad, vcpuPut } from './vcpu-load.ts';

/** What a vendor puts into its run loop. */
export interface Turn {
  /** The loop, behind what stands before its first turn and may end KVM_RUN. */
  readonly begun: (runLoop: HostItem) => readonly HostItem[];
  /** R6 to R17; leaves the loop where KVM_RUN ends. */
  readonly enter: readonly HostItem[];
  /** What is known of a turn is forgotten. */
  readonly clear: HostItem;
}

/** What an architecture's half of KVM gives the skeleton. */
export interface Vendor {
  readonly name: string;
  /** The function of R6 to R16, and of R6's requests, by the kernel's names. */
  readonly enterGuest: Source & { readonly name: string };
  readonly checkRequests: string;
  /** What stands before R7: R6, whose handlers say by `returns` that KVM_RUN is over. */
  readonly head: (env: HostEnv, requests: HostItem) => readonly HostItem[];
  /** Whether a turn that `returns` at its head walks on to R10, where it is given up. */
  readonly errorsReachR10: boolean;
  /** R12: what stands around the entry and the exit; they are alone unless given. */
  readonly aroundGuest?: (env: HostEnv, run: HostItem) => readonly HostItem[];
  /** R8: steps of the vendor's own, before those of mechanisms. */
  readonly prepare: readonly HostItem[];
  /** Between R5 and R19: turns, and where the work of the thread's flags is done (R18). */
  readonly runLoop: (env: HostEnv, turn: Turn) => readonly HostItem[];
  /** The way out to user mode; interrupts are off at its end, if it has steps. */
  readonly returnToUser: (env: HostEnv) => readonly HostItem[];
  /**
   * R12, by the names of the function and of its two instructions. `hasInsns`: guests have
   * instructions of several micro-steps.
   */
  readonly worldSwitch: Source & { readonly name: string; readonly enter: string; readonly leave: string; readonly hasInsns: boolean };
  /** Whether the recordings are of this vendor (`recordings.ts`). */
  readonly isRecorded?: true;
  /** Whether an ioctl on a vCPU loads it. */
  readonly loadsForIoctls: boolean;
  /** What flushes the TLBs of all CPUs: a request to each vCPU, or this instruction. */
  readonly flushRemoteTlbs: 'KVM_REQ_TLB_FLUSH' | (Source & { readonly name: string });
  /** What it leaves to user space, and how it goes on from there. */
  readonly userIo: UserIoFunctions;
  /** What the vendor itself handles, and keyed slots that hosts of this vendor alone have. */
  readonly parts: KvmParts;
  readonly keyed?: readonly (keyof Keyed)[];
}

declare module '../host/host-env.ts' {
  interface HostEnv {
    readonly vendor: Vendor;
  }
}

type HostCase = Case<HostThread, HostLocals, ThreadEvent>;
const { path, step, call, loop, when, note, leaveLoop, preemptDisable } = host;
const KVM_MAIN = kernelSource('virt/kvm/kvm_main.c');

const has = (name: string) => saying(`${name} is pending`, (_t: HostThread, l: HostLocals) => l.requests!.includes(name as VcpuRequest));

const returns = (_t: HostThread, l: HostLocals): boolean => l.returns === true;

/**
 * R6: each request by its handler, until none is left that has one, or one ends KVM_RUN. Signals
 * and need_resched are not looked at.
 */
const checkRequests = (env: HostEnv) => {
  const handlers = env.slots.keyed('requests');
  const { KVM_REQ_VM_DEAD: dead, ...others } = handlers;
  const isDead = (t: HostThread, l: HostLocals): boolean => {
    const untaken = l.requests!.find((request) => handlers[request] === undefined);
    return untaken === undefined ? has('KVM_REQ_VM_DEAD')(t, l) : env.slots.refuse('requests', untaken, env);
  };
  return path(
    env.vendor.checkRequests,
    env.vendor.enterGuest,
    [
      loop(
        step('test', {
          send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.requests?' }),
          answers: { 'vcpu.requests': (e) => ({ requests: e.pending }) },
        }),
        when([isDead, dead!(env)], ...Object.entries(others).map(([name, items]): HostCase => [has(name), items(env)]), [
          otherwise,
          [leaveLoop],
        ]),
      ),
    ],
    { locals: ['requests'] },
  );
};

const hasInsnsOn = ({ vendor, slots }: HostEnv): boolean => vendor.worldSwitch.hasInsns || slots.hasInsns;

/**
 * R12, the guest itself: micro-steps of the guest until it exits, or an interrupt of its CPU ends
 * guest mode. Leaves `exit`.
 */
const inGuestMode = (env: HostEnv): HostItem => {
  const hasInsns = hasInsnsOn(env);
  const exitsInside = env.slots.hasInsns;
  const exit = {
    vmexit: ({ reason, info }: GuestExit) => ({ exit: { reason, info } as GuestExit, ...(exitsInside && { atomic: false }) }),
  };
  const guestStep = (t: HostThread, l: HostLocals) => outgoing(guestOf(env, t, l), { type: 'guest.step' });
  return loop(
    step('guest', {
      idles: true,
      send: guestStep,
      answers: {
        'guest.ran': (e) => (hasInsns ? { atomic: e.atomic } : {}),
        ...exit,
      },
      wakes: { 'cpu.interrupt': (e) => ({ exit: { reason: hasInsns && e.spurious ? 'NMI' : 'INTR', info: null } }) },
    }),
    when([(_t, l) => l.exit !== undefined, [leaveLoop]]),
    ...(hasInsns
      ? [
          when([
            (_t: HostThread, l: HostLocals) => l.atomic === true,
            [
              loop(
                step('guest_insn', {
                  inside: true,
                  idles: true,
                  send: guestStep,
                  answers: { 'guest.ran': (e) => ({ atomic: e.atomic }), ...(exitsInside && exit) },
                }),
                when([(_t, l) => l.atomic === false, [leaveLoop]]),
              ),
            ],
          ]),
          ...(exitsInside ? [when([(_t: HostThread, l: HostLocals) => l.exit !== undefined, [leaveLoop]])] : []),
        ]
      : []),
  );
};

/** R12: the instruction that enters the guest, the guest, and the exit. Leaves `exit`. */
const worldSwitch = (env: HostEnv) => {
  const { slots, vendor } = env;
  const { name, enter, leave, source, grade } = vendor.worldSwitch;
  return path(
    name,
    { source, grade },
    [
      ...slots.items('entry', env),
      step(enter, {
        mode: 'guest',
        ns: 500,
        send: (t, l) => slots.messages('entering', env, t, l),
        ...recordedAt(env, source, '6.12-full/fg-run.gz:79-80'),
      }),
      inGuestMode(env),
      step(leave, {
        inside: true,
        mode: 'kernel',
        ns: 800,
        send: (t, l) => slots.messages('leaving', env, t, l),
        ...recordedAt(env, source, '6.12-full/fg-run.gz:83-85'),
      }),
      ...slots.items('afterExit', env),
    ],
    { locals: [...(hasInsnsOn(env) ? (['atomic'] as const) : []), ...slots.locals('entry', 'afterExit')], requires: 'N' },
  );
};

/** R6 to R16: one turn through guest mode. Leaves `exit` if the guest was entered, or `returns`. */
const enterGuest = (env: HostEnv) => {
  const { enterGuest: origin, head, errorsReachR10, prepare } = env.vendor;
  const { slots } = env;
  const setMode = (mode: 'IN_GUEST_MODE' | 'OUTSIDE_GUEST_MODE') =>
    step(mode, { ns: 5, send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.setMode', mode }) });
  const throughGuest = [
    ...slots.items('beforeGuest', env),
    ...(env.vendor.aroundGuest?.(env, call(worldSwitch(env))) ?? [call(worldSwitch(env))]),
    ...slots.items('afterGuest', env),
    ...slots.items('restore', env),
  ];
  const cancelled = slots.items('cancel', env);
  const ifNothingIsPending = [
    call(exitRequest(env)),
    when(
      [(_t: HostThread, l: HostLocals) => l.pending !== true, throughGuest],
      ...(cancelled.length > 0 ? [[otherwise, cancelled] as const] : []),
    ),
  ];
  return path(
    origin.name,
    origin,
    [
      ...head(env, call(checkRequests(env))),
      ...slots.items('injection', env),
      preemptDisable,
      ...prepare,
      ...slots.items('beforeEntry', env),
      step('local_irq_disable', { irqs: false, ns: 5 }),
      setMode('IN_GUEST_MODE'),
      ...(errorsReachR10 ? [when([(_t: HostThread, l: HostLocals) => l.returns !== true, ifNothingIsPending])] : ifNothingIsPending),
      setMode('OUTSIDE_GUEST_MODE'),
      step('local_irq_enable', { irqs: true, ns: 5, ...recordedAt(env, origin.source, '6.12-full/fg-preempt.gz:207-213') }),
      step('preempt_enable', { preempt: -1, ns: 5, ...recordedAt(env, origin.source, '6.12-full/fg-preempt.gz:213-214') }),
    ],
    { locals: ['pending', ...slots.locals('injection', 'beforeEntry', 'beforeGuest', 'afterGuest', 'restore', 'cancel')] },
  );
};

const is = (reason: ExitReason) => saying(`the exit is ${reason}`, (_t: HostThread, l: HostLocals) => l.exit?.reason === reason);

/**
 * R17 by exit reason; a reason that user space must see ends the loop, and one that nothing takes
 * the run.
 */
const handleExit = (env: HostEnv): readonly HostItem[] => {
  const ended = when([returns, [leaveLoop]]);
  const handlers = Object.entries(env.slots.keyed('exits')).map(
    ([reason, items]): HostCase => [is(reason as ExitReason), [...items(env), ended]],
  );
  const before = env.slots.items('beforeHandler', env);
  return [
    ...(before.length > 0 ? [...before, ended] : []),
    when(...handlers, [(_t, l) => l.exit !== undefined && env.slots.isToUser(l.exit.reason, env), [leaveLoop]]),
  ];
};

/** What KVM handles on every host. */
export const KVM_PARTS: KvmParts = {
  toUser: ['SHUTDOWN', 'INVALID'],
  requestFlags: REQUEST_FLAGS,
  // -EIO.
  requests: { KVM_REQ_VM_DEAD: () => [note(() => ({ returns: true, dead: true })), leaveLoop] },
  exits: {
    // nmi_interception(): the host's own handler has run by now.
    NMI: () => [],
    INTR: (env) => [
      step('handle_external_interrupt', { ns: 50, send: (t, l) => outgoing(guestOf(env, t, l), { type: 'guest.interrupted' }) }),
    ],
  },
};

/** What stands before the loop may have ended KVM_RUN without an entry. */
const unlessEnded = (env: HostEnv, runLoop: readonly HostItem[]): readonly HostItem[] =>
  env.slots.items('beforeRun', env).length === 0 ? runLoop : [when([(_t, l) => l.notRun !== true, runLoop])];

/** The whole ioctl, R1 to R21. */
export const kvmRunPath = (env: HostEnv) => {
  const ofTurn: readonly (keyof HostLocals & string)[] = ['exit', 'returns', ...env.slots.turnLocals()];
  const turn: Turn = {
    begun: (runLoop) => [...completeUserspaceIo(env, 'after-load'), ...env.slots.items('beforeRun', env), ...unlessEnded(env, [runLoop])],
    enter: [call(enterGuest(env)), when([returns, [leaveLoop]]), ...handleExit(env)],
    clear: note(() => Object.fromEntries(ofTurn.map((name) => [name, undefined]))),
  };
  const slotLocals = env.slots.locals('ioctlEntry', 'ioctlExit', 'beforeLoad', 'beforeRun');
  const underMutex = [
    note(() => ({ granted: undefined })),
    ...completeUserspaceIo(env, 'before-load'),
    ...env.slots.items('beforeLoad', env),
    call(vcpuLoad(env)),
    ...env.vendor.runLoop(env, turn),
    ...noteUserExit(env),
    ...env.slots.items('leaveToUser', env),
    call(vcpuPut(env)),
    unlockMutex(env),
  ];
  return path(
    'KVM_RUN',
    KVM_MAIN,
    [
      step('ioctl', { mode: 'kernel' }),
      ...env.slots.unlessRefused('ioctlEntry', env, [call(lockMutex(env)), when([(_t, l) => l.granted === true, underMutex])]),
      ...env.slots.items('ioctlExit', env),
      ...env.vendor.returnToUser(env),
      step('sysret', { mode: 'user', irqs: true }),
    ],
    { locals: ['dead', 'granted', 'halted', 'refused', ...ofTurn, ...slotLocals] },
  );
};
