/** What the paths of creation and teardown share: files, locals, mutexes, the end of an ioctl. */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { KvmVmEvent } from '../../events/lifecycle/lifecycle.ts';
import { type HostEnv, type HostItem, type HostPath, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { lockMutexPath, type MutexId, unlockMutexStep } from '../kit/mutex.ts';
import { vmOf } from '../kvm/kvm-env.ts';
import { kvmVmOf } from './kvm-vm.ts';

const { step, call, when } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** A descriptor was open, and its file has this thread for a user. */
    readonly fdHeld?: boolean | undefined;
    /** The file had no other user. */
    readonly fileLast?: boolean | undefined;
    /** What an ioctl fails with. */
    readonly kvmErrno?: 'EBADF' | 'EEXIST' | 'EMFILE' | undefined;
    /** struct kvm had no other user. */
    readonly kvmLast?: boolean | undefined;
    /** A notifier that was called off the list has returned. */
    readonly unregistered?: boolean | undefined;
    /** The next place of vcpu_array to look at. */
    readonly arrayAt?: number | undefined;
  }
  interface HostThread {
    /** An ioctl has returned something else than its program says. */
    readonly wrongReturn?: { readonly op: string; readonly result: string; readonly programSays: string } | undefined;
  }
}

export const KVM_MAIN = (functions: string) => kernelSource(`virt/kvm/kvm_main.c, ${functions}`);
const MUTEX = kernelSource('kernel/locking/mutex.c, mutex_lock()');

/** Files of a VM, of a vCPU, of a device. */
export const fdOfVm = (vm: string): ActorId => `kvmfd:${vm}`;
export const fdOfVcpu = (vm: string, vcpu: number): ActorId => `kvmfd:${vm}/${vcpu}`;
export const fdOfDevice = (vm: string, device: number): ActorId => `kvmfd:${vm}/dev${device}`;
export const kvmLock = (vm: string): ActorId => `mutex:kvm/${vm}`;

/** The file that an operation names: of a device, of a vCPU, else of the VM. */
export function fdOf(env: HostEnv, t: HostThread): ActorId {
  const op = opOf(env, t);
  if (!('vm' in op)) throw new Error(`${op.op} names no descriptor`);
  if ('device' in op) return fdOfDevice(op.vm, op.device);
  return 'vcpu' in op ? fdOfVcpu(op.vm, op.vcpu) : fdOfVm(op.vm);
}

export const toKvm = (env: HostEnv, t: HostThread, event: KvmVmEvent) => outgoing(kvmVmOf(vmOf(env, t)), event);

/** A mutex; no signal ends the wait. */
export const lockPath = (name: string, id: MutexId): HostPath => lockMutexPath(id, name, { forgets: true }, MUTEX);
export const unlockStep = (name: string, id: MutexId): HostItem => unlockMutexStep(id, name, MUTEX);

export const FDGET = kernelSource('fs/file.c, fdget(); fs/ioctl.c, SYSCALL_DEFINE3(ioctl)');
const FPUT = kernelSource('fs/file_table.c, fput(), ____fput(), __fput()');

/** fput() of the file; `release` of the last one is work that the way out to user mode does. */
export const fput = (name: string, fd: (t: HostThread) => ActorId, release: HostPath): readonly HostItem[] => [
  step(name, {
    ...FPUT,
    send: (t) => outgoing(fd(t), { type: 'file.put' }),
    answers: { 'file.dropped': (e) => ({ fileLast: e.last ? true : undefined }) },
  }),
  when([(_t, l) => l.fileLast === true, [call(release)]]),
];

/** What an ioctl has returned, where its program says what it expects. */
export function returned(env: HostEnv, t: HostThread, result: string): Partial<HostThread> {
  const op = opOf(env, t);
  const programSays = 'returns' in op ? op.returns : undefined;
  return programSays === undefined || programSays === result ? {} : { wrongReturn: { op: op.op, result, programSays } };
}
