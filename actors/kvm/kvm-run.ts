/**
 * KVM_RUN on x86, micro-step by micro-step: the run skeleton R1 to R20 that every vCPU thread walks, and the notifiers that run
 * when it is scheduled out and in.
 *
 * R11, R13 and R14 (debug registers) do nothing as long as no host breakpoint is active, so they are not there.
 *
 * @see kernel arch/x86/kvm/x86.c, vcpu_run(), vcpu_enter_guest(); virt/kvm/kvm_main.c, vcpu_load(), kvm_sched_out()
 */
import { outgoing } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import {
  fatalSignalPending,
  type HostEnv,
  type HostItem,
  type HostLocals,
  type HostPath,
  type HostThread,
  host,
  kernelSource,
  signalPending,
  toCpu,
  vcpuOf,
} from '../host/host-env.ts';
import type { Case } from '../path/path.ts';
import { blockPath } from './block.ts';

/** Where the skeleton calls the vendor's half of KVM. */
export interface Vendor {
  /** R8, prepare_switch_to_guest(). */
  readonly prepare: readonly HostItem[];
  /** R12: into guest mode and back. */
  readonly run: HostPath;
  /** Its exit reasons, looked at before the common ones. */
  readonly exits: readonly Case<HostThread, HostLocals, ThreadEvent>[];
  /** Locals in which an exit is told; they die before the next entry. */
  readonly exitLocals: readonly (keyof HostLocals & string)[];
  /** R19 and S2, the first half of kvm_arch_vcpu_put(). */
  readonly put: readonly HostItem[];
  /** What it adds to kvm_arch_vcpu_load(). */
  readonly load?: readonly HostItem[];
  /** What KVM_RUN leaves for user space, before R19. */
  readonly leave?: readonly HostItem[];
}

const { path, step, call, loop, when, note, leaveLoop, leavePath, preemptDisable, preemptEnable } = host;
const X86 = kernelSource('arch/x86/kvm/x86.c, vcpu_enter_guest()');
const KVM_MAIN = kernelSource('virt/kvm/kvm_main.c');

/** R1: every vCPU ioctl takes the mutex of the vCPU. A signal ends the wait: leaves `granted`, without which the ioctl ends with EINTR. */
export const lockMutex = (env: HostEnv) =>
  path('mutex_lock_killable', kernelSource('virt/kvm/kvm_main.c, kvm_vcpu_ioctl()'), [
    loop(
      step('trylock', {
        send: (t) => outgoing(`mutex:${vcpuOf(env, t).id}`, { type: 'mutex.lock' }),
        answers: { 'mutex.locked': (e) => ({ granted: e.acquired }) },
      }),
      when([(t, l) => l.granted === true || fatalSignalPending(t), [leaveLoop]]),
      step('schedule', { sleeps: true, send: (t) => toCpu(t, { type: 'cpu.sleep' }) }),
    ),
  ]);

/** R2 to R5. */
export const vcpuLoad = (env: HostEnv, vendor: Pick<Vendor, 'load'> = {}) =>
  path('vcpu_load', KVM_MAIN, [
    step('get_cpu', { preempt: 1, ns: 5 }),
    step('preempt_notifier_register', { set: (t) => ({ notifier: vcpuOf(env, t).id }) }),
    step('kvm_arch_vcpu_load', { send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.load', cpu: t.cpu! }) }),
    ...(vendor.load ?? []),
    step('put_cpu', { preempt: -1, ns: 5 }),
  ]);

/** R19. */
export const vcpuPut = (env: HostEnv, vendor: Pick<Vendor, 'put'>) =>
  path('vcpu_put', KVM_MAIN, [
    preemptDisable,
    ...vendor.put,
    step('kvm_arch_vcpu_put', { send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.put' }) }),
    step('preempt_notifier_unregister', { set: () => ({ notifier: null }) }),
    preemptEnable,
  ]);

/** R6: requests; a blocked entry is waited for asleep, unless a signal comes; a dead VM leaves with -EIO. */
const checkRequests = (env: HostEnv) =>
  path(
    'kvm_check_requests',
    X86,
    [
      loop(
        step('test', {
          mayResched: true,
          send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.requests?' }),
          answers: {
            'vcpu.requests': (e) => ({ dead: e.pending.includes('KVM_REQ_VM_DEAD'), blocked: e.pending.includes('KVM_REQ_BLOCK_ENTRY') }),
          },
        }),
        when([(t, l) => l.blocked !== true || l.dead === true || signalPending(t), [leaveLoop]]),
        call(blockPath(env, 'unblocked')),
      ),
    ],
    { locals: ['blocked'] },
  );

/** R10's test: a kick, a request, need_resched or a signal sends the thread back to R6. */
const exitRequest = (env: HostEnv) =>
  path(
    'kvm_vcpu_exit_request',
    X86,
    [
      step('test_requests', {
        send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.requests?' }),
        answers: { 'vcpu.requests': (e) => ({ pending: e.exiting || e.pending.length > 0 }) },
      }),
      when([
        (_t, l) => l.pending !== true,
        [
          step('test_need_resched', {
            send: (t) => toCpu(t, { type: 'cpu.needResched?' }),
            answers: { 'cpu.needResched': (e, t) => ({ pending: e.pending || signalPending(t) }) },
          }),
        ],
      ]),
    ],
    { requires: 'N' },
  );

/** R6 to R16: one turn through guest mode. Leaves `exit`, or `dead`. */
const enterGuest = (env: HostEnv, vendor: Vendor) => {
  const setMode = (mode: 'IN_GUEST_MODE' | 'OUTSIDE_GUEST_MODE') =>
    step(mode, { ns: 5, send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.setMode', mode }) });
  return path(
    'vcpu_enter_guest',
    X86,
    [
      call(checkRequests(env)),
      when([(t, l) => l.dead === true || signalPending(t), [leavePath]]),
      preemptDisable,
      ...vendor.prepare,
      step('local_irq_disable', { irqs: false, ns: 5 }),
      setMode('IN_GUEST_MODE'),
      call(exitRequest(env)),
      when([(_t, l) => l.pending !== true, [call(vendor.run)]]),
      setMode('OUTSIDE_GUEST_MODE'),
      step('local_irq_enable', { irqs: true, ns: 5 }),
      preemptEnable,
    ],
    { locals: ['pending', 'blocked'] },
  );
};

/** R17 by exit reason; a reason that user space must see ends the loop. */
const handleExit = (env: HostEnv, vendor: Vendor) =>
  when(
    ...vendor.exits,
    [(_t, l) => l.exit === 'HLT', [call(blockPath(env, 'request'))]],
    // nmi_interception(): the host's own handler has run by now.
    [(_t, l) => l.exit === 'NMI', []],
    [
      (_t, l) => l.exit === 'INTR',
      [step('handle_external_interrupt', { ns: 50, send: (t) => outgoing(vcpuOf(env, t).id, { type: 'guest.interrupted' }) })],
    ],
    [(_t, l) => l.exit !== undefined, [leaveLoop]],
  );

/** The whole ioctl, R1 to R20. */
export const kvmRunPath = (env: HostEnv, vendor: Vendor) =>
  path(
    'KVM_RUN',
    KVM_MAIN,
    [
      step('ioctl', { mode: 'kernel' }),
      call(lockMutex(env)),
      when([
        (_t, l) => l.granted === true,
        [
          note(() => ({ granted: undefined })),
          call(vcpuLoad(env, vendor)),
          loop(
            call(enterGuest(env, vendor), () => ({
              exit: undefined,
              ...Object.fromEntries(vendor.exitLocals.map((name) => [name, undefined])),
            })),
            when([(_t, l) => l.dead === true, [leaveLoop]]),
            handleExit(env, vendor),
            // R18: -EINTR.
            when([signalPending, [leaveLoop]]),
          ),
          ...(vendor.leave ?? []),
          call(vcpuPut(env, vendor)),
          step('mutex_unlock', { send: (t) => outgoing(`mutex:${vcpuOf(env, t).id}`, { type: 'mutex.unlock' }) }),
        ],
      ]),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['exit', 'dead', 'granted', ...vendor.exitLocals] },
  );

/** S2: the notifier of a thread that is scheduled out. */
export const schedOutPath = (put: Vendor['put']) =>
  path('kvm_sched_out', KVM_MAIN, [...put, host.step('kvm_arch_vcpu_put', { send: (t) => outgoing(t.notifier!, { type: 'vcpu.put' }) })]);
export const kvmSchedOut = schedOutPath([]);
/** S5: and in. */
export const schedInPath = (load: readonly HostItem[]) =>
  path('kvm_sched_in', KVM_MAIN, [
    host.step('kvm_arch_vcpu_load', { send: (t) => outgoing(t.notifier!, { type: 'vcpu.load', cpu: t.cpu! }) }),
    ...load,
  ]);
export const kvmSchedIn = schedInPath([]);
