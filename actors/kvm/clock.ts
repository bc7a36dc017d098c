/**
 * The clock of a guest whose host has an unstable TSC: each load of a vCPU asks for an update, and
 * R6 makes it under a mutex of the VM. 6.1 and 6.12 do the same.
 *
 * @see kernel arch/x86/kvm/x86.c, kvm_arch_vcpu_load(), kvm_gen_kvmclock_update(),
 * kvm_guest_time_update(); arch/x86/kvm/hyperv.c, kvm_hv_setup_tsc_page()
 */

import { type ActorId, type Outgoing, outgoing } from '../../events/event.ts';
import type { VcpuRequest } from '../../events/kvm.ts';
import { type HostEnv, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { lockMutexPath, MUTEX, unlockMutexStep } from '../kit/mutex.ts';
import { vcpuOf } from './kvm-env.ts';
import { recordedAt } from './recordings.ts';
import type { KvmParts } from './slots.ts';

const { path, step, call } = host;
const X86 = 'arch/x86/kvm/x86.c';

/** Taken; slept for, in state D; and where a host of preemption voluntary gave way. */
const RECORDED_LOCK = '6.1-full/full-run.gz:75 and 6.1-full/hist-preempt.gz:1395-1407 and 6.1-voluntary/hist-preempt.gz:24-36';

/** kvm->arch.hyperv.hv_lock, by the name of the VM. KVM takes it for each VM, Hyper-V's or not. */
export const hvLockId = (vm: string): ActorId => `mutex:hv_lock/${vm}`;

/** kvm_make_request(), by the vCPU's own thread: it neither wakes nor kicks. */
const makeRequest = (env: HostEnv, t: HostThread, request: VcpuRequest): Outgoing =>
  outgoing(vcpuOf(env, t).id, { type: 'vcpu.makeRequest', request, flags: { noWakeup: true } });
const takeRequest = (env: HostEnv, t: HostThread, request: VcpuRequest): Outgoing =>
  outgoing(vcpuOf(env, t).id, { type: 'vcpu.clearRequest', request });
const isMade = { 'vcpu.kick': () => ({}) };

/**
 * What R4 and S5 ask for. With an unstable TSC the host's clock is another, so that no VM has a
 * master clock, and every load asks.
 */
export const askForClock = (env: HostEnv) =>
  env.tsc === 'stable' ? null : { send: (t: HostThread) => makeRequest(env, t, 'KVM_REQ_GLOBAL_CLOCK_UPDATE'), answers: isMade };

/** mutex_lock() of hv_lock: no signal ends the wait. */
const lockHv = (env: HostEnv) =>
  lockMutexPath((t) => hvLockId(vcpuOf(env, t).vm), 'mutex_lock', { known: recordedAt(env, MUTEX.source, RECORDED_LOCK) });

/** The page itself is Hyper-V's; a VM without one takes the mutex to see that there is none. */
const setupTscPage = (env: HostEnv) => {
  const origin = kernelSource('arch/x86/kvm/hyperv.c, kvm_hv_setup_tsc_page()');
  return path('kvm_hv_setup_tsc_page', origin, [
    call(lockHv(env)),
    unlockMutexStep((t) => hvLockId(vcpuOf(env, t).vm), 'mutex_unlock', recordedAt(env, origin.source, '6.1-full/full-run.gz:76')),
  ]);
};

/** The clocks are read with interrupts off, and nothing in the model reads what comes of it. */
const guestTimeUpdate = (env: HostEnv) => {
  const origin = kernelSource(`${X86}, vcpu_enter_guest(), kvm_guest_time_update()`);
  return path('kvm_guest_time_update', origin, [
    step('kvm_check_request', {
      send: (t) => takeRequest(env, t, 'KVM_REQ_CLOCK_UPDATE'),
      ...recordedAt(env, origin.source, '6.1-full/full-run.gz:67'),
    }),
    call(setupTscPage(env)),
  ]);
};

const GENERATE = `${X86}, kvm_gen_kvmclock_update()`;

/** R6 of a host with an unstable TSC. */
export const CLOCK_PARTS: KvmParts = {
  requests: {
    KVM_REQ_GLOBAL_CLOCK_UPDATE: (env) => [
      step('kvm_gen_kvmclock_update', {
        send: (t) => [takeRequest(env, t, 'KVM_REQ_GLOBAL_CLOCK_UPDATE'), makeRequest(env, t, 'KVM_REQ_CLOCK_UPDATE')],
        answers: isMade,
        source: GENERATE,
        ...recordedAt(env, GENERATE, '6.1-full/full-run.gz:66'),
      }),
    ],
    KVM_REQ_CLOCK_UPDATE: (env) => [call(guestTimeUpdate(env))],
  },
};
