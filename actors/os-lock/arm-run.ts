/**
 * KVM_RUN on arm64: load, the debug set-up around each entry (O1 to O10) or the owner decided at load (G1 to G8), world switch, exits, VMM.
 *
 * @see kernel arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_run(); arch/arm64/kvm/debug.c; domain debug-and-split-lock D.7
 */

import { outgoing } from '../../events/event.ts';
import type { ArmExit } from '../../events/os-lock/arm-debug.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, toCpu } from '../host/host-env.ts';
import { otherwise } from '../path/path.ts';
import { keptOf, lockMutex, toArm, unlockMutex, vcpuOf } from './arm-env.ts';

const { path, step, call, loop, when, note, leaveLoop, leavePath, preemptDisable, preemptEnable } = host;
const ARM = kernelSource('arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_run()');
const DEBUG = kernelSource('arch/arm64/kvm/debug.c');
const KVM_MAIN = kernelSource('virt/kvm/kvm_main.c');

const isOwnerModel = (env: HostEnv) => env.options['kvm.armDebug'] === 'owner';
const isOslarWrite = (exit: ArmExit | undefined): boolean =>
  exit?.exit === 'sysreg' && exit.write && (exit.reg === 'oslar_el1' || exit.reg === 'dbgoslar');

/** kvm_arch_vcpu_load() and kvm_arch_vcpu_put(): the generic half and the debug half are one micro-step each. */
const loadStep = (env: HostEnv) =>
  step('kvm_arch_vcpu_load', {
    send: (t) => [outgoing(vcpuOf(env, t), { type: 'vcpu.load', cpu: t.cpu! }), toArm(env, t, { type: 'arm.load', cpu: t.cpu! })],
  });
const putStep = (env: HostEnv) =>
  step('kvm_arch_vcpu_put', {
    send: (t) => [outgoing(vcpuOf(env, t), { type: 'vcpu.put' }), toArm(env, t, { type: 'arm.put' })],
  });

/** R2 to R5. */
const vcpuLoad = (env: HostEnv) =>
  path('vcpu_load', KVM_MAIN, [
    step('get_cpu', { preempt: 1, ns: 5 }),
    step('preempt_notifier_register', { set: (t) => ({ notifier: vcpuOf(env, t) }) }),
    loadStep(env),
    step('put_cpu', { preempt: -1, ns: 5 }),
  ]);

/** R19. */
const vcpuPut = (env: HostEnv) =>
  path('vcpu_put', KVM_MAIN, [
    preemptDisable,
    putStep(env),
    step('preempt_notifier_unregister', { set: () => ({ notifier: null }) }),
    preemptEnable,
  ]);

/** O4 and O5. The owner model has decided all this at load. */
const setupDebug = (env: HostEnv) =>
  path(
    'kvm_arm_setup_debug',
    DEBUG,
    [
      step('kvm_arm_setup_mdcr_el2', { send: (t) => toArm(env, t, { type: 'arm.setupMdcr' }) }),
      step('save_guest_debug_regs', { send: (t) => toArm(env, t, { type: 'arm.setupDebug' }) }),
    ],
    { requires: 'N' },
  );
/** O7. */
const clearDebug = (env: HostEnv) =>
  path('kvm_arm_clear_debug', DEBUG, [step('restore_guest_debug_regs', { send: (t) => toArm(env, t, { type: 'arm.clearDebug' }) })], {
    requires: 'N',
  });

/** O6: the world switch, the guest, and back. */
const vcpuRun = (env: HostEnv) => {
  const hyp = env.options['kvm.pkvmDebug'] !== 'none';
  return path(
    '__kvm_vcpu_run',
    kernelSource('arch/arm64/kvm/hyp/vhe/switch.c, __kvm_vcpu_run(); arch/arm64/kvm/hyp/nvhe/hyp-main.c, flush_hyp_vcpu()'),
    [
      ...(hyp ? [step('flush_hyp_vcpu', { send: (t) => toArm(env, t, { type: 'arm.flush' }) })] : []),
      step('__guest_enter', { mode: 'guest', ns: 500, send: (t) => toArm(env, t, { type: 'arm.enter' }) }),
      loop(
        step('guest', {
          idles: true,
          send: (t) => outgoing(vcpuOf(env, t), { type: 'guest.step' }),
          answers: {
            'guest.ran': () => ({}),
            vmexit: (e) => ({ exit: e.reason }),
            'arm.exit': (e) => ({ arm: e.reason }),
          },
          wakes: { 'cpu.interrupt': () => ({ exit: 'INTR' as const }) },
        }),
        when([(_t, l) => l.exit !== undefined || l.arm !== undefined, [leaveLoop]]),
      ),
      step('__guest_exit', { inside: true, mode: 'kernel', ns: 800, send: (t) => toArm(env, t, { type: 'arm.leave' }) }),
      ...(hyp ? [step('sync_hyp_vcpu', { send: (t) => toArm(env, t, { type: 'arm.sync' }) })] : []),
    ],
    { requires: 'N' },
  );
};

/** The trap of OSLAR and of its AArch32 name. */
const handleSysreg = (env: HostEnv): HostItem =>
  step('kvm_handle_sys_reg', {
    send: (t, l) => {
      if (l.arm?.exit !== 'sysreg') throw new Error('a register access without its trap');
      const { reg, write, value } = l.arm;
      return toArm(env, t, { type: 'arm.sysreg', reg, write, value });
    },
  });

/** O1 to O9: one turn through guest mode. Leaves `exit` or `arm`; neither if something was pending. */
const enterGuest = (env: HostEnv) => {
  const setMode = (mode: 'IN_GUEST_MODE' | 'OUTSIDE_GUEST_MODE') =>
    step(mode, { ns: 5, send: (t) => outgoing(vcpuOf(env, t), { type: 'vcpu.setMode', mode }) });
  const perEntry = !isOwnerModel(env);
  const fast = env.options['kvm.oslarExit'] === 'fast-path';
  return path(
    'kvm_arm_vcpu_enter_exit',
    ARM,
    [
      step('check_vcpu_requests', { mayResched: true }),
      preemptDisable,
      step('local_irq_disable', { irqs: false, ns: 5 }),
      setMode('IN_GUEST_MODE'),
      step('kvm_vcpu_exit_request', {
        send: (t) => toCpu(t, { type: 'cpu.needResched?' }),
        answers: { 'cpu.needResched': (e) => ({ pending: e.pending }) },
      }),
      when([
        (_t, l) => l.pending !== true,
        [
          ...(perEntry ? [call(setupDebug(env))] : []),
          call(vcpuRun(env)),
          ...(fast ? [when([(_t, l: HostLocals) => isOslarWrite(l.arm), [call(fixupGuestExit(env))]])] : []),
          ...(perEntry ? [call(clearDebug(env))] : []),
        ],
      ]),
      setMode('OUTSIDE_GUEST_MODE'),
      step('local_irq_enable', { irqs: true, ns: 5 }),
      preemptEnable,
    ],
    { locals: ['pending'] },
  );
};

/** The fast path that handles the trap before the debug state is cleared: a design that no kernel has. @see scenario 27 */
const fixupGuestExit = (env: HostEnv) =>
  path('fixup_guest_exit', { source: 'domain debug-and-split-lock D.7, bug variant of O10', grade: 'decision' }, [
    handleSysreg(env),
    note(() => ({ arm: undefined, exit: 'INTR' as const })),
  ]);

/** G5 to G8: the owner is decided anew, on this CPU. */
const reload = (env: HostEnv): readonly HostItem[] => {
  const how = env.options['kvm.oslarReload'];
  if (!isOwnerModel(env) || how === 'lazy') return [];
  const both = [putStep(env), loadStep(env)];
  const items = how === 'preemptible' ? both : [preemptDisable, ...both, preemptEnable];
  return [when([(_t, l: HostLocals) => isOslarWrite(l.arm), [call(path('kvm_debug_handle_oslar', DEBUG, items))]])];
};

/** O10 by reason; what user space must see ends the loop. */
const handleExit = (env: HostEnv) => {
  const skips = env.options['kvm.osLock'] === 'patch-v2';
  return path('handle_exit', kernelSource('arch/arm64/kvm/handle_exit.c, handle_exit()'), [
    when(
      [(_t, l) => l.arm?.exit === 'sysreg', [handleSysreg(env), ...reload(env)]],
      [
        (_t, l) => l.arm?.exit === 'debug' && l.arm.exception === 'step',
        [step('kvm_handle_guest_debug', { send: (t) => toArm(env, t, { type: 'arm.stepped' }) })],
      ],
      [(_t, l) => l.arm?.exit === 'debug' && l.arm.exception === 'vector-catch', [call(unknownPath(env))]],
      ...(skips
        ? [[(_t: HostThread, l: HostLocals) => l.arm?.exit === 'debug' && l.arm.exception === 'brk', [call(skipPath(env))]] as const]
        : []),
      [
        (_t, l) => l.exit === 'INTR',
        [step('handle_external_interrupt', { ns: 50, send: (t) => outgoing(vcpuOf(env, t), { type: 'guest.interrupted' }) })],
      ],
      [otherwise, [step('kvm_handle_to_user', { ns: 50 })]],
    ),
  ]);
};

/** Vector catch has no handler of its own in arm_exit_handlers: the guest gets an undefined instruction. */
const unknownPath = (env: HostEnv) =>
  path('kvm_handle_unknown_ec', kernelSource('arch/arm64/kvm/handle_exit.c, arm_exit_handlers[], kvm_handle_unknown_ec()'), [
    step('kvm_inject_undefined', { send: (t) => toArm(env, t, { type: 'arm.unknown' }) }),
    note(() => ({ arm: undefined, exit: 'INTR' as const })),
  ]);

/** Patch v2: BRK went to EL2 because of the lock, and is skipped; a debugger gets it as always. */
const skipPath = (env: HostEnv) =>
  path(
    'kvm_handle_guest_debug_v2',
    { source: 'KVM: arm64: Emulate the OS Lock, patch v2 4/6, handle_exit.c', grade: 'read' },
    [
      step('test_guest_debug', {
        send: (t) => toArm(env, t, { type: 'arm.debugger?' }),
        answers: { 'arm.debugger': (e) => ({ ready: e.flags.length > 0 }) },
      }),
      when([
        (_t, l) => l.ready !== true,
        [
          step('kvm_incr_pc', { send: (t) => toArm(env, t, { type: 'arm.skip' }) }),
          note(() => ({ arm: undefined, exit: 'INTR' as const })),
        ],
      ]),
    ],
    { locals: ['ready'] },
  );

/** Whether the exit ends the ioctl. */
const leavesKernel = (l: HostLocals): boolean =>
  l.arm?.exit === 'debug' || l.arm?.exit === 'pause' || (l.arm === undefined && l.exit !== undefined && l.exit !== 'INTR');

const ioctl = (env: HostEnv) =>
  path('kvm_vcpu_ioctl', KVM_MAIN, [
    step('ioctl', { mode: 'kernel' }),
    lockMutex(env),
    call(vcpuLoad(env)),
    loop(
      note(() => ({ exit: undefined, arm: undefined })),
      call(enterGuest(env)),
      when([(_t, l) => l.exit !== undefined || l.arm !== undefined, [call(handleExit(env))]]),
      when([(_t, l) => leavesKernel(l), [leaveLoop]]),
    ),
    call(vcpuPut(env)),
    unlockMutex(env),
    step('sysret', { mode: 'user' }),
  ]);

/** Whether the VMM recognizes the event as one of its own. @see QEMU, kvm_arm_handle_debug() */
const isMine = ({ arm, debugger: attached }: HostLocals): boolean => {
  if (arm?.exit !== 'debug' || attached === undefined) return false;
  if (arm.exception === 'step') return attached.flags.includes('SINGLESTEP');
  return attached.known && attached.flags.includes(arm.exception === 'brk' ? 'USE_SW_BP' : 'USE_HW');
};
/** What a lock blocks; breakpoint instructions are not. */
const isBlockable = ({ arm }: HostLocals): boolean => arm?.exit === 'debug' && arm.exception !== 'brk';

/** KVM_EXIT_DEBUG in user space: its own events are reported; all others it puts into EL1, by hand. */
const handleDebug = (env: HostEnv) => {
  const looks = env.options['vmm.debugInject'] === 'unless-locked';
  const report = step('report_to_debugger', { send: (t) => toArm(env, t, { type: 'arm.handled' }) });
  const inject = step('arm_cpu_do_interrupt', {
    send: (t, l) => {
      if (l.arm?.exit !== 'debug') throw new Error('an exception to inject without its exit');
      return toArm(env, t, { type: 'arm.inject', exception: l.arm.exception });
    },
  });
  const getOslsr = step('KVM_GET_ONE_REG_oslsr', {
    send: (t) => toArm(env, t, { type: 'arm.getReg?', reg: 'oslsr_el1' }),
    answers: { 'arm.reg': (e) => ({ value: e.value }) },
  });
  const dropIfLocked: readonly HostItem[] = [
    when([(_t, l) => isBlockable(l), [getOslsr, when([(_t, l) => ((l.value ?? 0) & 2) !== 0, [step('drop_event'), leavePath]])]]),
  ];
  return path(
    'kvm_arm_handle_debug',
    { source: 'QEMU target/arm/kvm.c, kvm_arm_handle_debug(); domain debug-and-split-lock D.4', grade: 'read' },
    [
      step('find_debug_event', {
        send: (t) => toArm(env, t, { type: 'arm.debugger?' }),
        answers: { 'arm.debugger': ({ flags, known }) => ({ debugger: { flags, known } }) },
      }),
      when([(_t, l) => isMine(l), [report, leavePath]]),
      ...(looks ? dropIfLocked : []),
      inject,
    ],
    { locals: ['debugger', 'value'] },
  );
};

/** What a VMM's vCPU thread does: the ioctl again and again, until the guest stops for good, or for a migration. */
export const armRunPath = (env: HostEnv) =>
  path(
    'KVM_RUN',
    { source: 'QEMU accel/kvm/kvm-all.c, kvm_cpu_exec()', grade: 'read' },
    [
      loop(
        call(ioctl(env)),
        when([(_t, l) => l.arm?.exit !== 'debug', [leaveLoop]]),
        call(handleDebug(env)),
        note(() => ({ exit: undefined, arm: undefined })),
      ),
      when([(_t, l) => l.arm?.exit === 'pause', [step('vm_stopped', { send: (t) => toArm(env, t, { type: 'arm.stopped' }) })]]),
    ],
    { locals: ['exit', 'arm'] },
  );

/** S2 and S5: the notifiers of a thread that runs a vCPU. */
export const armSchedOut = path('kvm_sched_out', KVM_MAIN, [
  step('kvm_arch_vcpu_put', {
    send: (t) => [outgoing(t.notifier!, { type: 'vcpu.put' }), outgoing(keptOf(t, t.notifier!), { type: 'arm.put' })],
  }),
]);
export const armSchedIn = path('kvm_sched_in', KVM_MAIN, [
  step('kvm_arch_vcpu_load', {
    send: (t) => [
      outgoing(t.notifier!, { type: 'vcpu.load', cpu: t.cpu! }),
      outgoing(keptOf(t, t.notifier!), { type: 'arm.load', cpu: t.cpu! }),
    ],
  }),
]);
