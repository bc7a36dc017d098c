/**
 * What the ioctls of a launch share: their locals, what a thread keeps of its last one, the way to
 * a VM and its vCPUs, and the mutexes.
 */

import { type ActorId, outgoing } from '../../events/event.ts';
import type { EsVcpuEvent, IoctlResult, KvmVmType, LaunchErrno, SevVmEvent, SevVmFacts } from '../../events/sev-es-debug/launch.ts';
import {
  type HostEnv,
  type HostItem,
  type HostLocals,
  type HostPath,
  type HostThread,
  host,
  kernelSource,
  opOf,
} from '../host/host-env.ts';
import { lockMutexPath, type MutexId, unlockMutexStep } from '../kit/mutex.ts';
import { vmOf } from '../kvm/kvm-env.ts';
import type { Source } from '../path/path.ts';

const { path, step, when } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** What the ioctl fails with; undefined: nothing has gone wrong so far. */
    readonly launchErrno?: LaunchErrno | undefined;
    /** What was read of the VM, and of the source of a move. */
    readonly launchFacts?: SevVmFacts | undefined;
    readonly sourceFacts?: SevVmFacts | undefined;
    /** Place in the list of vCPUs that are online. */
    readonly launchAt?: number | undefined;
    /** What LAUNCH_UPDATE_VMSA has found of a debugger. */
    readonly launchDebugged?: { readonly guestDebug: boolean; readonly dr7: boolean } | undefined;
    readonly launchSanitizes?: boolean | undefined;
    /** vCPUs of the source that are not protected. */
    readonly moveRefused?: boolean | undefined;
  }
  interface HostThread {
    /** Its last ioctl of a launch, and the result; `unexpected`: not what its program says. */
    readonly ioctlReturned?: { readonly op: string; readonly result: IoctlResult; readonly unexpected?: true } | undefined;
  }
}

declare module '../kvm/kvm-env.ts' {
  interface VmFacts {
    /** Of a VM that is launched in the run: the type that KVM_CREATE_VM gives it. */
    readonly launchedAs?: KvmVmType;
  }
}

/** The actor of a VM, and that of a vCPU's registers. */
export const sevOf = (vm: string): ActorId => `sev:${vm}`;
export const esvOf = (vcpu: ActorId): ActorId => vcpu.replace(/^vcpu:/, 'esv:');
/** kvm->lock. */
export const kvmLockOf = (vm: string): ActorId => `mutex:kvm/${vm}`;

/** Whether threads launch the VM in the run. */
export const isLaunchedInRun = (env: HostEnv, vm: string): boolean => env.settings[vm]?.launched === false;

/** What the ioctl is said to return. */
const returnsOf = (env: HostEnv, t: HostThread): string | undefined => {
  const op = opOf(env, t);
  return 'returns' in op ? op.returns : undefined;
};

export const toSev = (env: HostEnv, t: HostThread, event: SevVmEvent) => outgoing(sevOf(vmOf(env, t)), event);
export const toEsv = (vcpu: ActorId, event: EsVcpuEvent) => outgoing(esvOf(vcpu), event);

/** A function of sev.c. */
export const SEV = (functions: string): Source => kernelSource(`arch/x86/kvm/svm/sev.c, ${functions}`);

export const isGood = (_t: HostThread, l: HostLocals): boolean => l.launchErrno === undefined;
export const isBad = (t: HostThread, l: HostLocals): boolean => !isGood(t, l);

/** The answers of actors as locals. */
export const errnoLocal = ({ errno }: { readonly errno: LaunchErrno | null }) => ({ launchErrno: errno ?? undefined });
export const factsOf = ({ vmType, active, needsInit, features, online, created, started }: SevVmFacts): SevVmFacts => ({
  vmType,
  active,
  needsInit,
  features,
  online,
  created,
  started,
});

/** What the ioctl returned, as its thread keeps it. */
export function returned(env: HostEnv, t: HostThread, errno: LaunchErrno | undefined): Partial<HostThread> {
  const result = errno ?? 'ok';
  const expected = returnsOf(env, t);
  return { ioctlReturned: { op: opOf(env, t).op, result, ...(expected !== undefined && expected !== result && { unexpected: true }) } };
}

const MUTEX = kernelSource('kernel/locking/mutex.c, mutex_lock(), mutex_lock_killable()');

/** A mutex that a launch takes. No signal ends the wait. */
export const lockPath = (name: string, id: MutexId): HostPath => lockMutexPath(id, name, { forgets: true }, MUTEX);
export const unlockStep = (name: string, id: MutexId): HostItem => unlockMutexStep(id, name, MUTEX);

/** An ioctl by its name: from user mode and back, with what the thread keeps of it. */
export const ioctlPath = (
  env: HostEnv,
  name: string,
  source: Source,
  { begin, items }: { readonly begin: HostItem; readonly items: readonly HostItem[] },
): HostPath =>
  path(
    name,
    source,
    [
      step('ioctl', { mode: 'kernel' }),
      begin,
      when([isGood, items]),
      step('sysret', { mode: 'user', set: (t, l) => returned(env, t, l.launchErrno) }),
    ],
    {
      locals: [
        'granted',
        'launchErrno',
        'launchFacts',
        'sourceFacts',
        'launchAt',
        'launchDebugged',
        'launchSanitizes',
        'moveRefused',
        'failed',
        'pfn',
        'update',
        'result',
      ],
    },
  );

const FDGET = kernelSource('fs/ioctl.c, SYSCALL_DEFINE3(ioctl); virt/kvm/kvm_main.c, kvm_vm_ioctl(), kvm_vcpu_ioctl()');

/** Without a VM there is no descriptor, and a dead VM takes no ioctls. */
export const fdgetVm = (env: HostEnv): HostItem =>
  step('fdget', { ...FDGET, send: (t) => toSev(env, t, { type: 'sev.fd?' }), answers: { 'sev.fd': errnoLocal } });
export const fdgetVcpu = (vcpu: (t: HostThread) => ActorId): HostItem =>
  step('fdget', { ...FDGET, send: (t) => toEsv(vcpu(t), { type: 'esv.fd?' }), answers: { 'esv.fd': errnoLocal } });
