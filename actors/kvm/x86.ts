/**
 * What SVM and VMX share of the run loop: vcpu_run(), which does the work of the thread's flags at
 * the tail of each turn, and halts a vCPU at the head of the next one.
 *
 * @see kernel arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_run(), vcpu_run(), vcpu_block(),
 * kvm_emulate_halt()
 */
import { outgoing } from '../../events/event.ts';
import type { ExitReason } from '../../events/kvm.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { otherwise } from '../path/path.ts';
import { haltPath } from './block.ts';
import { vcpuOf } from './kvm-env.ts';
import type { Turn, Vendor } from './kvm-run.ts';
import { recordedAt } from './recordings.ts';
import { X86_REQUESTS } from './requests.ts';
import { exitRequest, handleWork } from './thread-work.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath } = host;
const X86 = (functions: string) => kernelSource(`arch/x86/kvm/x86.c, ${functions}`);
const FPU = X86('kvm_arch_vcpu_ioctl_run(), kvm_load_guest_fpu(), kvm_put_guest_fpu()').source;
const HALT = X86('kvm_emulate_halt(), __kvm_emulate_halt()').source;
const USER_RETURN = X86('kvm_on_user_return()').source;

/** kvm_vcpu_running() was false: mp_state is HALTED. */
const vcpuBlock = (env: HostEnv) => path('vcpu_block', X86('vcpu_block()'), [call(haltPath(env))]);

/**
 * From the guest's FPU to the host's. mp_state belongs to the vCPU and changes under its mutex, so
 * that one look at it is enough; another thread may have left the vCPU halted.
 */
const vcpuRun = (env: HostEnv, { begun, clear, enter }: Turn): readonly HostItem[] => [
  step('kvm_load_guest_fpu', {
    send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.mpState?' }),
    answers: { 'vcpu.mpState': (e) => ({ halted: e.halted ? true : undefined }) },
    ...recordedAt(env, FPU, '6.12-full/fg-run.gz:71'),
  }),
  ...begun(loop(when([(_t, l) => l.halted === true, [call(vcpuBlock(env))]], [otherwise, enter]), clear, ...handleWork(env, [leaveLoop]))),
  step('kvm_put_guest_fpu', recordedAt(env, FPU, '6.12-full/fg-run.gz:90')),
];

/** HLT: the vCPU is halted from now on, and its thread halts it in the next turn. */
const emulateHalt = (env: HostEnv): readonly HostItem[] => [
  step('kvm_emulate_halt', {
    send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.halt' }),
    local: () => ({ halted: true }),
    source: HALT,
    ...recordedAt(env, HALT, '6.12-full/fg-kick.gz:195'),
  }),
];

declare module './slots.ts' {
  interface Keyed {
    /**
     * R12, by exit reason: exits that are handled with interrupts off, before R13. The guest is
     * entered again at once where that is so on this vendor.
     */
    readonly fastpath: Readonly<Partial<Record<ExitReason, Fastpath>>>;
  }
}

/** What handles an exit on the fastpath. @public */
export interface Fastpath {
  readonly items: (env: HostEnv) => readonly HostItem[];
  /** EXIT_FASTPATH_REENTER_GUEST; else EXIT_FASTPATH_EXIT_HANDLED, or user space sees it. */
  readonly reenters: (t: HostThread, l: HostLocals) => boolean;
}

/**
 * The loop around the vendor's run: it goes on while the fastpath has handled the exit and nothing
 * is pending.
 */
const fastpathLoop = (env: HostEnv, run: HostItem): readonly HostItem[] => {
  const handlers = Object.entries(env.slots.keyed('fastpath')) as [ExitReason, Fastpath][];
  if (handlers.length === 0) return [run];
  const again = path('reenter_guest', X86('vcpu_enter_guest(), EXIT_FASTPATH_REENTER_GUEST'), [call(exitRequest(env))]);
  const cases = handlers.map(([reason, { items, reenters }]) => {
    const isIt = (_t: HostThread, l: HostLocals): boolean => l.exit?.reason === reason;
    const goesOn = (t: HostThread, l: HostLocals): boolean => !reenters(t, l);
    return [isIt, [...items(env), when([goesOn, [leaveLoop]])]] as const;
  });
  const isPending = (_t: HostThread, l: HostLocals): boolean => l.pending === true;
  return [
    loop(
      run,
      when(...cases, [otherwise, [leaveLoop]]),
      call(again),
      when([isPending, [leaveLoop]]),
      note(() => ({ exit: undefined })),
    ),
  ];
};

/** The fields of a vendor on which SVM and VMX agree. */
export const x86Vendor = {
  enterGuest: { name: 'vcpu_enter_guest', ...X86('vcpu_enter_guest()') },
  checkRequests: 'kvm_check_requests',
  /** `goto out`: an error of R6 ends vcpu_run(). */
  head: (_env, requests) => [requests, when([(_t, l) => l.returns === true, [leavePath]])],
  errorsReachR10: false,
  aroundGuest: fastpathLoop,
  runLoop: vcpuRun,
  /** MSRs that only user mode needs, such as TSC_AUX and STAR, come back here, not at R19. */
  returnToUser: (env) => [
    step('syscall_exit_to_user_mode', { irqs: false, ns: 20 }),
    step('kvm_on_user_return', { ns: 50, source: USER_RETURN, ...recordedAt(env, USER_RETURN, '6.12-full/fg-preempt.gz:1068') }),
  ],
  loadsForIoctls: true,
  flushRemoteTlbs: 'KVM_REQ_TLB_FLUSH',
  requests: X86_REQUESTS,
  exits: { HLT: emulateHalt },
} satisfies Partial<Vendor> & { readonly exits: object; readonly requests: object };
