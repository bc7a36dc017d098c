/** What holds where VMs, vCPUs and devices come and go. */
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { type KvmVmContext, kvmVmOf } from '../../../actors/lifecycle/kvm-vm.ts';
import { always, alwaysEach, type Property, sometimes } from '../../property.ts';

/** The VM and the number of a vCPU. */
function partsOf(vcpu: string): readonly [vm: string, number: number] {
  const name = vcpu.replace(/^vcpu:/, '');
  const slash = name.lastIndexOf('/');
  return [name.slice(0, slash), Number(name.slice(slash + 1))];
}

const onlineBeforeEntry = always('lifecycle.online-before-entry', {
  kinds: ['vcpu', 'kvmVm'],
  source:
    'kernel commit 6e2b2358b3ef: a vCPU that is not online is not found by who walks the vCPUs of its VM, and kvm_get_vcpu() says that it does not exist',
  grade: 'read',
  sees: ({ context }) => {
    const { mode, array, online } = context as Partial<Vcpu & KvmVmContext>;
    return mode === undefined ? JSON.stringify([array, online]) : mode === 'OUTSIDE_GUEST_MODE' ? 0 : 1;
  },
  check: (world) => {
    const kvms = new Map(world.actors<KvmVmContext>('kvmVm').map(({ id, context }) => [id, context]));
    for (const { id, context } of world.actors<Vcpu>('vcpu')) {
      if (context.mode === 'OUTSIDE_GUEST_MODE') continue;
      const [vm, number] = partsOf(id);
      const kvm = kvms.get(kvmVmOf(vm));
      const at = kvm?.array.indexOf(number) ?? -1;
      if (kvm !== undefined && (at < 0 || at >= kvm.online)) return `${id} is in guest mode, and online_vcpus of ${vm} is ${kvm.online}`;
    }
    return null;
  },
});

const returnsAsExpected = alwaysEach<HostThread>('lifecycle.returns-as-expected', {
  kind: 'hostThread',
  source: 'the scenario: `returns` of an operation',
  grade: 'decision',
  each: ({ id, context: { wrongReturn } }) =>
    wrongReturn === undefined
      ? null
      : `${id}: ${wrongReturn.op} returned ${wrongReturn.result}; its program expects ${wrongReturn.programSays}`,
});

const noDescriptor = sometimes('lifecycle.no-descriptor', {
  kinds: ['hostThread'],
  source: 'kernel fs/ioctl.c, SYSCALL_DEFINE3(ioctl): EBADF',
  grade: 'read',
  check: (world) => {
    const found = world.actors<HostThread>('hostThread').find(({ context: { frames } }) => frames.code?.refused === true);
    return found ? `${found.id} has no descriptor for its ioctl` : null;
  },
});

export const lifecycleProperties: readonly Property[] = [onlineBeforeEntry, returnsAsExpected, noDescriptor];
