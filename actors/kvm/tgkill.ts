/**
 * A signal to the thread that runs a vCPU, which it has a handler for: what sends it, and how the
 * thread takes it on its way to user mode.
 *
 * @see kernel kernel/signal.c, do_tkill(), send_signal_locked(), signal_wake_up_state();
 * kernel/entry/common.c, exit_to_user_mode_loop()
 */
import { type HostEnv, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { tgkillItems } from '../host/tgkill.ts';
import type { KvmParts } from './slots.ts';

const { path, step, call } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** The thread that the signal is for sleeps, and is to be woken. */
    readonly wakesTarget?: boolean | undefined;
  }
}

function targetOf(env: HostEnv, t: HostThread) {
  const op = opOf(env, t);
  if (op.op !== 'tgkill') throw new Error(`${op.op} sends no signal`);
  return env.vms[op.vm]!.threads[op.vcpu]!;
}

/** The operation `tgkill`. */
export const tgkillPath = (env: HostEnv) =>
  path(
    'do_tkill',
    kernelSource('kernel/signal.c, do_tkill(), send_signal_locked(), signal_wake_up_state()'),
    tgkillItems((t) => targetOf(env, t), { wakes: 'wakesTarget', wake: 'signal_wake_up_state' }),
    { locals: ['wakesTarget'] },
  );

/** A signal that has come before KVM_RUN is handled; one that comes in it ends it. */
const handleSignal = step('arch_do_signal_or_restart', {
  ...kernelSource('arch/x86/kernel/signal.c, arch_do_signal_or_restart()'),
  set: (t) => (t.sigpending === true ? { sigpending: undefined } : {}),
});

/** The same before the first KVM_RUN. */
const beforeFirst = path('exit_to_user_mode', kernelSource('kernel/entry/common.c, exit_to_user_mode_loop()'), [handleSignal]);

/** What a VMM whose vCPU threads get signals has around KVM_RUN; `reenters`: it calls it again. */
export const signalParts = (used: ReadonlySet<string>, reenters: boolean): KvmParts =>
  used.has('tgkill') && reenters
    ? { userLoop: { first: () => [call(beforeFirst)], reactions: () => [], afterEach: () => [handleSignal] } }
    : {};
