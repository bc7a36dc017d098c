/**
 * Which VM, vCPU and CPU a step is about: what stands behind `at`, for host threads and guests
 * alike.
 */
import type { ActorId } from '../../events/event.ts';
import { type HostEnv, type HostThread, opOf } from '../host/host-env.ts';
import type { At } from '../kit/primitive.ts';
import type { GuestEnv, Vcpu } from './guest-program.ts';

const isGuests = (env: HostEnv | GuestEnv): env is GuestEnv => 'images' in env;

/** The vCPU that walks through its program. @throws Error if its thread runs several of its VM */
function ofGuest(env: GuestEnv, { image, thread }: Vcpu): ActorId {
  const { vcpus, threads } = env.images[image]!.vm;
  const mine = vcpus.filter((_, index) => threads[index] === thread);
  if (mine.length !== 1) throw new Error(`${thread} runs ${mine.join(' and ')}; expected \`at\` to name the vCPU`);
  return mine[0]!;
}

/** The vCPU of the operation; in an operation that names none, the one of the preempt notifier. */
function ofThread(env: HostEnv, thread: HostThread): ActorId {
  const op = opOf(env, thread);
  if ('vcpu' in op) return env.vms[op.vm]!.vcpus[op.vcpu]!;
  if (thread.notifier !== null) return thread.notifier;
  throw new Error(`${op.op} names no vCPU; expected an argument \`vcpu\`, or \`at\` to say which`);
}

/**
 * The vCPU that this is about: in a guest, its own; in a thread, the one of its ioctl, KVM_RUN
 * included, and of the preempt notifier.
 * @public
 */
export function thisVcpu(env: HostEnv): At<HostThread, unknown>;
export function thisVcpu(env: GuestEnv): At<Vcpu, unknown>;
export function thisVcpu(env: HostEnv | GuestEnv): At<HostThread & Vcpu, unknown> {
  return (walker) => (isGuests(env) ? ofGuest(env, walker) : ofThread(env, walker));
}

/** The VM that this is about: in a guest, its own; in a thread, the one that its operation names. @public */
export function thisVm(env: HostEnv): At<HostThread, unknown>;
export function thisVm(env: GuestEnv): At<Vcpu, unknown>;
export function thisVm(env: HostEnv | GuestEnv): At<HostThread & Vcpu, unknown> {
  return (walker) => {
    if (isGuests(env)) return env.images[walker.image]!.vm.id;
    const op = opOf(env, walker);
    if ('vm' in op) return env.vms[op.vm]!.id;
    throw new Error(`${op.op} names no VM; expected an argument \`vm\` or \`vcpu\`, or \`at\` to say which`);
  };
}

/** The CPU that the thread runs on, or that the vCPU is loaded on. @throws Error on none @public */
export const thisCpu: At<{ readonly cpu: ActorId | null }, unknown> = ({ cpu }) => {
  if (cpu === null) throw new Error('the walker runs on no CPU; expected `at` to say which');
  return cpu;
};

/** A vCPU by its name in scenarios, such as `vm0/0`. @public */
export const vcpu =
  (name: string): At<unknown, unknown> =>
  () =>
    `vcpu:${name}`;

/** The id of a VM that `at` gives by its name, by its id, or by one of its vCPUs. */
export const vmIdOf = (of: ActorId): ActorId => `vm:${vmNameOf(of)}`;
/** Its name. */
export const vmNameOf = (of: ActorId): string => of.slice(of.indexOf(':') + 1).replace(/\/\d+$/, '');
