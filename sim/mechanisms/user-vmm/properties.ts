/** What holds where user space carries out what a guest does, and stops it. */
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { always, leavesEach, type Property, sometimes } from '../../property.ts';

/** The vCPU stands behind an exit whose instruction is not over. */
const isRetiring = (value: unknown): boolean => /(?:OUT|IN|MMIO)_retire/.test(JSON.stringify(value));
/** The thread is in user mode, at a step of the VMM's loop. */
const isBetweenRuns = (value: unknown): boolean => /"kvm_cpu_exec":"/.test(JSON.stringify(value));
/** The thread has entered the guest. */
const isInGuest = (value: unknown): boolean => /:"guest"/.test(JSON.stringify(value));

const completedBeforeEntry = always('user-exit.completed-before-entry', {
  kinds: ['vcpu', 'hostThread'],
  source: 'kernel Documentation/virt/kvm/api.rst, KVM_EXIT_IO, KVM_EXIT_MMIO: an operation is complete only after KVM_RUN is entered again',
  grade: 'read',
  sees: ({ value }) => (isRetiring(value) ? 'retires' : isInGuest(value) ? 'in guest' : null),
  check: (world) => {
    const inside = world.actors<HostThread>('hostThread').filter(({ value }) => isInGuest(value));
    const found = world
      .actors<Vcpu>('vcpu')
      .find(({ value, context }) => isRetiring(value) && inside.some(({ id }) => id === context.thread));
    return found ? `${found.id} is entered at an instruction that user space has carried out, and KVM has not completed` : null;
  },
});

const ioctlGetsMutex = leavesEach<HostThread>('kick.ioctl-gets-mutex', {
  kind: 'hostThread',
  source: 'recorded: 6.1-full/ev-lostkick, 6.12-full/ev-lostkick; a paused vCPU drops vcpu->mutex',
  grade: 'read',
  each: ({ id, context: { frames } }) => (frames.code?.granted === false ? `${id} waits for vcpu->mutex without end` : null),
});

const kickedInUserMode = sometimes('kick.signal-in-user-mode', {
  kinds: ['hostThread'],
  source: 'recorded: 6.1-full/ev-lostkick, 6.12-full/ev-lostkick',
  grade: 'read',
  check: (world) => {
    const found = world.actors<HostThread>('hostThread').find(({ value, context: t }) => t.sigpending === true && isBetweenRuns(value));
    return found ? `${found.id} is kicked outside KVM_RUN` : null;
  },
});

export const userVmmProperties: readonly Property[] = [completedBeforeEntry, ioctlGetsMutex, kickedInUserMode];
