/** The SVM half of the run loop: what AMD hosts do between vcpu_load() and #VMEXIT. */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, host, kernelSource, vcpuOf } from '../host/host-env.ts';
import type { Vendor } from '../kvm/kvm-run.ts';
import { npfPath, pscPath } from './exits.ts';
import { toRmp, vmsaOf } from './snp-env.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath } = host;

/**
 * VMRUN to #VMEXIT. V1 to V4 are one micro-step (a locked VMSA entry is waited for), V5 the next, E1 to E3 the last.
 * @see domain snp b.5, c 13; R12
 */
const svmVcpuRun = (env: HostEnv) =>
  path(
    'svm_vcpu_run',
    kernelSource('arch/x86/kvm/svm/svm.c, svm_vcpu_run(); APM vol. 2, "VMRUN"'),
    [
      when([
        (t) => vmsaOf(env, t).vmsa !== null,
        [
          loop(
            step('VMRUN_check_vmsa', {
              idles: true,
              ns: 500,
              send: (t) => toRmp({ type: 'rmp.enter', pfn: vmsaOf(env, t).vmsa!, asid: vmsaOf(env, t).asid }),
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
          const { vmsa } = vmsaOf(env, t);
          return vmsa === null ? [] : toRmp({ type: 'rmp.leave', pfn: vmsa });
        },
      }),
    ],
    { locals: ['atomic', 'vmsaCheck'], requires: 'N' },
  );

/** SVM, where the run skeleton asks for it. */
export const svmVendor = (env: HostEnv): Vendor => ({
  prepare: [step('svm_prepare_switch_to_guest')],
  run: svmVcpuRun(env),
  exits: [
    [(_t, l) => l.exit === 'NPF', [call(npfPath(env))]],
    [(_t, l) => l.exit === 'VMGEXIT' && l.ghcb?.nae === 'PSC', [call(pscPath(env))]],
  ],
  exitLocals: ['gfn', 'ghcb', 'exitPrivate'],
  put: [],
});
