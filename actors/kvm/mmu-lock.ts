/**
 * kvm->mmu_lock, held for writing: one thread at a time changes nested mappings of a VM and the RMP
 * entries behind them.
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';

const { path, step, loop, when, leaveLoop } = host;
const MMU_LOCK = kernelSource('kernel/locking/qrwlock.c, queued_write_lock_slowpath(); include/linux/kvm_host.h, mmu_lock');

/** Of the VM that the thread's operation names. */
function vmId(env: HostEnv, thread: HostThread) {
  const op = opOf(env, thread);
  if (!('vm' in op)) throw new Error(`${op.op} names no VM`);
  return env.vms[op.vm]!.id;
}
const ask = (env: HostEnv) =>
  ({
    send: (t: HostThread) => outgoing(vmId(env, t), { type: 'vm.lockMmu' }),
    answers: { 'vm.mmuLocked': (e: { readonly acquired: boolean }) => ({ granted: e.acquired }) },
  }) as const;

/**
 * Spins with preemption off (on an `rt` host: with it on), as the holder of the lock does not
 * sleep.
 * @public
 */
export const writeLockMmuPath = (env: HostEnv) =>
  path(
    'write_lock_mmu_lock',
    MMU_LOCK,
    [
      step('trylock', { spin: 1, ...ask(env) }),
      when([
        (_t, l) => l.granted !== true,
        [
          loop(
            step('queued_write_lock_slowpath', { idles: true, yields: true, ...ask(env) }),
            when([(_t, l) => l.granted === true, [leaveLoop]]),
          ),
        ],
      ]),
    ],
    { locals: ['granted'] },
  );

/** write_unlock(&kvm->mmu_lock). @public */
export const writeUnlockMmu = (env: HostEnv) =>
  step('write_unlock_mmu_lock', { spin: -1, send: (t) => outgoing(vmId(env, t), { type: 'vm.unlockMmu' }) });
