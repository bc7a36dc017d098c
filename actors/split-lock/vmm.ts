/**
 * Why a VMM of an Intel host runs a vCPU again: a signal of its timer, or a bus lock. The timer
 * sends its thread the signal, which is blocked but in KVM_RUN, so that the run ends soon whatever
 * the guest does.
 *
 * @see "Split Lock Detection VM Hangs", x86.lol, 2023-11-07; kernel Documentation/virt/kvm/api.rst,
 * KVM_SET_SIGNAL_MASK; QEMU kvm_cpu_exec()
 */
import { type Outgoing, outgoing } from '../../events/event.ts';
import { type HostItem, type HostThread, host } from '../host/host-env.ts';
import { vcpuOf } from '../kvm/kvm-env.ts';
import type { UserLoop } from '../kvm/vmm.ts';
import type { Source } from '../path/path.ts';
import { paid } from './bus-lock.ts';
import { SLEEP_TIMER } from './delayed-work.ts';
import type { SldFacts } from './sld-facts.ts';

const { step, when } = host;
const SOURCE: Source = { source: 'x86.lol, "Split Lock Detection VM Hangs"; QEMU target/i386/kvm/kvm.c', grade: 'read' };

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** Why KVM_RUN has ended, if the vCPU is to be run again. */
    readonly runsAgain?: 'EINTR' | 'KVM_EXIT_X86_BUS_LOCK' | undefined;
  }
}

const isSignalled = (t: HostThread): boolean => t.sigpending === true;

/** Whether a VMM has any reason to run a vCPU again. */
export const callsAgain = (facts: SldFacts): boolean => facts.exitTimerMs !== null || facts.options['kvm.busLockExit'] === 'exit';

/** What it does before, between and after its calls of KVM_RUN. */
export function vmmLoop(facts: SldFacts): UserLoop {
  const ms = facts.exitTimerMs;
  const timer = (name: string, send: () => Outgoing): readonly HostItem[] => (ms === null ? [] : [step(name, { ...SOURCE, send })]);
  return {
    first: () => timer('timer_settime', () => outgoing(SLEEP_TIMER, { type: 'timer.settime', ms })),
    reactions: (env) => [
      [
        (_t, l) => l.runsAgain === 'KVM_EXIT_X86_BUS_LOCK',
        [step('kvm_rate_limit_on_bus_lock', { ...SOURCE, send: (t) => paid(vcpuOf(env, t).id) })],
      ],
      [(_t, l) => l.runsAgain === 'EINTR', []],
    ],
    afterEach: () => [when([isSignalled, [step('sigtimedwait', { ...SOURCE, set: () => ({ sigpending: undefined }) })]])],
    last: () => timer('timer_delete', () => outgoing(SLEEP_TIMER, { type: 'timer.delete' })),
    locals: ['runsAgain'],
  };
}
