/**
 * The loop of user space around KVM_RUN: a VMM answers what KVM_RUN has ended for and calls it
 * again. Mechanisms fill in what they know of (`userLoop` in `slots.ts`).
 *
 * @see QEMU accel/kvm/kvm-all.c, kvm_cpu_exec()
 */
import { type HostEnv, type HostItem, type HostLocals, type HostPath, type HostThread, host, opOf } from '../host/host-env.ts';
import { otherwise } from '../path/path.ts';
import { hasUserLoop, type UserExit } from './user-exits.ts';
import type { UserLoop } from './vmm.ts';

const { path, step, call, loop, when, leaveLoop } = host;

/** The VMM of `KVM_RUN: { reenter: true }`: the ends that its guests can come to. */
function reentering({ userSpace: { usesPorts, usesMmio, usesDebug, usesHalt } }: HostEnv): UserLoop {
  const ends: readonly (readonly [UserExit, boolean, readonly HostItem[]])[] = [
    ['IO', usesPorts, [step('kvm_handle_io')]],
    ['MMIO', usesMmio, [step('address_space_rw')]],
    ['DEBUG', usesDebug, [step('kvm_handle_debug')]],
    ['HLT', usesHalt, [step('kvm_handle_halt')]],
    ['INTR', true, []],
  ];
  const isEnd = (env: HostEnv, end: UserExit) => (t: HostThread, l: HostLocals) => {
    const op = opOf(env, t);
    return op.op === 'KVM_RUN' && op.reenter === true && l.userExit === end;
  };
  return {
    reactions: (env) => ends.flatMap(([end, comes, items]) => (comes ? [[isEnd(env, end), items] as const] : [])),
    locals: ['userExit'],
  };
}

/** KVM_RUN as the VMM calls it: by itself where nothing brings it back. */
export function inUserLoop(env: HostEnv, kvmRun: HostPath): HostPath {
  if (!hasUserLoop(env)) return kvmRun;
  const loops = [...(env.userSpace.reenters ? [reentering(env)] : []), ...env.slots.userLoops()];
  const items = (of: 'first' | 'afterEach' | 'last'): readonly HostItem[] => loops.flatMap((one) => one[of]?.(env) ?? []);
  return path(
    'kvm_cpu_exec',
    { source: 'QEMU accel/kvm/kvm-all.c, kvm_cpu_exec()', grade: 'read' },
    [
      ...items('first'),
      loop(
        call(kvmRun, () => (env.userSpace.reenters ? { userExit: undefined } : {})),
        when(...loops.flatMap(({ reactions }) => reactions(env)), [otherwise, [leaveLoop]]),
        ...items('afterEach'),
      ),
      ...items('last'),
    ],
    { locals: [...loops.flatMap(({ locals = [] }) => locals), 'halted'] },
  );
}
