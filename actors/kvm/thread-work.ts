/**
 * XFER_TO_GUEST_MODE_WORK: what the flags of a vCPU thread ask for before it may enter the guest,
 * and where KVM_RUN looks at them.
 *
 * @see kernel include/linux/entry-kvm.h, kernel/entry/kvm.c, xfer_to_guest_mode_handle_work()
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostItem, host, signalPending, toCpu } from '../host/host-env.ts';
import { otherwise } from '../path/path.ts';
import { vcpuOf } from './kvm-env.ts';
import { recordedAt } from './recordings.ts';

const { path, step, when } = host;
const WORK = 'kernel/entry/kvm.c, xfer_to_guest_mode_handle_work()';

/**
 * R18 on x86, and the head of a turn on arm64: the thread gives way if need_resched is set, and
 * goes `onward`. A signal comes first: it is `interrupted`, without a schedule().
 */
export const handleWork = (env: HostEnv, interrupted: readonly HostItem[], onward: readonly HostItem[] = []): readonly HostItem[] => [
  when(
    [signalPending, interrupted],
    [
      otherwise,
      [
        step('xfer_to_guest_mode_handle_work', {
          mayResched: true,
          source: WORK,
          ...recordedAt(env, WORK, '6.1-full/fg-preempt.gz:1436 and 6.12-full/fg-kick.gz:169'),
          ...(env.rseq && { set: () => ({ notifyResume: undefined }) }),
        }),
        when([signalPending, interrupted], [otherwise, onward]),
      ],
    ],
  ),
];

/**
 * R10's test: a kick, a request, or a bit of XFER_TO_GUEST_MODE_WORK gives the entry up. Of those
 * bits TIF_NOTIFY_SIGNAL has no one who sets it.
 */
export const exitRequest = (env: HostEnv) =>
  path(
    'kvm_vcpu_exit_request',
    env.vendor.enterGuest,
    [
      step('test_requests', {
        send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.requests?' }),
        answers: { 'vcpu.requests': (e) => ({ pending: e.exiting || e.pending.length > 0 }) },
      }),
      when([
        (_t, l) => l.pending !== true,
        [
          step('test_need_resched', {
            send: (t) => toCpu(t, { type: 'cpu.needResched?' }),
            answers: { 'cpu.needResched': (e, t) => ({ pending: e.pending || signalPending(t) || t.notifyResume === true }) },
          }),
        ],
      ]),
    ],
    { requires: 'N' },
  );
