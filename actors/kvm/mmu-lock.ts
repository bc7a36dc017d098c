/**
 * kvm->mmu_lock. Held for writing: one thread at a time changes nested mappings of a VM and the RMP
 * entries behind them. Held for reading: any number of vCPUs map pages of their own.
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import type { At } from '../kit/primitive.ts';
import { spinPath } from '../kit/spinlock.ts';
import { vmIdOf } from './kit-here.ts';
import { vmOf } from './kvm-env.ts';

const { step, call } = host;
const MMU_LOCK = kernelSource(
  'kernel/locking/qrwlock.c, queued_read_lock_slowpath(), queued_write_lock_slowpath(); include/linux/kvm_host.h, mmu_lock',
);

/** Of the VM that the thread's operation names. */
const vmOfOp =
  (env: HostEnv): At<HostThread, HostLocals> =>
  (thread) =>
    env.vms[vmOf(env, thread)]!.id;

type Held = 'read' | 'write';
const ASKS = { read: 'vm.readLockMmu', write: 'vm.lockMmu' } as const;
const UNLOCKS = { read: 'vm.readUnlockMmu', write: 'vm.unlockMmu' } as const;

/**
 * Spins with preemption off (on an `rt` host: with it on), as the holder of the lock does not
 * sleep.
 */
const lockMmuPath = (vm: At<HostThread, HostLocals>, held: Held, name = `${held}_lock_mmu_lock`) =>
  spinPath(name, MMU_LOCK, `queued_${held}_lock_slowpath`, {
    send: (t, l) => outgoing(vm(t, l), { type: ASKS[held] }),
    answers: { 'vm.mmuLocked': (e) => ({ granted: e.acquired }) },
  });
const unlockMmu = (vm: At<HostThread, HostLocals>, held: Held, name = `${held}_unlock_mmu_lock`) =>
  step(name, { spin: -1, send: (t, l) => outgoing(vm(t, l), { type: UNLOCKS[held] }) });

/** write_lock(&kvm->mmu_lock). @public */
export const writeLockMmuPath = (env: HostEnv) => lockMmuPath(vmOfOp(env), 'write');
/** write_unlock(&kvm->mmu_lock). @public */
export const writeUnlockMmu = (env: HostEnv) => unlockMmu(vmOfOp(env), 'write');
/** read_lock(&kvm->mmu_lock). */
export const readLockMmuPath = (env: HostEnv) => lockMmuPath(vmOfOp(env), 'read');
/** read_unlock(&kvm->mmu_lock). */
export const readUnlockMmu = (env: HostEnv) => unlockMmu(vmOfOp(env), 'read');

/** Where a step of a VM's lock stands: `at` says of which VM. @public */
export interface OfVm {
  readonly at: At<HostThread, HostLocals>;
  readonly as?: string;
}

/** How one side takes mmu_lock and drops it. @public */
export interface MmuLockSide {
  lock(where: OfVm): HostItem;
  unlock(where: OfVm): HostItem;
}

const side = (held: Held): MmuLockSide => ({
  lock: ({ at, as }) => call(lockMmuPath((t, l) => vmIdOf(at(t, l)), held, as)),
  unlock: ({ at, as }) => unlockMmu((t, l) => vmIdOf(at(t, l)), held, as),
});
/**
 * kvm->mmu_lock, which every VM has: for writing by one thread, or for reading by any number.
 * @public
 */
export const mmuLock: { readonly read: MmuLockSide; readonly write: MmuLockSide } = { read: side('read'), write: side('write') };
