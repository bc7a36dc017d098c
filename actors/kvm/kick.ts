/**
 * Requests to vCPUs, to one or to all of a VM, and the IPI that makes a vCPU in guest mode see
 * them.
 */
import { type ActorId, outgoing, sender } from '../../events/event.ts';
import type { RequestFlags, VcpuRequest } from '../../events/kvm.ts';
import { type HostEnv, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';

const { path, step, call, loop, when, leaveLoop } = host;

const vcpuId = (env: HostEnv, l: HostLocals) => env.vms[l.owner!]!.vcpus[l.vcpu!]!;

/** kvm_vcpu_kick() of a vCPU, after kvm_make_request() if there is a request. */
export const kickVcpuPath = (vcpu: (t: HostThread, l: HostLocals) => ActorId, request: VcpuRequest | null) =>
  path(
    'kvm_vcpu_kick',
    kernelSource('virt/kvm/kvm_main.c, kvm_vcpu_kick(); include/linux/kvm_host.h, kvm_make_request(), kvm_vcpu_exiting_guest_mode()'),
    [
      step(request === null ? 'kvm_vcpu_exiting_guest_mode' : 'kvm_make_request', {
        send: (t, l) => outgoing(vcpu(t, l), request === null ? { type: 'vcpu.exitGuestMode' } : { type: 'vcpu.request', request }),
        answers: { 'vcpu.kick': (e) => ({ kickCpu: e.cpu }) },
      }),
      when([
        (_t, l) => l.kickCpu != null,
        [step('smp_send_reschedule', { send: (_t, l) => outgoing(l.kickCpu!, { type: 'irq.reschedule' }) })],
      ]),
    ],
    { locals: ['kickCpu'] },
  );

/** The same of the vCPU named by `owner` and `vcpu`. @public */
export const kickPath = (env: HostEnv, request: VcpuRequest | null) => kickVcpuPath((_t, l) => vcpuId(env, l), request);

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

type CpuMask = NonNullable<HostLocals['kickMask']>;
const cpusIn = ({ kickMask = {} }: HostLocals): readonly ActorId[] => Object.keys(kickMask);

/**
 * The CPUs that get the IPI, with one more. The sender's own is never among them: while it runs
 * there with preemption off, no vCPU does.
 */
const withCpu = ({ kickMask = {} }: HostLocals, cpu: ActorId | null): CpuMask => (cpu === null ? kickMask : { ...kickMask, [cpu]: true });
const withoutCpu = ({ kickMask = {} }: HostLocals, cpu: ActorId): CpuMask =>
  Object.fromEntries(Object.entries(kickMask).filter(([one]) => one !== cpu));

/**
 * smp_call_function_many(), for the CPUs of `kickMask`: each runs ack_kick() in the handler of the
 * IPI. A sender that waits spins with preemption off and interrupts on, so that it acknowledges the
 * calls of others meanwhile. Simplified: an IPI goes out also to a CPU that has a call in its queue
 * and one under way, where llist_add() says that none is needed.
 */
const callFunctionPath = (wait: boolean) =>
  path(
    'smp_call_function_many',
    kernelSource('kernel/smp.c, smp_call_function_many_cond(), csd_lock_wait(); virt/kvm/kvm_main.c, kvm_kick_many_cpus(), ack_kick()'),
    [
      step('send_call_function_ipi_mask', {
        send: (_t, l) =>
          cpusIn(l).flatMap((cpu) => [
            ...(wait ? [outgoing(cpu, { type: 'csd.queue' })] : []),
            outgoing(cpu, { type: 'irq.call_function' }),
          ]),
      }),
      ...(wait
        ? [
            loop(
              step('csd_lock_wait', {
                idles: true,
                yields: true,
                wakes: { 'csd.unlock': (e, _t, l) => ({ kickMask: withoutCpu(l, sender(e)) }) },
              }),
              when([(_t, l) => cpusIn(l).length === 0, [leaveLoop]]),
            ),
          ]
        : []),
    ],
    { requires: 'N' },
  );

/**
 * kvm_make_all_cpus_request(): all vCPUs of the VM named by `owner` get the request first, and then
 * all CPUs that need it one IPI. Preemption is off throughout. What the flags of the request say,
 * `requestFlags` of `KvmParts` declares.
 * @public
 */
export const allCpusRequestPath = (env: HostEnv, request: VcpuRequest) => {
  const flags: RequestFlags = env.slots.keyed('requestFlags')[request] ?? {};
  const isLast = (_t: HostThread, l: HostLocals): boolean => l.vcpu! >= env.vms[l.owner!]!.vcpus.length;
  return path(
    'kvm_make_all_cpus_request',
    kernelSource('virt/kvm/kvm_main.c, kvm_make_all_cpus_request_except(), kvm_make_vcpu_request(), kvm_request_needs_ipi()'),
    [
      step('get_cpu', { preempt: 1, ns: 5, local: () => ({ vcpu: 0, kickMask: {} }) }),
      loop(
        ...env.slots.items('eachVcpu', env),
        when([isLast, [leaveLoop]]),
        step('kvm_make_vcpu_request', {
          send: (_t, l) => outgoing(vcpuId(env, l), { type: 'vcpu.makeRequest', request, flags }),
          answers: { 'vcpu.kick': (e, _t, l) => ({ kickMask: withCpu(l, e.cpu), vcpu: l.vcpu! + 1 }) },
        }),
      ),
      when([(_t, l) => cpusIn(l).length > 0, [call(callFunctionPath(flags.wait === true))]]),
      step('put_cpu', { preempt: -1, ns: 5 }),
    ],
    { locals: ['vcpu', 'kickMask', ...env.slots.locals('eachVcpu')] },
  );
};
