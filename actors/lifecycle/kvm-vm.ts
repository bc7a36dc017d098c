/**
 * struct kvm as far as its life goes: who holds it, and which of its vCPUs others can find.
 *
 * Simplified: of each number there is one vCPU at a time. A second creation of a number fails at
 * once, and not where kvm_get_vcpu_by_id() would find the first.
 *
 * @see kernel virt/kvm/kvm_main.c, kvm_create_vm(), kvm_put_kvm(), kvm_vm_ioctl_create_vcpu();
 * include/linux/kvm_host.h, kvm_for_each_vcpu()
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { KvmVmEvent, LifecycleDesign } from '../../events/lifecycle/lifecycle.ts';
import { type Mortal, mortal } from '../host/object-life.ts';

/** The actor of a VM's struct kvm. */
export const kvmVmOf = (vm: string): ActorId => `kvmvm:${vm}`;

export interface KvmVmContext extends Mortal {
  /** users_count. */
  readonly users: number;
  readonly created: number;
  readonly online: number;
  /** vcpu_array: numbers of vCPUs, by their index. */
  readonly array: readonly number[];
  /** vCPUs that are made and not in the array yet; absent if there are none. */
  readonly making?: readonly number[] | undefined;
}

/** With what a VM begins: vCPUs that are online. */
export interface KvmVmInput extends Mortal {
  readonly online: number;
}

const NEW: KvmVmContext = { users: 1, created: 0, online: 0, array: [], making: undefined };

/**
 * xa_find() in [at, online_vcpus - 1]; the range is unsigned, so that it has no end where no vCPU
 * is online.
 */
function findVcpu({ online, array }: KvmVmContext, at: number, each: LifecycleDesign['kvm.eachVcpu']): number | null {
  const isIn = online === 0 ? each === 'range' : at < online;
  return isIn ? (array[at] ?? null) : null;
}

/** The machine of all VMs of a host. */
export const kvmVmMachine = (each: LifecycleDesign['kvm.eachVcpu']) =>
  mortal<KvmVmContext>(
    setup({
      types: { context: {} as KvmVmContext, events: {} as Stamped<KvmVmEvent>, emitted: {} as Outgoing, input: {} as KvmVmInput },
      actions: {
        create: enqueueActions(({ context: { absent }, event, enqueue }) => {
          enqueue.emit(outgoing(sender(event), { type: 'kvm.created', done: absent === true }));
          if (absent === true) enqueue.assign({ ...NEW, absent: undefined, misused: undefined });
        }),
        get: assign({ users: ({ context: c }) => c.users + 1 }),
        put: enqueueActions(({ context: c, event, enqueue }) => {
          enqueue.emit(outgoing(sender(event), { type: 'kvm.dropped', last: c.users === 1 }));
          enqueue.assign({ users: c.users - 1 });
        }),
        putNoDestroy: assign({ users: ({ context: c }) => c.users - 1 }),
        countVcpu: assign({ created: ({ context: c }) => c.created + 1 }),
        uncountVcpu: assign({ created: ({ context: c }) => c.created - 1 }),
        makeVcpu: enqueueActions(({ context: { array, making = [] }, event, enqueue }) => {
          if (event.type !== 'kvm.makeVcpu') return;
          const { vcpu, id } = event;
          const done = !array.includes(vcpu) && !making.includes(vcpu);
          enqueue.emit(outgoing(sender(event), { type: 'kvm.madeVcpu', done }));
          if (!done) return;
          enqueue.emit(outgoing(id, { type: 'object.create' }));
          enqueue.assign({ making: [...making, vcpu].sort((a, b) => a - b) });
        }),
        unmakeVcpu: enqueueActions(({ context: c, event, enqueue }) => {
          if (event.type !== 'kvm.unmakeVcpu') return;
          enqueue.emit(outgoing(event.id, { type: 'object.destroy' }));
          enqueue.assign({ making: unmade(c, event.vcpu) });
        }),
        insertVcpu: assign(({ context: c, event }) =>
          event.type === 'kvm.insertVcpu' ? { array: [...c.array, event.vcpu], making: unmade(c, event.vcpu) } : {},
        ),
        eraseVcpu: assign(({ context: { array, making = [] }, event }) =>
          event.type === 'kvm.eraseVcpu'
            ? { array: array.filter((one) => one !== event.vcpu), making: [...making, event.vcpu].sort((a, b) => a - b) }
            : {},
        ),
        putOnline: assign({ online: ({ context: c }) => c.online + 1 }),
        findVcpu: enqueueActions(({ context: c, event, enqueue }) => {
          if (event.type !== 'kvm.nextVcpu?') return;
          enqueue.emit(outgoing(sender(event), { type: 'kvm.nextVcpu', at: event.at, vcpu: findVcpu(c, event.at, each) }));
        }),
      },
    }).createMachine({
      id: 'kvmVm',
      context: ({ input: { online } }) => ({
        users: 1 + online,
        created: online,
        online,
        array: Array.from({ length: online }, (_, vcpu) => vcpu),
      }),
      initial: 'kvm',
      states: {
        kvm: {
          tags: 'rest',
          on: {
            'kvm.create': { actions: 'create' },
            'kvm.get': { actions: 'get' },
            'kvm.put': { actions: 'put' },
            'kvm.putNoDestroy': { actions: 'putNoDestroy' },
            'kvm.countVcpu': { actions: 'countVcpu' },
            'kvm.uncountVcpu': { actions: 'uncountVcpu' },
            'kvm.makeVcpu': { actions: 'makeVcpu' },
            'kvm.unmakeVcpu': { actions: 'unmakeVcpu' },
            'kvm.insertVcpu': { actions: 'insertVcpu' },
            'kvm.eraseVcpu': { actions: 'eraseVcpu' },
            'kvm.putOnline': { actions: 'putOnline' },
            'kvm.nextVcpu?': { actions: 'findVcpu' },
          },
        },
      },
    }),
    { renew: () => NEW, asks: ['kvm.create'] },
  );

function unmade({ making = [] }: KvmVmContext, vcpu: number): readonly number[] | undefined {
  const left = making.filter((one) => one !== vcpu);
  return left.length > 0 ? left : undefined;
}
