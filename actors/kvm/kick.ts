/** Requests to a vCPU, and the IPI that makes a vCPU in guest mode see them. */
import { outgoing } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import type { VcpuRequest } from '../../events/kvm.ts';
import { type HostEnv, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import type { Item } from '../path/path.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;

const vcpuId = (env: HostEnv, l: HostLocals) => env.vms[l.owner!]!.vcpus[l.vcpu!]!;

/**
 * kvm_vcpu_kick() of the vCPU named by `owner` and `vcpu`, after kvm_make_request() if there is a
 * request.
 * @public
 */
export const kickPath = (env: HostEnv, request: VcpuRequest | null) =>
  path(
    'kvm_vcpu_kick',
    kernelSource('virt/kvm/kvm_main.c, kvm_vcpu_kick(); include/linux/kvm_host.h, kvm_make_request(), kvm_vcpu_exiting_guest_mode()'),
    [
      step(request === null ? 'kvm_vcpu_exiting_guest_mode' : 'kvm_make_request', {
        send: (_t, l) => outgoing(vcpuId(env, l), request === null ? { type: 'vcpu.exitGuestMode' } : { type: 'vcpu.request', request }),
        answers: { 'vcpu.kick': (e) => ({ kickCpu: e.cpu }) },
      }),
      when([
        (_t, l) => l.kickCpu != null,
        [step('smp_send_reschedule', { send: (_t, l) => outgoing(l.kickCpu!, { type: 'irq.reschedule' }) })],
      ]),
    ],
    { locals: ['kickCpu'] },
  );

/** Waits until the vCPU named by `owner` and `vcpu` has left guest mode. @public */
export const waitOutsidePath = (env: HostEnv) =>
  path(
    'wait_outside_guest_mode',
    { source: 'domain snp d.3', grade: 'decision' },
    [
      loop(
        step('poll', {
          idles: true,
          send: (_t, l) => outgoing(vcpuId(env, l), { type: 'vcpu.mode?' }),
          answers: { 'vcpu.mode': (e) => ({ mode: e.mode }) },
        }),
        when([(_t, l) => l.mode === 'OUTSIDE_GUEST_MODE', [leaveLoop]]),
      ),
    ],
    { locals: ['mode'] },
  );

/** kvm_vm_dead(): every vCPU of the VM named by `owner` is told, from `vcpu` on. @public */
export const kickAll = (env: HostEnv): readonly Item<HostThread, HostLocals, ThreadEvent>[] => [
  loop(
    call(kickPath(env, 'KVM_REQ_VM_DEAD')),
    when([(_t, l) => l.vcpu! + 1 >= env.vms[l.owner!]!.vcpus.length, [leaveLoop]]),
    note((_t, l) => ({ vcpu: l.vcpu! + 1 })),
  ),
];
