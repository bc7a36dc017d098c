/**
 * What arm64 debugging fills of KVM: the debug set-up around each entry (O1 to O10) or the owner
 * that is decided at load (G1 to G8), the exits that it handles, and the VMM that gets what KVM
 * does not handle.
 *
 * @see kernel arch/arm64/kvm/debug.c, arch/arm64/kvm/handle_exit.c; domain debug-and-split-lock D.7
 */
import type { ExitReason } from '../../events/kvm.ts';
import type { HostOptions } from '../../events/options.ts';
import { DEBUG_EXITS, type DebugException } from '../../events/os-lock/arm-debug.ts';
import { hasBits } from '../../events/u64.ts';
import { type HostEnv, type HostItem, type HostLocals, host, kernelSource } from '../host/host-env.ts';
import { INTR } from '../kvm/kvm-env.ts';
import type { KvmParts } from '../kvm/slots.ts';
import { archLoad, archPut } from '../kvm/vcpu-load.ts';
import type { UserLoop } from '../kvm/vmm.ts';
import { otherwise } from '../path/path.ts';
import { OSLSR } from './arm-debug-rule.ts';
import { toArm } from './arm-env.ts';
import { armIoctls } from './arm-ioctls.ts';

const { path, step, call, when, note, leavePath, preemptDisable, preemptEnable } = host;
const DEBUG = kernelSource('arch/arm64/kvm/debug.c');
const HANDLE_EXIT = kernelSource('arch/arm64/kvm/handle_exit.c, arm_exit_handlers[]');
const HYP = kernelSource('arch/arm64/kvm/hyp/nvhe/hyp-main.c, flush_hyp_vcpu(), sync_hyp_vcpu()');

const isOwnerModel = ({ 'kvm.armDebug': model }: HostOptions) => model === 'owner';
const isOslarWrite = ({ exit }: HostLocals): boolean =>
  (exit?.reason === 'SYS64' || exit?.reason === 'CP14_MR') && exit.info.write && /^(?:oslar_el1|dbgoslar)$/.test(exit.info.reg);

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

/** The trap of a register access. */
const handleSysreg = (env: HostEnv, name = 'kvm_handle_sys_reg'): HostItem =>
  step(name, {
    send: (t, { exit }) => {
      if (exit?.reason !== 'SYS64' && exit?.reason !== 'CP14_MR') throw new Error('a register access without its trap');
      const { reg, write, value } = exit.info;
      return toArm(env, t, { type: 'arm.sysreg', reg, write, value });
    },
  });

/**
 * The fast path that handles the trap before the debug state is cleared: a design that no kernel
 * has.
 * @see scenario 27
 */
const fixupGuestExit = (env: HostEnv) =>
  path('fixup_guest_exit', { source: 'domain debug-and-split-lock D.7, bug variant of O10', grade: 'decision' }, [
    handleSysreg(env),
    note(() => ({ exit: INTR })),
  ]);

/** G5 to G8: the owner is decided again, on this CPU. */
const reload = (env: HostEnv): readonly HostItem[] => {
  const how = env.options['kvm.oslarReload'];
  if (!isOwnerModel(env.options) || how === 'lazy') return [];
  const both = [...archPut(env), ...archLoad(env)];
  const items = how === 'preemptible' ? both : [preemptDisable, ...both, preemptEnable];
  return [when([(_t, l: HostLocals) => isOslarWrite(l), [call(path('kvm_debug_handle_oslar', DEBUG, items))]])];
};

/**
 * Vector catch has no handler of its own in arm_exit_handlers: the guest gets an undefined
 * instruction.
 */
const unknownPath = (env: HostEnv) =>
  path('kvm_handle_unknown_ec', kernelSource('arch/arm64/kvm/handle_exit.c, arm_exit_handlers[], kvm_handle_unknown_ec()'), [
    step('kvm_inject_undefined', { send: (t) => toArm(env, t, { type: 'arm.unknown' }) }),
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
      when(
        [(_t, l) => l.ready !== true, [step('kvm_incr_pc', { send: (t) => toArm(env, t, { type: 'arm.skip' }) })]],
        [otherwise, [note(() => ({ returns: true }))]],
      ),
    ],
    { locals: ['ready'] },
  );

/** What handles one exception class: several share a function of the kernel. */
const handler = (reason: ExitReason, items: (env: HostEnv) => readonly HostItem[]) => (env: HostEnv) => [
  call(path(reason, HANDLE_EXIT, items(env))),
];

/** KVM_EXIT_DEBUG: user space handles it. */
const guestDebug = (env: HostEnv, isStep = false): HostItem =>
  step('kvm_handle_guest_debug', {
    ns: 50,
    local: () => ({ returns: true }),
    ...(isStep && { send: (t) => toArm(env, t, { type: 'arm.stepped' }) }),
  });

/** Whether the VMM recognizes the event as one of its own. @see QEMU, kvm_arm_handle_debug() */
const isMine = ({ ended, debugger: attached }: HostLocals): boolean => {
  if (attached === undefined) return false;
  if (ended === 'step') return attached.flags.includes('SINGLESTEP');
  return attached.known && attached.flags.includes(ended === 'brk' ? 'USE_SW_BP' : 'USE_HW');
};
/** What a lock blocks; breakpoint instructions are not. */
const isBlockable = ({ ended }: HostLocals): boolean => ended !== 'brk';

/**
 * KVM_EXIT_DEBUG in user space: its own events are reported; all others it puts into EL1, by hand.
 */
const handleDebug = (env: HostEnv) => {
  const looks = env.options['vmm.debugInject'] === 'unless-locked';
  const report = step('report_to_debugger', { send: (t) => toArm(env, t, { type: 'arm.handled' }) });
  const inject = step('arm_cpu_do_interrupt', {
    send: (t, l) => {
      if (l.ended === undefined || l.ended === 'stop') throw new Error('an exception to inject without its exit');
      return toArm(env, t, { type: 'arm.inject', exception: l.ended });
    },
  });
  const getOslsr = step('KVM_GET_ONE_REG_oslsr', {
    send: (t) => toArm(env, t, { type: 'arm.getReg?', reg: 'oslsr_el1' }),
    answers: { 'arm.reg': (e) => ({ value: e.value }) },
  });
  const dropIfLocked: readonly HostItem[] = [
    when([(_t, l) => isBlockable(l), [getOslsr, when([(_t, l) => hasBits(l.value ?? 0, OSLSR.OSLK), [step('drop_event'), leavePath]])]]),
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

/** Why KVM_RUN has ended, as the VMM sees it. */
function endedBy({ exit }: HostLocals): HostLocals['ended'] {
  if (exit?.reason === 'STOP') return 'stop';
  const [exception] = Object.entries(DEBUG_EXITS).find(([, reason]) => reason === exit?.reason) ?? [];
  return exception as DebugException | undefined;
}

/** What a VMM does about the ends of KVM_RUN that debugging and migration bring. */
const USER_LOOP: UserLoop = {
  reactions: (env) => [[(_t, l) => l.ended !== undefined && l.ended !== 'stop', [call(handleDebug(env))]]],
  last: (env) => [when([(_t, l) => l.ended === 'stop', [step('vm_stopped', { send: (t) => toArm(env, t, { type: 'arm.stopped' }) })]])],
  locals: ['ended'],
};

/** The slots that the mechanism fills, by the design that the options choose. */
export function armDebugKvm(options: HostOptions): KvmParts {
  const isOwner = isOwnerModel(options);
  const [loadName, putName] = isOwner
    ? ['kvm_vcpu_load_debug', 'kvm_vcpu_put_debug']
    : ['kvm_arch_vcpu_load_debug_state_flags', 'kvm_arch_vcpu_put_debug_state_flags'];
  return {
    load: { items: (env) => [step(loadName, { send: (t) => toArm(env, t, { type: 'arm.load', cpu: t.cpu! }) })] },
    put: { items: (env) => [step(putName, { send: (t) => toArm(env, t, { type: 'arm.put' }) })] },
    ...(!isOwner && {
      beforeGuest: { items: (env) => [call(setupDebug(env))] },
      restore: { items: (env) => [call(clearDebug(env))] },
    }),
    ...(options['kvm.pkvmDebug'] !== 'none' && {
      entry: {
        items: (env) => [call(path('flush_hyp_vcpu', HYP, [step('flush', { send: (t) => toArm(env, t, { type: 'arm.flush' }) })]))],
      },
      afterExit: {
        items: (env) => [call(path('sync_hyp_vcpu', HYP, [step('sync', { send: (t) => toArm(env, t, { type: 'arm.sync' }) })]))],
      },
    }),
    entering: { send: (env, t) => [toArm(env, t, { type: 'arm.enter' })] },
    leaving: { send: (env, t) => [toArm(env, t, { type: 'arm.leave' })] },
    ...(options['kvm.oslarExit'] === 'fast-path' && {
      afterGuest: { items: (env) => [when([(_t, l) => isOslarWrite(l), [call(fixupGuestExit(env))]])] },
    }),
    exits: {
      SYS64: handler('SYS64', (env) => [handleSysreg(env), ...reload(env)]),
      CP14_MR: handler('CP14_MR', (env) => [handleSysreg(env, 'kvm_handle_cp14_32'), ...reload(env)]),
      SOFTSTP_LOW: handler('SOFTSTP_LOW', (env) => [guestDebug(env, true)]),
      BREAKPT_LOW: handler('BREAKPT_LOW', (env) => [guestDebug(env)]),
      WATCHPT_LOW: handler('WATCHPT_LOW', (env) => [guestDebug(env)]),
      BRK64: handler('BRK64', (env) => [options['kvm.osLock'] === 'patch-v2' ? call(skipPath(env)) : guestDebug(env)]),
      VECTOR32: (env) => [call(unknownPath(env))],
    },
    toUser: ['STOP'],
    leaveToUser: { items: () => [note((_t, l) => ({ ended: endedBy(l) }))] },
    userLoop: USER_LOOP,
    vcpuIoctls: armIoctls,
  };
}
