/**
 * The loop of user space around KVM_RUN: a VMM that is called back, by a signal or for a bus lock, and runs the vCPU again. A timer sends its thread
 * the signal, which is blocked but in KVM_RUN, so that the run ends soon whatever the guest does.
 *
 * @see "Split Lock Detection VM Hangs", x86.lol, 2023-11-07; kernel Documentation/virt/kvm/api.rst, KVM_SET_SIGNAL_MASK; QEMU kvm_cpu_exec()
 */
import { outgoing } from '../../../events/event.ts';
import { SLEEP_TIMER } from '../../delayed-work.ts';
import { type HostItem, type HostPath, type HostThread, host } from '../env.ts';
import type { SldFacts } from './facts.ts';

const { path, step, call, loop, when, leaveLoop } = host;

declare module '../env.ts' {
  interface HostLocals {
    /** KVM_RUN has ended for a reason of user space's own: the vCPU is to be run again. */
    readonly runsAgain?: true | undefined;
  }
}

const isSignalled = (t: HostThread): boolean => t.sigpending === true;

/** KVM_RUN as the VMM calls it; without a reason to call it again, KVM_RUN itself. */
export function vmmPath(facts: SldFacts, kvmRun: HostPath): HostPath {
  if (facts.exitTimerMs === null) return kvmRun;
  const ms = facts.exitTimerMs;
  const consume: HostItem = when([isSignalled, [step('sigtimedwait', { set: () => ({ sigpending: undefined }) })]]);
  return path(
    'kvm_cpu_exec',
    { source: 'x86.lol, "Split Lock Detection VM Hangs"; QEMU accel/kvm/kvm-all.c, kvm_cpu_exec()', grade: 'read' },
    [
      step('timer_settime', { send: () => outgoing(SLEEP_TIMER, { type: 'timer.settime', ms }) }),
      loop(call(kvmRun), when([(_t, l) => l.runsAgain !== true, [leaveLoop]]), consume),
      step('timer_delete', { send: () => outgoing(SLEEP_TIMER, { type: 'timer.delete' }) }),
    ],
    { locals: ['runsAgain'] },
  );
}
