/**
 * kvm_vcpu_halt() and kvm_vcpu_block(): the thread of a vCPU polls, and then sleeps, until there is
 * something to do.
 */
import { outgoing } from '../../events/event.ts';
import type { BlockedUntil } from '../../events/kvm.ts';
import { type HostEnv, type HostLocals, type HostThread, host, kernelSource, signalPending } from '../host/host-env.ts';
import { goToSleep } from '../host/sleeping.ts';
import { vcpuOf } from './kvm-env.ts';
import { recordedAt } from './recordings.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath } = host;
const KVM_MAIN = 'virt/kvm/kvm_main.c';

/** kvm_vcpu_check_block() has found nothing to do. */
const sleeps = (t: HostThread, l: HostLocals): boolean => l.sleep === true && !signalPending(t);

/**
 * The vCPU says whether there is anything to do. If not, it wakes the thread later, unless the
 * thread only polls.
 */
const checkBlock = (env: HostEnv, until: BlockedUntil, polls: { readonly polls?: true } = {}) => ({
  send: (t: HostThread) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.block', until, ...polls }),
  answers: { 'vcpu.blocked': (e: { readonly sleep: boolean }) => ({ sleep: e.sleep }) },
});

/** A halted vCPU that has nothing to do stays halted, whatever has ended the wait. */
const noteHalted = note((_t: HostThread, l: HostLocals) => ({ halted: l.sleep === true ? true : undefined }));

/**
 * The thread sleeps until a request or an interrupt arrives (HLT), or until the request it names is
 * cleared, or a signal comes. Whatever wakes it, it looks again whether there is anything to do. Of
 * a vCPU that is halted it leaves `halted`: a signal alone has ended the wait.
 * @public
 */
export const blockPath = (env: HostEnv, until: BlockedUntil) => {
  const check = checkBlock(env, until);
  const origin = kernelSource(`${KVM_MAIN}, kvm_vcpu_block(), kvm_vcpu_check_block()`);
  const seen = (lines: string) => recordedAt(env, origin.source, `6.12-full/fg-kick.gz:${lines}`);
  return path(
    'kvm_vcpu_block',
    origin,
    [
      step('prepare_to_rcuwait', { ...check, ...(until === 'request' && seen('201-205')) }),
      loop(
        when([(t, l) => !sleeps(t, l), [leaveLoop]]),
        goToSleep(),
        step('kvm_vcpu_check_block', { ...(until === 'request' && { rests: true, ...seen('157-166') }), ...check }),
      ),
      ...(until === 'request' ? [noteHalted] : []),
      when([(_t, l) => l.sleep === true, [step('finish_rcuwait', { send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.unblock' }) })]]),
    ],
    { locals: ['sleep'] },
  );
};

/**
 * HLT and WFI. Halt polling is one look: no clock says how long it polls, and a second look could
 * find only what the check of kvm_vcpu_block() finds. Leaves `halted`, as kvm_vcpu_block() does.
 */
export const haltPath = (env: HostEnv) =>
  path(
    'kvm_vcpu_halt',
    kernelSource(`${KVM_MAIN}, kvm_vcpu_halt()`),
    [
      ...(env.haltPolling
        ? [
            step('kvm_vcpu_check_block', checkBlock(env, 'request', { polls: true })),
            when([(t: HostThread, l: HostLocals) => !sleeps(t, l), [noteHalted, leavePath]]),
          ]
        : []),
      call(blockPath(env, 'request')),
    ],
    { locals: ['sleep'] },
  );
