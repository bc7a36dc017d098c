/**
 * How a VM goes: its descriptor and those of its vCPUs and devices each hold it, and who puts the
 * last reference destroys it.
 *
 * Left out: what kvm_destroy_vm() frees besides vCPUs; devices, of which no other thread knows more
 * than their descriptor; the exit of a process, which closes its files.
 *
 * @see kernel virt/kvm/kvm_main.c, kvm_vm_release(), kvm_vcpu_release(), kvm_device_release(),
 * kvm_put_kvm(), kvm_destroy_vm(), kvm_destroy_vcpus()
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostItem, type HostPath, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { vmOf } from '../kvm/kvm-env.ts';
import { kvmVmOf } from './kvm-vm.ts';
import { FDGET, fdOf, fput, KVM_MAIN, toKvm } from './lifecycle-env.ts';
import { notifierOf } from './mmu-notifier-list.ts';

const { path, step, call, loop, when, leaveLoop } = host;

/** The vCPUs of the operation's VM, by number. */
const vcpus = (env: HostEnv, t: HostThread) => env.vms[vmOf(env, t)]!.vcpus;

/**
 * xa_find() of kvm_for_each_vcpu(): leaves `vcpu`; where none is left, it is the number of vCPUs
 * that the VM has.
 */
export const findVcpu = (vm: (t: HostThread, owner: string | undefined) => string, count: (vm: string) => number): HostItem =>
  step('xa_find', {
    ...kernelSource('include/linux/kvm_host.h, kvm_for_each_vcpu(); lib/xarray.c, xa_find(), xa_find_after()'),
    send: (t, l) => outgoing(kvmVmOf(vm(t, l.owner)), { type: 'kvm.nextVcpu?', at: l.arrayAt ?? 0 }),
    answers: { 'kvm.nextVcpu': (e, t, l) => ({ vcpu: e.vcpu ?? count(vm(t, l.owner)), arrayAt: e.at + 1 }) },
  });

const destroyVm = (env: HostEnv): HostPath =>
  path(
    'kvm_destroy_vm',
    KVM_MAIN('kvm_destroy_vm(), kvm_destroy_vcpus(), kvm_vcpu_destroy()'),
    [
      loop(
        step('mmu_notifier_unregister', {
          idles: true,
          yields: true,
          mayResched: true,
          send: (t) => outgoing(notifierOf(vmOf(env, t)), { type: 'mn.unregister' }),
          answers: { 'mn.unregistered': (e) => ({ unregistered: e.done }) },
        }),
        when([(_t, l) => l.unregistered === true, [leaveLoop]]),
      ),
      loop(
        findVcpu(
          (t) => vmOf(env, t),
          (vm) => env.vms[vm]!.vcpus.length,
        ),
        when([(t, l) => l.vcpu! >= vcpus(env, t).length, [leaveLoop]]),
        step('kvm_vcpu_destroy', { send: (t, l) => outgoing(vcpus(env, t)[l.vcpu!]!, { type: 'object.destroy' }) }),
      ),
      step('kvm_arch_free_vm', {
        send: (t) => [
          outgoing(env.vms[vmOf(env, t)]!.id, { type: 'object.destroy' }),
          outgoing(kvmVmOf(vmOf(env, t)), { type: 'object.destroy' }),
        ],
      }),
    ],
    { locals: ['unregistered', 'vcpu', 'arrayAt'] },
  );

/** kvm_put_kvm(), which is all that the releases of files have in common. */
export const putKvm = (env: HostEnv): HostPath =>
  path(
    'kvm_put_kvm',
    KVM_MAIN('kvm_put_kvm(), kvm_vm_release(), kvm_vcpu_release(), kvm_device_release()'),
    [
      step('refcount_dec_and_test', {
        send: (t) => toKvm(env, t, { type: 'kvm.put' }),
        answers: { 'kvm.dropped': (e) => ({ kvmLast: e.last ? true : undefined }) },
      }),
      when([(_t, l) => l.kvmLast === true, [call(destroyVm(env))]]),
    ],
    { locals: ['kvmLast'] },
  );

/** The operation `close`. */
export const closeOperation = (env: HostEnv): readonly [string, HostItem] => [
  'close',
  call(
    path(
      'close',
      kernelSource('fs/open.c, SYSCALL_DEFINE1(close); fs/file.c, file_close_fd()'),
      [
        step('file_close_fd', {
          ...FDGET,
          mode: 'kernel',
          send: (t) => outgoing(fdOf(env, t), { type: 'file.close' }),
          answers: { 'file.closed': (e) => ({ fdHeld: e.open ? true : undefined }) },
        }),
        when([(_t, l) => l.fdHeld === true, fput('filp_close', (t) => fdOf(env, t), putKvm(env))]),
        step('sysret', { mode: 'user' }),
      ],
      { locals: ['fdHeld', 'fileLast'] },
    ),
  ),
];
