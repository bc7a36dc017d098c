/** kvm_vcpu_block(): the thread of a vCPU sleeps until there is something to do. */
import { outgoing } from '../../events/event.ts';
import type { BlockedUntil } from '../../events/kvm.ts';
import { type HostEnv, type HostLocals, type HostThread, host, kernelSource, signalPending, toCpu } from '../host/host-env.ts';
import { vcpuOf } from './kvm-env.ts';
import { hasUserLoop } from './user-exits.ts';

const { path, step, loop, when, leaveLoop } = host;

/** kvm_vcpu_check_block() has found nothing to do. */
const sleeps = (t: HostThread, l: HostLocals): boolean => l.sleep === true && !signalPending(t);

/**
 * The thread sleeps until a request or an interrupt arrives (HLT), or until the request it names is
 * cleared, or a signal comes. Whatever wakes it, it looks again whether there is anything to do. A
 * signal leaves `halted` behind where user space runs the vCPU again: it is still halted then.
 * @public
 */
export const blockPath = (env: HostEnv, until: BlockedUntil) => {
  const check = {
    send: (t: HostThread) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.block', until }),
    answers: { 'vcpu.blocked': (e: { readonly sleep: boolean }) => ({ sleep: e.sleep }) },
  };
  return path(
    'kvm_vcpu_block',
    kernelSource('virt/kvm/kvm_main.c, kvm_vcpu_block(), kvm_vcpu_check_block()'),
    [
      step('prepare_to_rcuwait', check),
      loop(
        when([(t, l) => !sleeps(t, l), [leaveLoop]]),
        step('schedule', { sleeps: true, send: (t) => toCpu(t, { type: 'cpu.sleep' }) }),
        step('kvm_vcpu_check_block', { ...(until === 'request' && { rests: true }), ...check }),
      ),
      when([
        (_t, l) => l.sleep === true,
        [
          step('finish_rcuwait', {
            send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.unblock' }),
            ...(until === 'request' && hasUserLoop(env) && { local: () => ({ halted: true }) }),
          }),
        ],
      ]),
    ],
    { locals: ['sleep'] },
  );
};
