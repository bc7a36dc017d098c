/**
 * What the paths of arm64 host threads share: which vCPU an operation names, where KVM keeps it,
 * and their locals.
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { ArmVcpuEvent, DebugException, DebugPstate, GuestDebugFlag } from '../../events/os-lock/arm-debug.ts';
import type { Sysreg } from '../../events/os-lock/sysregs.ts';
import type { U64 } from '../../events/u64.ts';
import type { HostEnv, HostThread } from '../host/host-env.ts';
import { vcpuOf as namedVcpu } from '../kvm/kvm-env.ts';
import { armOf, destinationOf } from './arm-vcpu.ts';

declare module '../host/host-env.ts' {
  interface HostLocals {
    /**
     * Why KVM_RUN has ended, for the VMM: KVM_EXIT_DEBUG with the exception, or a stop that the VMM
     * itself has asked for.
     */
    readonly ended?: DebugException | 'stop' | undefined;
    readonly regs?: readonly Sysreg[] | undefined;
    readonly at?: number | undefined;
    readonly value?: U64 | undefined;
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

/** The vCPU that the operation names. */
export const vcpuOf = (env: HostEnv, t: HostThread): ActorId => namedVcpu(env, t).id;

/** Where KVM keeps a vCPU for this thread. */
const keptOf = (t: HostThread, vcpu: ActorId): ActorId => (t.migrated ? destinationOf(armOf(vcpu)) : armOf(vcpu));
export const toArm = (env: HostEnv, t: HostThread, event: ArmVcpuEvent) => outgoing(keptOf(t, vcpuOf(env, t)), event);
