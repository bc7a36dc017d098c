/**
 * The loop of user space around KVM_RUN: a VMM that is called back, by a signal or for a bus lock,
 * and runs the vCPU again. A timer sends its thread the signal, which is blocked but in KVM_RUN, so
 * that the run ends soon whatever the guest does.
 *
 * @see "Split Lock Detection VM Hangs", x86.lol, 2023-11-07; kernel Documentation/virt/kvm/api.rst,
 * KVM_SET_SIGNAL_MASK; QEMU kvm_cpu_exec()
 */
import { type Outgoing, outgoing } from '../../events/event.ts';
import { type HostEnv, type HostItem, type HostPath, type HostThread, host } from '../host/host-env.ts';
import { vcpuOf } from '../kvm/kvm-env.ts';
import { paid } from './bus-lock.ts';
import { SLEEP_TIMER } from './delayed-work.ts';
import type { SldFacts } from './sld-facts.ts';

const { path, step, call, loop, when, leaveLoop } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** Why KVM_RUN has ended, if the vCPU is to be run again. */
    readonly runsAgain?: 'EINTR' | 'KVM_EXIT_X86_BUS_LOCK' | undefined;
  }
}

const isSignalled = (t: HostThread): boolean => t.sigpending === true;

/** Whether a VMM has any reason to run a vCPU again. */
export const callsAgain = (facts: SldFacts): boolean => facts.exitTimerMs !== null || facts.options['kvm.busLockExit'] === 'exit';

/** KVM_RUN as the VMM calls it. */
export function vmmPath(env: HostEnv, facts: SldFacts, kvmRun: HostPath): HostPath {
  const ms = facts.exitTimerMs;
  const timer = (name: string, send: () => Outgoing): readonly HostItem[] => (ms === null ? [] : [step(name, { send })]);
  return path(
    'kvm_cpu_exec',
    { source: 'x86.lol, "Split Lock Detection VM Hangs"; QEMU accel/kvm/kvm-all.c, kvm_cpu_exec(); target/i386/kvm/kvm.c', grade: 'read' },
    [
      ...timer('timer_settime', () => outgoing(SLEEP_TIMER, { type: 'timer.settime', ms })),
      loop(
        call(kvmRun),
        when(
          [(_t, l) => l.runsAgain === undefined, [leaveLoop]],
          [
            (_t, l) => l.runsAgain === 'KVM_EXIT_X86_BUS_LOCK',
            [step('kvm_rate_limit_on_bus_lock', { send: (t) => paid(vcpuOf(env, t).id) })],
          ],
        ),
        when([isSignalled, [step('sigtimedwait', { set: () => ({ sigpending: undefined }) })]]),
      ),
      ...timer('timer_delete', () => outgoing(SLEEP_TIMER, { type: 'timer.delete' })),
    ],
    { locals: ['runsAgain'] },
  );
}
