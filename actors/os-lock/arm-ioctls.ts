/**
 * What else a VMM does with an arm64 vCPU: debug it, list, read and write its registers, and move
 * it to another kernel.
 *
 * @see kernel arch/arm64/kvm/guest.c, kvm_arch_vcpu_ioctl_set_guest_debug(); QEMU target/arm/kvm.c;
 * domain debug-and-split-lock D.5
 */

import { outgoing } from '../../events/event.ts';
import type { GuestDebugFlag } from '../../events/os-lock/arm-debug.ts';
import type { HostOp } from '../../events/program.ts';
import { type HostEnv, type HostItem, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import type { VcpuIoctl } from '../kvm/slots.ts';
import { toArm, vcpuOf } from './arm-env.ts';
import { armOf, destinationOf } from './arm-vcpu.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;
const GUEST = kernelSource('arch/arm64/kvm/guest.c');
const DECISION = { source: 'domain debug-and-split-lock D.5', grade: 'decision' } as const;

const argsOf = <K extends HostOp['op']>(env: HostEnv, t: HostThread, kind: K): Extract<HostOp, { op: K }> => {
  const op = opOf(env, t);
  if (op.op !== kind) throw new Error(`the thread stands at ${op.op}, not at ${kind}`);
  return op as Extract<HostOp, { op: K }>;
};

/**
 * Sorted. Without ENABLE all are cleared. It is set with any other flag, unless the operation says
 * what it is.
 */
function flagsOf(env: HostEnv, t: HostThread): readonly GuestDebugFlag[] {
  const { enable, hw, step: single, sw } = argsOf(env, t, 'KVM_SET_GUEST_DEBUG');
  const flags: GuestDebugFlag[] = [];
  if (single) flags.push('SINGLESTEP');
  if (hw) flags.push('USE_HW');
  if (sw) flags.push('USE_SW_BP');
  return (enable ?? flags.length > 0) ? ['ENABLE', ...flags] : [];
}

const ioctl = (items: (env: HostEnv) => HostItem): VcpuIoctl => ({
  ...GUEST,
  locals: ['regs', 'value', 'errno'],
  items: (env) => [items(env)],
});

/** Ioctls on a vCPU, by name. */
export const armIoctls: Readonly<Record<string, VcpuIoctl>> = {
  KVM_SET_GUEST_DEBUG: ioctl((env) =>
    step('kvm_arch_vcpu_ioctl_set_guest_debug', {
      send: (t) =>
        toArm(env, t, { type: 'arm.setGuestDebug', flags: flagsOf(env, t), known: argsOf(env, t, 'KVM_SET_GUEST_DEBUG').known ?? true }),
    }),
  ),
  KVM_GET_REG_LIST: ioctl((env) =>
    step('kvm_arm_copy_reg_indices', {
      send: (t) => toArm(env, t, { type: 'arm.regList?' }),
      answers: { 'arm.regList': (e) => ({ regs: e.regs }) },
    }),
  ),
  KVM_GET_ONE_REG: ioctl((env) =>
    step('kvm_arm_get_reg', {
      send: (t) => toArm(env, t, { type: 'arm.getReg?', reg: argsOf(env, t, 'KVM_GET_ONE_REG').reg }),
      answers: { 'arm.reg': (e) => ({ value: e.value, errno: e.error ?? undefined }) },
    }),
  ),
  KVM_SET_ONE_REG: ioctl((env) =>
    step('kvm_arm_set_reg', {
      send: (t) => {
        const { reg, value } = argsOf(env, t, 'KVM_SET_ONE_REG');
        return toArm(env, t, { type: 'arm.setReg', reg, value });
      },
      answers: { 'arm.regSet': (e) => ({ errno: e.error ?? undefined }) },
    }),
  ),
};

/**
 * The VMM's migration thread: waits until the source has stopped, and sends what the source lists.
 * Both vCPUs stand still, so the mutexes of their ioctls are free and left out. A register that the
 * destination refuses ends the migration.
 */
function migratePath(env: HostEnv) {
  const source = (t: HostThread) => armOf(vcpuOf(env, t));
  const target = (t: HostThread) => destinationOf(source(t));
  return path(
    'migrate',
    DECISION,
    [
      loop(
        step('wait_for_stop', {
          idles: true,
          yields: true,
          send: (t) => outgoing(source(t), { type: 'arm.lifecycle?' }),
          answers: { 'arm.lifecycle': (e) => ({ ready: e.stopped, pstate: e.pstate }) },
        }),
        when([(_t, l) => l.ready === true, [leaveLoop]]),
      ),
      step('KVM_GET_REG_LIST', {
        send: (t) => outgoing(source(t), { type: 'arm.regList?' }),
        answers: { 'arm.regList': (e) => ({ regs: e.regs }) },
      }),
      note(() => ({ at: 0 })),
      loop(
        step('KVM_GET_ONE_REG', {
          send: (t, l) => outgoing(source(t), { type: 'arm.getReg?', reg: l.regs![l.at!]! }),
          answers: { 'arm.reg': (e) => ({ value: e.value }) },
        }),
        step('KVM_SET_ONE_REG', {
          send: (t, l) => outgoing(target(t), { type: 'arm.setReg', reg: l.regs![l.at!]!, value: l.value! }),
          answers: { 'arm.regSet': (e, _t, l) => ({ errno: e.error ?? undefined, at: l.at! + 1 }) },
        }),
        when([(_t, l) => l.errno !== undefined || l.at! >= l.regs!.length, [leaveLoop]]),
      ),
      when([
        (_t, l) => l.errno === undefined,
        [step('vm_start', { send: (t, l) => outgoing(target(t), { type: 'arm.arrived', pstate: l.pstate! }) })],
      ]),
    ],
    { locals: ['ready', 'regs', 'at', 'value', 'errno', 'pstate'] },
  );
}

/** The vCPU's thread waits for its registers, and runs the vCPU of the destination from then on. */
const incomingPath = (env: HostEnv) =>
  path(
    'incoming',
    DECISION,
    [
      loop(
        step('wait_for_registers', {
          idles: true,
          yields: true,
          send: (t) => outgoing(destinationOf(armOf(vcpuOf(env, t))), { type: 'arm.lifecycle?' }),
          answers: { 'arm.lifecycle': (e) => ({ ready: e.arrived }) },
        }),
        when([(_t, l) => l.ready === true, [leaveLoop]]),
      ),
      step('switch_over', { set: () => ({ migrated: true as const }) }),
    ],
    { locals: ['ready'] },
  );

/** Operations of host threads that are no ioctls, by name. */
export const armHostOperations = (env: HostEnv): readonly (readonly [string, HostItem])[] => [
  ['migrate', call(migratePath(env))],
  ['incoming', call(incomingPath(env))],
  ['user-work', step('user_work')],
];
