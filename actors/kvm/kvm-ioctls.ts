/**
 * What host threads do to KVM: KVM_RUN, ioctls that mechanisms bring, and madvise() on memory of a
 * guest.
 */
import { type HostEnv, type HostItem, type HostPath, host } from '../host/host-env.ts';
import { kvmRunPath } from './kvm-run.ts';
import { madvisePath } from './mmu-notifier.ts';
import { tgkillPath } from './tgkill.ts';
import { inUserLoop } from './user-loop.ts';
import { lockMutex, unlockMutex, vcpuLoad, vcpuPut } from './vcpu-load.ts';

const { path, step, call, when, note } = host;

/** An ioctl on a vCPU. */
const vcpuIoctlPath = (env: HostEnv, name: string): HostPath => {
  const { items, locals = [], unlocked, returns, source, grade } = env.slots.keyed('vcpuIoctls')[name]!;
  const { slots, vendor } = env;
  const loaded = vendor.loadsForIoctls ? [call(vcpuLoad(env)), ...items(env), call(vcpuPut(env))] : items(env);
  return path(
    name,
    { source, grade },
    [
      step('ioctl', { mode: 'kernel' }),
      ...slots.unlessRefused('ioctlEntry', env, [
        call(lockMutex(env)),
        when([
          (_t, l) => l.granted === true,
          [note(() => ({ granted: undefined })), ...slots.unlessRefused('ioctlLocked', env, loaded), unlockMutex(env, unlocked)],
        ]),
      ]),
      ...slots.items('ioctlExit', env),
      step('sysret', { mode: 'user', ...(returns && { set: returns }) }),
    ],
    { locals: ['granted', 'refused', ...locals, ...slots.locals('ioctlEntry', 'ioctlExit', 'ioctlLocked')] },
  );
};

/** An ioctl on a VM. */
const vmIoctlPath = (env: HostEnv, name: string): HostPath => {
  const { items, locals = [], returns, source, grade } = env.slots.keyed('vmIoctls')[name]!;
  const sysret = step('sysret', { mode: 'user', ...(returns && { set: returns }) });
  return path(name, { source, grade }, [step('ioctl', { mode: 'kernel' }), ...items(env), sysret], { locals });
};

/** Operations of host threads that reach KVM: its ioctls, and what its MMU notifier hears of. */
export const kvmOperations = (env: HostEnv): readonly (readonly [string, HostItem])[] => [
  ['madvise', call(madvisePath(env))],
  ['tgkill', call(tgkillPath(env))],
  ['KVM_RUN', call(inUserLoop(env, kvmRunPath(env)))],
  ...Object.keys(env.slots.keyed('vcpuIoctls')).map((name) => [name, call(vcpuIoctlPath(env, name))] as const),
  ...Object.keys(env.slots.keyed('vmIoctls')).map((name) => [name, call(vmIoctlPath(env, name))] as const),
];
