/** kvm_vcpu_block(): the thread of a vCPU sleeps until there is something to do. */
import { outgoing } from '../../events/event.ts';
import type { BlockedUntil } from '../../events/kvm.ts';
import { type HostEnv, host, kernelSource, signalPending, toCpu } from '../host/host-env.ts';
import { vcpuOf } from './kvm-env.ts';

const { path, step, when } = host;

/**
 * The thread sleeps until a request arrives (HLT), or until the request it names is cleared, or a
 * signal comes.
 * @public
 */
export const blockPath = (env: HostEnv, until: BlockedUntil) =>
  path(
    'kvm_vcpu_block',
    kernelSource('virt/kvm/kvm_main.c, kvm_vcpu_block(), kvm_vcpu_check_block()'),
    [
      step('prepare_to_rcuwait', {
        send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.block', until }),
        answers: { 'vcpu.blocked': (e) => ({ sleep: e.sleep }) },
      }),
      when([
        (t, l) => l.sleep === true && !signalPending(t),
        [
          step('schedule', { sleeps: true, send: (t) => toCpu(t, { type: 'cpu.sleep' }) }),
          step('finish_rcuwait', {
            ...(until === 'request' && { rests: true }),
            send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.unblock' }),
          }),
        ],
      ]),
    ],
    { locals: ['sleep'] },
  );
