/**
 * What KVM leaves to user space, and how the next KVM_RUN goes on from there: port I/O, accesses
 * where no memory slot is, and complete_userspace_io.
 *
 * Left out: string instructions, accesses that take several exits, devices in the kernel.
 *
 * @see kernel arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_run(), kvm_fast_pio(),
 * complete_emulated_mmio(); arch/arm64/kvm/mmio.c, io_mem_abort(), kvm_handle_mmio_return()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import {
  fatalSignalPending,
  type HostEnv,
  type HostItem,
  type HostLocals,
  type HostThread,
  host,
  kernelSource,
  signalPending,
} from '../host/host-env.ts';
import type { Source } from '../path/path.ts';
import { exitInfo, vcpuOf } from './kvm-env.ts';
import type { KvmParts } from './slots.ts';

const { path, step, call, when, note } = host;

/** The functions of an architecture that leave an access to user space. @public */
export interface UserIoFunctions {
  /** The handler of a port's exit; null where the architecture has no ports. */
  readonly pio: (Source & { readonly name: string }) | null;
  readonly mmio: Source & { readonly name: string };
  /**
   * Whether KVM emulates the instruction of an MMIO access. A write is then over when KVM_RUN ends,
   * and what it left is completed with the vCPU loaded; else it is the next KVM_RUN that skips it,
   * before the load.
   */
  readonly emulates: boolean;
}

/** What programs of the scenario leave to user space. @public */
export interface UserSpace {
  readonly usesPorts: boolean;
  readonly usesMmio: boolean;
  readonly usesDebug: boolean;
  readonly usesHalt: boolean;
  /** Some VMM runs its vCPU again: `KVM_RUN: { reenter: true }`. */
  readonly reenters: boolean;
}

/**
 * kvm_run->exit_reason, for the ends that a VMM answers; INTR: KVM_RUN failed with EINTR.
 * @public
 */
export type UserExit = 'IO' | 'MMIO' | 'DEBUG' | 'HLT' | 'INTR';
/** What vcpu->arch.complete_userspace_io has to do. */
type Pending = 'PIO_OUT' | 'PIO_IN' | 'MMIO_READ' | 'MMIO_WRITE';

declare module '../host/host-env.ts' {
  interface HostEnv {
    readonly userSpace: UserSpace;
  }
  interface HostLocals {
    /** Why the last KVM_RUN has ended. */
    readonly userExit?: UserExit | undefined;
    /** KVM_REQ_VM_DEAD: KVM_RUN ends with -EIO. */
    readonly dead?: boolean | undefined;
    /** KVM_RUN fails before its first turn: with EINTR, unless `refused` goes with it. */
    readonly notRun?: boolean | undefined;
  }
  interface HostThread {
    /**
     * vcpu->arch.complete_userspace_io of the vCPUs that it runs; arm64: vcpu->mmio_needed. Absent
     * if none is set.
     */
    readonly userIo?: Readonly<Record<ActorId, Pending>> | undefined;
  }
}

/** Whether a VMM runs vCPUs of the host again after some ends of KVM_RUN. */
export const hasUserLoop = (env: HostEnv): boolean => env.userSpace.reenters || env.slots.userLoops().length > 0;

const pendingOf = (env: HostEnv, t: HostThread): Pending | undefined => t.userIo?.[vcpuOf(env, t).id];
const leave = (env: HostEnv, t: HostThread, pending: Pending): Partial<HostThread> => ({
  userIo: { ...t.userIo, [vcpuOf(env, t).id]: pending },
});
const completed = (env: HostEnv, t: HostThread): Partial<HostThread> => {
  const others = Object.entries(t.userIo ?? {}).filter(([vcpu]) => vcpu !== vcpuOf(env, t).id);
  return { userIo: others.length === 0 ? undefined : Object.fromEntries(others) };
};

/** kvm_skip_emulated_instruction(), kvm_incr_pc(). */
const skipInsn = (env: HostEnv) => ({
  send: (t: HostThread) => outgoing(vcpuOf(env, t).id, { type: 'guest.skipInsn' }),
  answers: { 'guest.ran': () => ({}) },
});
const RETURNS = { returns: true } as const;

/** The exit of a port's instruction: user space does it, and it is not over. */
const handlePio = (env: HostEnv, origin: NonNullable<UserIoFunctions['pio']>) =>
  path(origin.name, origin, [
    step('kvm_fast_pio', { set: (t, l) => leave(env, t, exitInfo(l, 'IO').write ? 'PIO_OUT' : 'PIO_IN'), local: () => RETURNS }),
  ]);

const isWrite = (_t: HostThread, l: HostLocals): boolean => exitInfo(l, 'MMIO').write;
/** The exit of an access where no memory slot is. */
function handleMmio(env: HostEnv) {
  const { mmio, emulates } = env.vendor.userIo;
  const kind = (l: HostLocals) => (exitInfo(l, 'MMIO').write ? 'MMIO_WRITE' : 'MMIO_READ');
  const left = { set: (t: HostThread, l: HostLocals) => leave(env, t, kind(l)), local: () => RETURNS };
  if (!emulates) return path(mmio.name, mmio, [step('io_mem_abort', left)]);
  return path(mmio.name, mmio, [step('x86_emulate_instruction', left), when([isWrite, [step('kvm_rip_write', skipInsn(env))]])]);
}

/**
 * What KVM has for user space. A host whose guests cause none of the exits has no handler of them.
 */
export const userExitParts = ({ usesPorts, usesMmio }: UserSpace): KvmParts => ({
  toUser: ['DEBUG'],
  vcpuIoctls: {
    KVM_GET_MP_STATE: {
      ...kernelSource('arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_get_mpstate(); arch/arm64/kvm/arm.c'),
      items: () => [step('kvm_arch_vcpu_ioctl_get_mpstate')],
    },
    KVM_SET_MP_STATE: {
      ...kernelSource('arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_set_mpstate(); arch/arm64/kvm/arm.c'),
      items: (env) => [step('kvm_arch_vcpu_ioctl_set_mpstate', { send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.runnable' }) })],
    },
  },
  exits: {
    ...(usesPorts && {
      IO: (env: HostEnv) => {
        const { pio } = env.vendor.userIo;
        if (pio === null) throw new Error(`${env.vendor.name} has no port I/O`);
        return [call(handlePio(env, pio))];
      },
    }),
    ...(usesMmio && { MMIO: (env: HostEnv) => [call(handleMmio(env))] }),
  },
});

/**
 * What the KVM_RUN before has left: on x86 with the vCPU loaded (complete_userspace_io), on arm64
 * before that.
 */
export function completeUserspaceIo(env: HostEnv, place: 'before-load' | 'after-load'): readonly HostItem[] {
  const { usesPorts, usesMmio } = env.userSpace;
  const { emulates } = env.vendor.userIo;
  if (!(usesPorts || usesMmio) || emulates !== (place === 'after-load')) return [];
  const is = (pending: Pending) => (t: HostThread) => pendingOf(env, t) === pending;
  const clear = (t: HostThread) => completed(env, t);
  if (!emulates)
    return [when([(t) => pendingOf(env, t) !== undefined, [step('kvm_handle_mmio_return', { set: clear, ...skipInsn(env) })]])];
  return [
    when(
      ...(usesPorts
        ? ([
            [is('PIO_OUT'), [step('complete_fast_pio_out', { set: clear, ...skipInsn(env) })]],
            [is('PIO_IN'), [step('complete_fast_pio_in', { set: clear, ...skipInsn(env) })]],
          ] as const)
        : []),
      ...(usesMmio
        ? ([
            [is('MMIO_READ'), [step('complete_emulated_mmio', { set: clear, ...skipInsn(env) })]],
            [is('MMIO_WRITE'), [step('complete_emulated_mmio_write', { set: clear })]],
          ] as const)
        : []),
    ),
  ];
}

/** What user space sees of the end. */
function userExit(env: HostEnv, t: HostThread, { exit, returns, dead, notRun, refused }: HostLocals): UserExit | undefined {
  if (dead === true || refused === true || fatalSignalPending(t)) return undefined;
  if (exit?.reason === 'IO' || exit?.reason === 'MMIO' || exit?.reason === 'DEBUG') return exit.reason;
  if (exit?.reason === 'HLT' && returns === true) return 'HLT';
  if (exit !== undefined && env.slots.leavesTo(exit.reason)) return undefined;
  return signalPending(t) || notRun === true ? 'INTR' : undefined;
}

/** kvm_run->exit_reason, where a VMM looks at it. */
export const noteUserExit = (env: HostEnv): readonly HostItem[] =>
  env.userSpace.reenters ? [note((t, l) => ({ userExit: userExit(env, t, l) }))] : [];
