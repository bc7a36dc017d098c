/**
 * How a thread of the VMM gets a vCPU out of KVM_RUN and keeps it there: a wish, immediate_exit and
 * a signal; what KVM_RUN and the vCPU's thread do about them.
 *
 * @see kernel Documentation/virt/kvm/api.rst, immediate_exit, KVM_SET_SIGNAL_MASK; QEMU
 * accel/kvm/kvm-all.c, kvm_cpu_kick(), kvm_cpu_exec(), kvm_eat_signals()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { HostOptions } from '../../events/options.ts';
import type { SharedField } from '../../events/user-vmm/user-vmm.ts';
import { type HostEnv, type HostItem, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { tgkillItems } from '../host/tgkill.ts';
import { vcpuOf } from '../kvm/kvm-env.ts';
import type { KvmParts } from '../kvm/slots.ts';
import type { Source } from '../path/path.ts';
import { sharedOf } from './vmm-shared.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** kvm_run->immediate_exit, or vcpu->wants_to_run the other way round. */
    readonly immediateExit?: boolean | undefined;
    /** The vCPU is to stay outside KVM_RUN. */
    readonly paused?: boolean | undefined;
    /** The signal has to wake a thread that sleeps. */
    readonly mustWake?: boolean | undefined;
  }
}

const QEMU: Source = { source: 'QEMU accel/kvm/kvm-all.c, kvm_cpu_kick(), kvm_cpu_exec(), kvm_eat_signals()', grade: 'read' };

const store = (env: HostEnv, field: SharedField, value: boolean) => (t: HostThread) =>
  outgoing(sharedOf(vcpuOf(env, t).id), { type: 'vmm.store', field, value });
const load = (env: HostEnv, field: SharedField) => (t: HostThread) => outgoing(sharedOf(vcpuOf(env, t).id), { type: 'vmm.load?', field });

const isMasked = (options: HostOptions): boolean => options['vmm.kick'] === 'signal-mask';
/** A signal that is not blocked is handled, by nothing, before the thread goes on in user mode. */
const handled = (t: HostThread): Partial<HostThread> => (t.sigpending === true ? { sigpending: undefined } : {});

/** The thread stays outside KVM_RUN as long as it is wanted there. */
const lookForPause = (env: HostEnv): HostItem =>
  loop(
    step('look_for_pause', {
      ...QEMU,
      idles: true,
      yields: true,
      ...(!isMasked(env.options) && { set: handled }),
      send: load(env, 'paused'),
      answers: { 'vmm.loaded': (e) => ({ paused: e.value }) },
    }),
    when([(_t, l) => l.paused !== true, [leaveLoop]]),
  );

const reenters =
  (env: HostEnv) =>
  (t: HostThread): boolean => {
    const op = opOf(env, t);
    return op.op === 'KVM_RUN' && op.reenter === true;
  };

/**
 * The last instructions before KVM_RUN: an unblocked signal that has come so far is handled; one
 * that comes from here on, KVM_RUN sees.
 */
const preRun = (env: HostEnv, name: string): readonly HostItem[] =>
  isMasked(env.options) ? [] : [when([reenters(env), [step(name, { ...QEMU, set: handled })]])];

/** After each end of KVM_RUN that the VMM has answered. */
function betweenRuns(env: HostEnv): readonly HostItem[] {
  const clear = step('clear_immediate_exit', { ...QEMU, set: handled, send: store(env, 'immediateExit', false) });
  const eat = when([(t: HostThread) => t.sigpending === true, [step('sigtimedwait_kick', { ...QEMU, set: handled })]]);
  const look = lookForPause(env);
  const design = { 'clear-then-look': [clear, look], 'look-then-clear': [look, clear], 'signal-mask': [eat, look] };
  return [
    when([reenters(env), [...design[env.options['vmm.kick']], note(() => ({ paused: undefined }))]]),
    ...preRun(env, 'kvm_arch_pre_run'),
  ];
}

/** Before what a vendor looks at, which is not looked at then. */
const ORDER = 10;

/** What KVM does about immediate_exit. */
function immediateExit({ 'kvm.immediateExit': read }: HostOptions): Pick<KvmParts, 'beforeLoad' | 'beforeRun'> {
  const reads = (env: HostEnv, name: string, source: string) =>
    step(name, {
      ...kernelSource(source),
      send: load(env, 'immediateExit'),
      answers: { 'vmm.loaded': (e) => ({ immediateExit: e.value }) },
    });
  const heeds = when([(_t, l) => l.immediateExit === true, [note(() => ({ notRun: true }))]]);
  const locals = ['immediateExit', 'notRun'] as const;
  if (read === 'behind-io')
    return {
      beforeRun: {
        order: ORDER,
        locals,
        items: (env) => [reads(env, 'immediate_exit', 'arch/x86/kvm/x86.c, kvm_arch_vcpu_ioctl_run(), 6.1'), heeds],
      },
    };
  return {
    beforeLoad: { items: (env) => [reads(env, 'wants_to_run', 'virt/kvm/kvm_main.c, kvm_vcpu_ioctl(), 6.12')] },
    beforeRun: { order: ORDER, locals, items: () => [heeds] },
  };
}

/** What the mechanism fills where some thread pauses a vCPU. */
export const kickParts = (options: HostOptions): KvmParts => ({
  ...(!isMasked(options) && immediateExit(options)),
  userLoop: { first: (env) => preRun(env, 'kvm_arch_pre_run_first'), reactions: () => [], afterEach: betweenRuns, locals: ['paused'] },
});

/** HLT of a guest whose local APIC is emulated in user space. */
export const userspaceHalt: KvmParts = {
  beforeHandler: {
    items: (env) => [
      when([
        (t, { exit }) => exit?.reason === 'HLT' && env.settings[vcpuOf(env, t).vm]?.irqchip === 'userspace',
        [
          step('kvm_emulate_halt_noskip', {
            ...kernelSource('arch/x86/kvm/x86.c, kvm_emulate_halt_noskip(), __kvm_emulate_halt()'),
            local: () => ({ returns: true }),
          }),
        ],
      ]),
    ],
  },
};

/** The thread that runs the vCPU of the operation. */
function threadOf(env: HostEnv, t: HostThread): ActorId {
  const op = opOf(env, t);
  if (op.op !== 'pause-vcpu') throw new Error(`${op.op} kicks no vCPU`);
  return env.vms[op.vm]!.threads[op.vcpu]!;
}

/** The signal reaches a thread that sleeps in the kernel, or whose guest runs. */
const pthreadKill = (env: HostEnv) =>
  path(
    'pthread_kill',
    kernelSource('kernel/signal.c, do_tkill(), signal_wake_up_state()'),
    tgkillItems((t) => threadOf(env, t), { wakes: 'mustWake', wake: 'signal_wake_up' }),
    { locals: ['mustWake'] },
  );

/** Operations of a thread that wants a vCPU to stand still, by name. */
export const userVmmOperations = (env: HostEnv): readonly (readonly [string, HostItem])[] => [
  [
    'pause-vcpu',
    call(
      path('pause_vcpu', QEMU, [
        step('store_pause', { send: store(env, 'paused', true) }),
        ...(isMasked(env.options) ? [] : [step('store_immediate_exit', { send: store(env, 'immediateExit', true) })]),
        call(pthreadKill(env)),
      ]),
    ),
  ],
  ['store-immediate-exit', step('store_immediate_exit', { ...QEMU, send: store(env, 'immediateExit', true) })],
  ['resume-vcpu', step('resume_vcpu', { ...QEMU, send: store(env, 'paused', false) })],
];
