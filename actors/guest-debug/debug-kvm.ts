/**
 * What guest debugging fills of KVM on x86: events that are injected (R6), the debug registers
 * around each entry (R11, R13, R14), the exits of MOV DR, #DB and #BP, KVM_SET_GUEST_DEBUG, and the
 * debugger in user space that gets what KVM hands on.
 *
 * @see kernel arch/x86/kvm/x86.c, vcpu_enter_guest(), kvm_arch_vcpu_ioctl_set_guest_debug();
 * arch/x86/kvm/svm/svm.c, dr_interception(), db_interception(); arch/x86/kvm/vmx/vmx.c, handle_dr()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { HostBreakpointsEvent } from '../../events/guest-debug/host-breakpoints.ts';
import type { DbExit, DrExit, VcpuDebugEvent } from '../../events/guest-debug/kvm-debug.ts';
import type { BreakpointAddresses, DebugExit, X86GuestDebugFlag } from '../../events/guest-debug/x86-debug.ts';
import type { SetGuestDebugOp } from '../../events/program.ts';
import { hasBits, type U64 } from '../../events/u64.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { exitInfo, vcpuOf } from '../kvm/kvm-env.ts';
import type { KvmParts, SlotItems, VcpuIoctl } from '../kvm/slots.ts';
import type { UserLoop } from '../kvm/vmm.ts';
import type { Fastpath } from '../kvm/x86.ts';
import type { Source } from '../path/path.ts';
import { exceptionInfo } from '../vmx/vmx.ts';
import { hbpOf } from './host-breakpoints.ts';
import { kdbOf } from './vcpu-debug.ts';
import type { VcpuDebugDesign } from './vcpu-debug-state.ts';
import type { DebugVendor } from './x86-debug-rule.ts';

const { path, step, call, when, note } = host;
const X86 = (functions: string) => kernelSource(`arch/x86/kvm/x86.c, ${functions}`);
const SVM = (functions: string) => kernelSource(`arch/x86/kvm/svm/svm.c, ${functions}`);
/** QEMU gives back what it does not know by KVM_SET_VCPU_EVENTS with its payload, and goes on. */
const VMM: Source = { source: 'a VMM that injects by KVM_SET_GUEST_DEBUG', grade: 'inferred' };

/** KVM_SET_GUEST_DEBUG as a debugger asks for it. */
interface DebugRequest {
  readonly flags: readonly X86GuestDebugFlag[];
  readonly db: BreakpointAddresses;
  readonly dr7: U64;
}

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** kvm_run->debug.arch of this turn, and of the last KVM_RUN. */
    readonly debugged?: DebugExit | undefined;
    readonly debugExit?: DebugExit | undefined;
    /** An exception waits to be injected, so that KVM_REQ_EVENT is pending. */
    readonly debugQueued?: boolean | undefined;
    readonly debugErrno?: 'EBUSY' | undefined;
    /** hw_breakpoint_active() on this CPU. */
    readonly hostActive?: boolean | undefined;
  }
  interface HostThread {
    /** What its last KVM_SET_GUEST_DEBUG gave. */
    readonly guestDebugSet?: 'ok' | 'EBUSY' | undefined;
  }
}

const toKdb = (env: HostEnv, t: HostThread, event: VcpuDebugEvent) => outgoing(kdbOf(vcpuOf(env, t).id), event);
const tell = (name: string, source: Source, event: (t: HostThread) => VcpuDebugEvent, env: HostEnv): HostItem =>
  step(name, { ...source, ns: 10, send: (t) => toKdb(env, t, event(t)) });

/** The handler of an exit, and whether user space sees it. */
const handled = (env: HostEnv, name: string, source: Source, event: (l: HostLocals) => VcpuDebugEvent): HostItem =>
  step(name, {
    ...source,
    send: (t, l) => [toKdb(env, t, event(l)), toKdb(env, t, { type: 'kdb.exit?' })],
    answers: { 'kdb.exit': ({ exit, queued }) => ({ debugQueued: queued, ...(exit !== null && { debugged: exit, returns: true }) }) },
  });

const drEvent = ({ dr, write, value, rip, next }: DrExit): VcpuDebugEvent => ({ type: 'kdb.dr', dr, write, value, rip, next });
const dbEvent = ({ bits, icebp, rip, next }: DbExit): VcpuDebugEvent => ({ type: 'kdb.db', bits, icebp, rip, next });

/** R17 on SVM. */
const svmExits = {
  READ_DR: (env: HostEnv) => [handled(env, 'dr_interception_read', SVM('dr_interception()'), (l) => drEvent(exitInfo(l, 'READ_DR')))],
  WRITE_DR: (env: HostEnv) => [handled(env, 'dr_interception_write', SVM('dr_interception()'), (l) => drEvent(exitInfo(l, 'WRITE_DR')))],
  EXCP_DB: (env: HostEnv) => [handled(env, 'db_interception', SVM('db_interception()'), (l) => dbEvent(exitInfo(l, 'EXCP_DB')))],
  EXCP_AC: (env: HostEnv) => [tell('ac_interception', SVM('ac_interception()'), () => ({ type: 'kdb.ac' }), env)],
  EXCP_BP: (env: HostEnv) => [
    handled(env, 'bp_interception', SVM('bp_interception()'), (l) => ({ type: 'kdb.bp', rip: exitInfo(l, 'EXCP_BP').rip })),
  ],
};

const VMX = kernelSource('arch/x86/kvm/vmx/vmx.c, handle_exception_nmi()');

/** R17 on VMX. */
const vmxExits = {
  exits: {
    DR_ACCESS: (env: HostEnv) => [
      handled(env, 'handle_dr', kernelSource('arch/x86/kvm/vmx/vmx.c, handle_dr()'), (l) => drEvent(exitInfo(l, 'DR_ACCESS'))),
    ],
  },
  exceptions: {
    DB: { items: (env: HostEnv) => [handled(env, 'handle_db', VMX, (l) => dbEvent(exceptionInfo(l, 'DB')))] },
    BP: {
      items: (env: HostEnv) => [handled(env, 'handle_bp', VMX, (l) => ({ type: 'kdb.bp', rip: exceptionInfo(l, 'BP').rip }))],
    },
  },
};

const FASTPATH = X86('handle_fastpath_set_msr_irqoff(), handle_fastpath_set_tscdeadline()');
const skips = (l: HostLocals): Extract<VcpuDebugEvent, { type: 'kdb.skip' }> => ({
  type: 'kdb.skip',
  next: exitInfo(l, 'MSR_FASTPATH').next,
});
/** SVM has no timer of its own for the deadline. */
const isHandledIrqoff = (vendor: DebugVendor) => (_t: HostThread, l: HostLocals) =>
  vendor === 'vmx' || exitInfo(l, 'MSR_FASTPATH').msr === 'x2apic-icr';

const fastpathOf = ({ vendor, icrReenters, fastpathExits }: VcpuDebugDesign): Fastpath => {
  const isHandled = isHandledIrqoff(vendor);
  const skipsIrqoff = (l: HostLocals): VcpuDebugEvent => (fastpathExits ? skips(l) : { ...skips(l), unheeded: true });
  return {
    items: (env) => [when([isHandled, [handled(env, 'handle_fastpath_set_msr_irqoff', FASTPATH, skipsIrqoff)]])],
    reenters: (t, l) =>
      isHandled(t, l) &&
      (exitInfo(l, 'MSR_FASTPATH').msr === 'tsc-deadline' || icrReenters) &&
      l.returns !== true &&
      l.debugQueued !== true,
  };
};

/** R17 on SVM: what the fastpath has not handled. */
const msrInterception = (env: HostEnv) => {
  const isLeft = (t: HostThread, l: HostLocals) => !isHandledIrqoff('svm')(t, l);
  return [when([isLeft, [handled(env, 'msr_interception', SVM('msr_interception(); arch/x86/kvm/x86.c, kvm_emulate_wrmsr()'), skips)]])];
};

/** The guest goes on, and what it vectored is injected again. */
const handleNotify: HostItem = step('handle_notify', { ...kernelSource('arch/x86/kvm/vmx/vmx.c, handle_notify()'), ns: 10 });

/** What the operation asks for. ENABLE is set with any other flag, unless it says what it is. */
function requestOf({ enable, hw, step: single, sw, injectDb, injectBp, blockirq, dr0, dr1, dr2, dr3, dr7 }: SetGuestDebugOp): DebugRequest {
  const given: readonly (readonly [X86GuestDebugFlag, boolean | undefined])[] = [
    ['BLOCKIRQ', blockirq],
    ['INJECT_BP', injectBp],
    ['INJECT_DB', injectDb],
    ['SINGLESTEP', single],
    ['USE_HW_BP', hw],
    ['USE_SW_BP', sw],
  ];
  const flags = given.flatMap(([flag, isSet]) => (isSet ? [flag] : []));
  const isEnabled = enable ?? flags.length > 0;
  return { flags: isEnabled ? [...flags, 'ENABLE' as const].sort() : flags, db: [dr0 ?? 0, dr1 ?? 0, dr2 ?? 0, dr3 ?? 0], dr7: dr7 ?? 0 };
}

const setsDebug = (env: HostEnv, t: HostThread): SetGuestDebugOp => {
  const op = opOf(env, t);
  if (op.op !== 'KVM_SET_GUEST_DEBUG') throw new Error(`the thread stands at ${op.op}, not at KVM_SET_GUEST_DEBUG`);
  return op;
};

const SET_GUEST_DEBUG: VcpuIoctl = {
  ...X86('kvm_arch_vcpu_ioctl_set_guest_debug()'),
  locals: ['debugErrno'],
  items: (env) => [
    step('kvm_arch_vcpu_ioctl_set_guest_debug', {
      send: (t) => toKdb(env, t, { type: 'kdb.setGuestDebug', ...requestOf(setsDebug(env, t)) }),
      answers: { 'kdb.guestDebugSet': ({ error }) => ({ debugErrno: error ?? undefined }) },
    }),
    step('guest_debug_set', {
      ns: 5,
      set: (_t, l) => ({ guestDebugSet: l.debugErrno ?? 'ok' }),
    }),
  ],
};

/** Breakpoints of DR0 to DR3 that were hit where instructions stand: R/W is 0. */
const isAtInsn = ({ exception, dr6, dr7 }: DebugExit): boolean =>
  exception === 'DB' && [0, 1, 2, 3].some((n) => hasBits(dr6, 1 << n) && !hasBits(dr7, 0b11 << (16 + 4 * n)));

/** Where the instruction behind a breakpoint of the debugger's own stands. */
const BREAKPOINT_BYTES = 3;

/**
 * KVM_EXIT_DEBUG in user space. What the debugger knows it reports: it steps on, and goes on behind
 * a watchpoint; a breakpoint it takes away. What it does not know goes back to the guest, and with
 * that it stops debugging.
 */
const handleDebug = (env: HostEnv, known: boolean) => {
  const off = (name: string, flags: (l: HostLocals) => readonly X86GuestDebugFlag[]) =>
    step(name, {
      ...X86('kvm_arch_vcpu_ioctl_set_guest_debug()'),
      send: (t, l) => toKdb(env, t, { type: 'kdb.setGuestDebug', flags: flags(l), db: [0, 0, 0, 0], dr7: 0 }),
      answers: { 'kdb.guestDebugSet': () => ({}) },
    });
  if (!known) return path('handle_debug', VMM, [off('give_back', (l) => [l.debugExit!.exception === 'BP' ? 'INJECT_BP' : 'INJECT_DB'])]);
  return path('handle_debug', VMM, [
    step('report_to_debugger'),
    when(
      [(_t, l) => isAtInsn(l.debugExit!), [off('remove_breakpoints', () => [])]],
      [
        (_t, l) => l.debugExit!.exception === 'BP',
        [
          step('step_over_int3', {
            send: (t, l) => toKdb(env, t, { type: 'kdb.setRegs', rip: Number(l.debugExit!.rip) + BREAKPOINT_BYTES }),
          }),
        ],
      ],
    ),
  ]);
};

const userLoop = (debuggers: DebugHost['debuggers']): UserLoop => ({
  reactions: (env) =>
    [true, false]
      .filter((known) => [...debuggers.values()].includes(known))
      .map((known) => [
        (t: HostThread, l: HostLocals) => l.debugExit !== undefined && debuggers.get(vcpuOf(env, t).id) === known,
        [call(handleDebug(env, known))],
      ]),
  locals: ['debugExit'],
});

/** Behind SEV-SNP's and split-lock detection's. */
const ORDER = 20;

const HW_BREAKPOINT = kernelSource('arch/x86/include/asm/debugreg.h, hw_breakpoint_active()');
const toHbp = (t: HostThread, event: HostBreakpointsEvent) => outgoing(hbpOf(t.cpu!), event);

/** R11 asks whether the host has armed a breakpoint on this CPU. */
const askHost: HostItem = step('hw_breakpoint_active', {
  ...HW_BREAKPOINT,
  ns: 5,
  send: (t) => toHbp(t, { type: 'hbp.active?' }),
  answers: { 'hbp.active': ({ active }) => ({ hostActive: active }) },
});

/** R14. */
const restoreHost: SlotItems = {
  order: ORDER,
  items: () => [
    step('hw_breakpoint_restore', {
      ...kernelSource('arch/x86/kvm/x86.c, vcpu_enter_guest(); arch/x86/kernel/hw_breakpoint.c, hw_breakpoint_restore()'),
      ns: 10,
      send: (t) => toHbp(t, { type: 'hbp.restore' }),
    }),
  ],
};

/** What is known of a host before its run. */
export interface DebugHost {
  readonly design: VcpuDebugDesign;
  /** By vCPU, whether its debugger knows what it is told; empty where nothing is debugged. */
  readonly debuggers: ReadonlyMap<ActorId, boolean>;
  /** Some thread arms breakpoints of the host. */
  readonly hostArms: boolean;
}

/** The slots that the mechanism fills. */
export function debugKvm({ design, debuggers, hostArms }: DebugHost): KvmParts {
  const { vendor } = design;
  const prepare: Source = X86('vcpu_enter_guest(), set_debugreg()');
  return {
    load: {
      order: ORDER,
      items: (env) => [tell('kvm_arch_vcpu_load_debug', X86('kvm_arch_vcpu_load()'), (t) => ({ type: 'kdb.load', cpu: t.cpu! }), env)],
    },
    put: { order: ORDER, items: (env) => [tell('kvm_arch_vcpu_put_debug', X86('kvm_arch_vcpu_put()'), () => ({ type: 'kdb.put' }), env)] },
    injection: {
      order: ORDER,
      items: (env) => [tell('inject_pending_event', X86('kvm_check_and_inject_events()'), () => ({ type: 'kdb.inject' }), env)],
    },
    cancel: {
      order: ORDER,
      items: (env) => [tell('cancel_injection', X86('vcpu_enter_guest(), cancel_injection'), () => ({ type: 'kdb.cancel' }), env)],
    },
    beforeGuest: {
      order: ORDER,
      locals: ['hostActive'],
      items: (env) => [
        ...(hostArms ? [askHost] : []),
        step('set_debugreg', {
          ...prepare,
          ns: 10,
          send: (t, l) => toKdb(env, t, { type: 'kdb.prepare', hostActive: l.hostActive === true }),
        }),
      ],
    },
    entering: { order: ORDER, send: (env, t) => [toKdb(env, t, { type: 'kdb.enter' })] },
    leaving: { order: ORDER, send: (env, t) => [toKdb(env, t, { type: 'kdb.leave' })] },
    afterGuest: {
      order: ORDER,
      items: (env) => [tell('sync_dirty_debug_regs', X86('vcpu_enter_guest(), KVM_DEBUGREG_WONT_EXIT'), () => ({ type: 'kdb.sync' }), env)],
    },
    ...(vendor === 'vmx' && { exceptions: vmxExits.exceptions }),
    exits:
      vendor === 'svm'
        ? { ...svmExits, MSR_FASTPATH: msrInterception }
        : { ...vmxExits.exits, MSR_FASTPATH: () => [], NOTIFY: () => [handleNotify] },
    ...(hostArms && { restore: restoreHost }),
    turnLocals: ['debugged', 'debugQueued'],
    fastpath: { MSR_FASTPATH: fastpathOf(design) },
    hasInsns: true,
    ...(debuggers.size > 0 && {
      leaveToUser: { order: ORDER, items: () => [note((_t, l) => ({ debugExit: l.debugged }))] },
      userLoop: userLoop(debuggers),
      vcpuIoctls: { KVM_SET_GUEST_DEBUG: SET_GUEST_DEBUG },
    }),
  };
}
