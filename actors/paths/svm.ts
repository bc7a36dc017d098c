/** The SVM half of the run loop: what AMD hosts do between vcpu_load() and #VMEXIT. */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostThread, host, kernelSource, opOf, toRmp } from './env.ts';

const { path, step, loop, when, note, leaveLoop, leavePath } = host;

/** The vCPU that the thread's ioctl is for: KVM_RUN, or one of a mechanism. */
export function vcpuOf(env: HostEnv, thread: HostThread) {
  const op = opOf(env, thread);
  if (!('vcpu' in op)) throw new Error(`${op.op} names no vCPU`);
  return { vm: op.vm, id: env.vms[op.vm]!.vcpus[op.vcpu]!, vmsa: env.vms[op.vm]!.vmsas[op.vcpu] ?? null, asid: env.vms[op.vm]!.asid };
}

/**
 * VMRUN to #VMEXIT. V1 to V4 are one micro-step (a locked VMSA entry is waited for), V5 the next, E1 to E3 the last.
 * @see domain snp b.5, c 13; R12
 */
export const svmVcpuRun = (env: HostEnv) =>
  path(
    'svm_vcpu_run',
    kernelSource('arch/x86/kvm/svm/svm.c, svm_vcpu_run(); APM vol. 2, "VMRUN"'),
    [
      when([
        (t) => vcpuOf(env, t).vmsa !== null,
        [
          loop(
            step('VMRUN_check_vmsa', {
              idles: true,
              ns: 500,
              send: (t) => toRmp({ type: 'rmp.enter', pfn: vcpuOf(env, t).vmsa!, asid: vcpuOf(env, t).asid }),
              answers: { 'rmp.entered': (e) => ({ vmsaCheck: e.outcome }) },
            }),
            when([(_t, l) => l.vmsaCheck !== 'locked', [leaveLoop]]),
          ),
          when([(_t, l) => l.vmsaCheck === 'invalid', [note(() => ({ exit: 'INVALID' })), leavePath]]),
        ],
      ]),
      step('VMRUN', { mode: 'guest', ns: 500 }),
      loop(
        step('guest', {
          idles: true,
          send: (t) => outgoing(vcpuOf(env, t).id, { type: 'guest.step' }),
          answers: {
            'guest.ran': (e) => ({ atomic: e.atomic }),
            vmexit: (e) => ({ exit: e.reason, exitPrivate: e.private, gfn: e.gfn ?? undefined, ghcb: e.ghcb ?? undefined }),
          },
          wakes: { 'cpu.interrupt': (e) => ({ exit: e.spurious ? ('NMI' as const) : ('INTR' as const) }) },
        }),
        when([(_t, l) => l.exit !== undefined, [leaveLoop]]),
        when([
          (_t, l) => l.atomic === true,
          [
            loop(
              step('guest_insn', {
                inside: true,
                idles: true,
                send: (t) => outgoing(vcpuOf(env, t).id, { type: 'guest.step' }),
                answers: { 'guest.ran': (e) => ({ atomic: e.atomic }) },
              }),
              when([(_t, l) => l.atomic === false, [leaveLoop]]),
            ),
          ],
        ]),
      ),
      step('VMEXIT', {
        inside: true,
        mode: 'kernel',
        ns: 800,
        send: (t) => {
          const { vmsa } = vcpuOf(env, t);
          return vmsa === null ? [] : toRmp({ type: 'rmp.leave', pfn: vmsa });
        },
      }),
    ],
    { locals: ['atomic', 'vmsaCheck'], requires: 'N' },
  );
