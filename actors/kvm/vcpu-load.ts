/**
 * The frame of every ioctl on a vCPU: its mutex (R1, R20), load and put (R2 to R5, R19), and the
 * preempt notifiers that do the same when the thread is scheduled out and in (S2, S5).
 *
 * @see kernel virt/kvm/kvm_main.c, vcpu_load(), vcpu_put(), kvm_sched_out(), kvm_sched_in()
 */

import { outgoing } from '../../events/event.ts';
import { fatalSignalPending, type HostEnv, type HostItem, type HostThread, host, kernelSource, type Notifiers } from '../host/host-env.ts';
import { lockMutexPath, unlockMutexStep } from '../kit/mutex.ts';
import { askForClock } from './clock.ts';
import { vcpuOf } from './kvm-env.ts';
import { recordedAt } from './recordings.ts';

const { path, step, preemptDisable, preemptEnable } = host;
const KVM_MAIN = kernelSource('virt/kvm/kvm_main.c');
const LOCK = 'virt/kvm/kvm_main.c, kvm_vcpu_ioctl(); kernel/locking/mutex.c, mutex_lock_killable(), __mutex_lock_common()';
/** Where kvm_main.c is recorded: by the ioctl itself, and as a notifier. */
const IN_IOCTL = { load: '6.12-full/fg-run.gz:67-69', put: '6.12-full/fg-run.gz:92-94' };
const NOTIFIED = { load: '6.12-full/fg-preempt.gz:250-254', put: '6.12-full/fg-preempt.gz:215-219' };

const seen = (env: HostEnv, at: string) => recordedAt(env, KVM_MAIN.source, at);

/**
 * R1: every vCPU ioctl takes the mutex of the vCPU. A signal ends the wait: leaves `granted`,
 * without which the ioctl ends with EINTR.
 * @public
 */
export const lockMutex = (env: HostEnv) =>
  lockMutexPath(
    (t) => `mutex:${vcpuOf(env, t).id}`,
    'mutex_lock_killable',
    { known: recordedAt(env, LOCK, '6.12-full/fg-run.gz:63'), ends: fatalSignalPending },
    kernelSource(LOCK),
  );

/** R20. @public */
export const unlockMutex = (env: HostEnv, set?: () => Partial<HostThread>): HostItem =>
  unlockMutexStep((t) => `mutex:${vcpuOf(env, t).id}`, 'mutex_unlock', { ...(set && { set }), ...seen(env, '6.12-full/fg-run.gz:99') });

/** R4: kvm_arch_vcpu_load(). @public */
export const archLoad = (env: HostEnv, at = IN_IOCTL.load): readonly HostItem[] => {
  const clock = askForClock(env);
  return [
    step('kvm_arch_vcpu_load', {
      send: (t) => [outgoing(vcpuOf(env, t).id, { type: 'vcpu.load', cpu: t.cpu! }), ...(clock === null ? [] : [clock.send(t)])],
      ...(clock !== null && { answers: clock.answers }),
      ...seen(env, at),
    }),
    ...env.slots.items('load', env),
  ];
};

/** R19: kvm_arch_vcpu_put(). @public */
export const archPut = (env: HostEnv, at = IN_IOCTL.put): readonly HostItem[] => [
  ...env.slots.items('put', env),
  step('kvm_arch_vcpu_put', {
    send: (t, l) => [outgoing(vcpuOf(env, t).id, { type: 'vcpu.put' }), ...env.slots.messages('putting', env, t, l)],
    ...seen(env, at),
  }),
];

/** R2 to R5. @public */
export const vcpuLoad = (env: HostEnv) =>
  path(
    'vcpu_load',
    KVM_MAIN,
    [
      step('get_cpu', { preempt: 1, ns: 5 }),
      step('preempt_notifier_register', { set: (t) => ({ notifier: vcpuOf(env, t).id }), ...seen(env, '6.12-full/fg-run.gz:66') }),
      ...archLoad(env),
      step('put_cpu', { preempt: -1, ns: 5 }),
    ],
    { locals: env.slots.locals('load') },
  );

/** R19. @public */
export const vcpuPut = (env: HostEnv) =>
  path(
    'vcpu_put',
    KVM_MAIN,
    [
      preemptDisable,
      ...archPut(env),
      step('preempt_notifier_unregister', { set: () => ({ notifier: null }), ...seen(env, '6.12-full/fg-run.gz:95') }),
      preemptEnable,
    ],
    { locals: env.slots.locals('put') },
  );

/** S2 and S5: the notifiers of a thread that runs a vCPU. */
export const kvmNotifiers = (env: HostEnv): Notifiers => ({
  out: path('kvm_sched_out', KVM_MAIN, archPut(env, NOTIFIED.put), { locals: env.slots.locals('put') }),
  into: path('kvm_sched_in', KVM_MAIN, archLoad(env, NOTIFIED.load), { locals: env.slots.locals('load') }),
});
