/**
 * kvm->mmu_lock. Held for writing: one thread at a time changes nested mappings of a VM and the RMP
 * entries behind them. Held for reading: any number of vCPUs map pages of their own.
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';

const { path, step, loop, when, leaveLoop } = host;
const MMU_LOCK = kernelSource(
  'kernel/locking/qrwlock.c, queued_read_lock_slowpath(), queued_write_lock_slowpath(); include/linux/kvm_host.h, mmu_lock',
);

/** Of the VM that the thread's operation names. */
function vmId(env: HostEnv, thread: HostThread) {
  const op = opOf(env, thread);
  if (!('vm' in op)) throw new Error(`${op.op} names no VM`);
  return env.vms[op.vm]!.id;
}

type Held = 'read' | 'write';
const ASKS = { read: 'vm.readLockMmu', write: 'vm.lockMmu' } as const;
const UNLOCKS = { read: 'vm.readUnlockMmu', write: 'vm.unlockMmu' } as const;

/**
 * Spins with preemption off (on an `rt` host: with it on), as the holder of the lock does not
 * sleep.
 */
const lockMmuPath = (env: HostEnv, held: Held) => {
  const ask = {
    send: (t: HostThread) => outgoing(vmId(env, t), { type: ASKS[held] }),
    answers: { 'vm.mmuLocked': (e: { readonly acquired: boolean }) => ({ granted: e.acquired }) },
  } as const;
  return path(
    `${held}_lock_mmu_lock`,
    MMU_LOCK,
    [
      step('trylock', { spin: 1, ...ask }),
      when([
        (_t, l) => l.granted !== true,
        [
          loop(
            step(`queued_${held}_lock_slowpath`, { idles: true, yields: true, ...ask }),
            when([(_t, l) => l.granted === true, [leaveLoop]]),
          ),
        ],
      ]),
    ],
    { locals: ['granted'] },
  );
};
const unlockMmu = (env: HostEnv, held: Held) =>
  step(`${held}_unlock_mmu_lock`, { spin: -1, send: (t) => outgoing(vmId(env, t), { type: UNLOCKS[held] }) });

/** write_lock(&kvm->mmu_lock). @public */
export const writeLockMmuPath = (env: HostEnv) => lockMmuPath(env, 'write');
/** write_unlock(&kvm->mmu_lock). @public */
export const writeUnlockMmu = (env: HostEnv) => unlockMmu(env, 'write');
/** read_lock(&kvm->mmu_lock). */
export const readLockMmuPath = (env: HostEnv) => lockMmuPath(env, 'read');
/** read_unlock(&kvm->mmu_lock). */
export const readUnlockMmu = (env: HostEnv) => unlockMmu(env, 'read');
