/**
 * KVM_CREATE_VM, KVM_CREATE_VCPU and KVM_CREATE_DEVICE, and what makes the new thing known to
 * others: its descriptor, for threads of the process; vcpu_array and online_vcpus, for those who
 * walk the vCPUs of a VM.
 *
 * Left out: max_vcpus, what fails for want of memory, and what kvm_arch_vcpu_create() does.
 *
 * @see kernel virt/kvm/kvm_main.c, kvm_dev_ioctl_create_vm(), kvm_vm_ioctl_create_vcpu(),
 * kvm_ioctl_create_device()
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, opOf } from '../host/host-env.ts';
import { vcpuOf, vmOf } from '../kvm/kvm-env.ts';
import { kvmVmOf } from './kvm-vm.ts';
import { FDGET, fdOf, fdOfVcpu, fdOfVm, fput, KVM_MAIN, kvmLock, lockPath, returned, toKvm, unlockStep } from './lifecycle-env.ts';
import { notifierOf } from './mmu-notifier-list.ts';
import { putKvm } from './teardown.ts';

const { path, step, call, when } = host;

const isGood = (_t: HostThread, l: HostLocals): boolean => l.kvmErrno === undefined;
const isBad = (t: HostThread, l: HostLocals): boolean => !isGood(t, l);
const lock = (env: HostEnv, name = 'mutex_lock_kvm'): HostItem => call(lockPath(name, (t) => kvmLock(vmOf(env, t))));
const unlock = (env: HostEnv, name = 'mutex_unlock_kvm'): HostItem => unlockStep(name, (t) => kvmLock(vmOf(env, t)));

/** An ioctl from user mode and back. */
const ioctl = (
  env: HostEnv,
  name: string,
  source: ReturnType<typeof KVM_MAIN>,
  items: readonly HostItem[],
): readonly [string, HostItem] => [
  name,
  call(
    path(
      name,
      source,
      [step('ioctl', { mode: 'kernel' }), ...items, step('sysret', { mode: 'user', set: (t, l) => returned(env, t, l.kvmErrno ?? 'ok') })],
      { locals: ['granted', 'kvmErrno', 'fdHeld', 'fileLast'] },
    ),
  ),
];

/** One of a VM's descriptor: the VM lives as long as the ioctl does. */
const vmIoctl = (env: HostEnv, name: string, functions: string, items: readonly HostItem[]) =>
  ioctl(env, name, KVM_MAIN(functions), [
    step('fdget', {
      ...FDGET,
      send: (t) => outgoing(fdOfVm(vmOf(env, t)), { type: 'file.get?' }),
      answers: { 'file.got': (e) => (e.open ? { fdHeld: true } : { kvmErrno: 'EBADF' as const }) },
    }),
    when([(_t, l) => l.fdHeld === true, [...items, ...fput('fdput', (t) => fdOfVm(vmOf(env, t)), putKvm(env))]]),
  ]);

const createVm = (env: HostEnv) =>
  ioctl(env, 'KVM_CREATE_VM', KVM_MAIN('kvm_dev_ioctl_create_vm(), kvm_create_vm()'), [
    step('kvm_create_vm', {
      send: (t) => toKvm(env, t, { type: 'kvm.create' }),
      answers: { 'kvm.created': (e) => (e.done ? {} : { kvmErrno: 'EMFILE' as const }) },
    }),
    when([
      isGood,
      [
        step('kvm_init_mmu_notifier', {
          send: (t) => [
            outgoing(env.vms[vmOf(env, t)]!.id, { type: 'object.create' }),
            outgoing(notifierOf(vmOf(env, t)), { type: 'mn.register' }),
          ],
        }),
        step('fd_install', {
          send: (t) => outgoing(fdOfVm(vmOf(env, t)), { type: 'file.install' }),
          answers: { 'file.installed': () => ({}) },
        }),
      ],
    ]),
  ]);

/** The vCPU of the operation: its number, its actor. */
function newVcpu(env: HostEnv, t: HostThread) {
  const op = opOf(env, t);
  if (op.op !== 'KVM_CREATE_VCPU') throw new Error(`${op.op} creates no vCPU`);
  return { vcpu: op.vcpu, id: vcpuOf(env, t).id, emfile: op.emfile === true };
}
const hasNoFd = (env: HostEnv) => (t: HostThread) => newVcpu(env, t).emfile;

/** From the second time under kvm->lock on. */
function show(env: HostEnv): readonly HostItem[] {
  const design = env.options['kvm.vcpuOnline'];
  const insertsFirst = design !== 'xa-store';
  const hasMutex = design === 'under-mutex';
  const send = (type: 'kvm.insertVcpu' | 'kvm.eraseVcpu') => (t: HostThread) => toKvm(env, t, { type, vcpu: newVcpu(env, t).vcpu });
  const mutexOf = (t: HostThread) => `mutex:${vcpuOf(env, t).id}`;
  const unlockVcpu = (name: string): readonly HostItem[] => (hasMutex ? [unlockStep(name, mutexOf)] : []);
  const online = [
    ...(insertsFirst ? [] : [step('xa_store', { send: send('kvm.insertVcpu') })]),
    step('online_vcpus', { send: (t) => toKvm(env, t, { type: 'kvm.putOnline' }) }),
    ...unlockVcpu('mutex_unlock_vcpu'),
    unlock(env, 'mutex_unlock_kvm_again'),
  ];
  const back = [
    ...unlockVcpu('mutex_unlock_vcpu_again'),
    step('kvm_put_kvm_no_destroy', { send: (t) => toKvm(env, t, { type: 'kvm.putNoDestroy' }) }),
    ...(insertsFirst ? [step('xa_erase', { send: send('kvm.eraseVcpu') })] : []),
    unlock(env, 'mutex_unlock_kvm_failed'),
    step('kvm_arch_vcpu_destroy', {
      send: (t) => toKvm(env, t, { type: 'kvm.unmakeVcpu', vcpu: newVcpu(env, t).vcpu, id: newVcpu(env, t).id }),
    }),
  ];
  return [
    lock(env, 'mutex_lock_kvm_again'),
    ...(insertsFirst ? [step('xa_insert', { send: send('kvm.insertVcpu') })] : []),
    ...(hasMutex ? [call(lockPath('mutex_lock_vcpu', mutexOf))] : []),
    step('kvm_get_kvm', { send: (t) => toKvm(env, t, { type: 'kvm.get' }) }),
    when(
      [hasNoFd(env), [step('create_vcpu_fd_emfile', { local: () => ({ kvmErrno: 'EMFILE' as const }) })]],
      [
        (t) => !hasNoFd(env)(t),
        [
          step('create_vcpu_fd', {
            send: (t) => outgoing(fdOfVcpu(vmOf(env, t), newVcpu(env, t).vcpu), { type: 'file.install' }),
            answers: { 'file.installed': (e) => (e.done ? {} : { kvmErrno: 'EMFILE' as const }) },
          }),
        ],
      ],
    ),
    when([isGood, online], [isBad, back]),
  ];
}

const createVcpu = (env: HostEnv) =>
  vmIoctl(env, 'KVM_CREATE_VCPU', 'kvm_vm_ioctl_create_vcpu()', [
    lock(env),
    step('created_vcpus', { send: (t) => toKvm(env, t, { type: 'kvm.countVcpu' }) }),
    unlock(env),
    step('kvm_arch_vcpu_create', {
      send: (t) => toKvm(env, t, { type: 'kvm.makeVcpu', vcpu: newVcpu(env, t).vcpu, id: newVcpu(env, t).id }),
      answers: { 'kvm.madeVcpu': (e) => (e.done ? {} : { kvmErrno: 'EEXIST' as const }) },
    }),
    when([isGood, show(env)]),
    when([
      isBad,
      [
        lock(env, 'mutex_lock_kvm_decrement'),
        step('vcpu_decrement', { send: (t) => toKvm(env, t, { type: 'kvm.uncountVcpu' }) }),
        unlock(env, 'mutex_unlock_kvm_decrement'),
      ],
    ]),
  ]);

const createDevice = (env: HostEnv) => {
  const reference = step('kvm_get_kvm', { send: (t) => outgoing(kvmVmOf(vmOf(env, t)), { type: 'kvm.get' }) });
  const fd = step('anon_inode_getfd', {
    send: (t) => outgoing(fdOf(env, t), { type: 'file.install' }),
    answers: { 'file.installed': (e) => (e.done ? {} : { kvmErrno: 'EMFILE' as const }) },
  });
  const putAgain = step('kvm_put_kvm_no_destroy', { send: (t) => toKvm(env, t, { type: 'kvm.putNoDestroy' }) });
  const named =
    env.options['kvm.deviceReference'] === 'before-fd' ? [reference, fd, when([isBad, [putAgain]])] : [fd, when([isGood, [reference]])];
  return vmIoctl(env, 'KVM_CREATE_DEVICE', 'kvm_ioctl_create_device()', [step('list_add_rcu'), ...named]);
};

/** Operations by name: what creates VMs, vCPUs and devices. */
export const creationOperations = (env: HostEnv): readonly (readonly [string, HostItem])[] => [
  createVm(env),
  createVcpu(env),
  createDevice(env),
];
