/** What the paths of arm64 host threads share: which vCPU an operation names, where KVM keeps it, and the mutex of its ioctls. */

import { type ActorId, outgoing } from '../../events/event.ts';
import type { ArmExit, ArmVcpuEvent, DebugPstate, GuestDebugFlag, Sysreg } from '../../events/os-lock/arm-debug.ts';
import { type HostEnv, type HostItem, type HostThread, host, vcpuOf as namedVcpu } from '../host/host-env.ts';
import { lockMutex as lockPath } from '../kvm/kvm-run.ts';
import { armOf, destinationOf } from './arm-vcpu.ts';

declare module '../host/host-env.ts' {
  interface HostLocals {
    readonly arm?: ArmExit | undefined;
    readonly regs?: readonly Sysreg[] | undefined;
    readonly at?: number | undefined;
    readonly value?: number | undefined;
    readonly errno?: 'ENOENT' | 'EINVAL' | undefined;
    readonly debugger?: { readonly flags: readonly GuestDebugFlag[]; readonly known: boolean } | undefined;
    readonly pstate?: DebugPstate | undefined;
    readonly ready?: boolean | undefined;
  }
  interface HostThread {
    /** Its vCPU has been migrated: KVM keeps it at the destination. */
    readonly migrated?: true | undefined;
  }
}

const { step, call } = host;

/** The vCPU that the operation names. */
export const vcpuOf = (env: HostEnv, t: HostThread): ActorId => namedVcpu(env, t).id;

/** Where KVM keeps a vCPU for this thread. */
export const keptOf = (t: HostThread, vcpu: ActorId): ActorId => (t.migrated ? destinationOf(armOf(vcpu)) : armOf(vcpu));
export const toArm = (env: HostEnv, t: HostThread, event: ArmVcpuEvent) => outgoing(keptOf(t, vcpuOf(env, t)), event);

/** R1, and its end. */
export const lockMutex = (env: HostEnv): HostItem => call(lockPath(env));
export const unlockMutex = (env: HostEnv): HostItem =>
  step('mutex_unlock', { send: (t) => outgoing(`mutex:${vcpuOf(env, t)}`, { type: 'mutex.unlock' }) });
