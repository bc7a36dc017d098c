/**
 * What must hold of split-lock detection on the host, whatever guests do.
 * @see domain debug-and-split-lock G, I7
 */

import type { HostThread } from '../../../actors/host/host-env.ts';
import type { PcpuContext } from '../../../actors/host/pcpu-context.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { CoreContext } from '../../../actors/split-lock/core.ts';
import { isDetectionOff } from '../../../actors/split-lock/sld-flag.ts';
import { always, alwaysEach, sometimes } from '../../property.ts';
import type { ActorView, WorldView } from '../../view.ts';

interface Running {
  readonly cpu: string;
  readonly core: ActorView<CoreContext>;
  readonly task: ActorView<HostThread>;
}

/**
 * Tasks in user mode on hosts that detect split locks. Nothing is promised inside the kernel: a
 * section is not over yet.
 */
function inUserMode(world: WorldView): Running[] {
  const cores = new Map(world.actors<CoreContext>('core').map((core) => [core.id, core]));
  const tasks = new Map(world.actors<HostThread>('hostThread').map((task) => [task.id, task]));
  return world.actors<PcpuContext>('pcpu').flatMap(({ id, value, context }) => {
    const core = cores.get(context.core ?? '');
    const task = tasks.get(context.current ?? '');
    return core?.context.bootSld && task && value === 'task' && context.letter === 'U' ? [{ cpu: id, core, task }] : [];
  });
}

const onOff = (sld: boolean) => (sld ? 'on' : 'off');

export const msrMatchesTask = always('sld.msr-matches-task', {
  kinds: ['pcpu', 'core', 'hostThread'],
  source: 'domain debug-and-split-lock I7, C.7; the v8 thread: "so that the flag and MSR state are consistent"',
  grade: 'read',
  check: (world) => {
    const found = inUserMode(world).find(({ core, task }) => core.context.sld === isDetectionOff(core.context.flag, task.context.tif));
    if (!found) return null;
    const { cpu, core, task } = found;
    const wants = onOff(!isDetectionOff(core.context.flag, task.context.tif));
    return `${task.id} is in user mode on ${cpu} with detection ${onOff(core.context.sld)} on ${core.id}, and its flag says ${wants}`;
  },
});

/** What the other property cannot see: MSR and flag agree, and both are wrong. */
export const hostSettingKept = always('sld.host-setting-kept', {
  kinds: ['pcpu', 'core', 'hostThread'],
  source: 'domain debug-and-split-lock G, scenario 15: no task runs user code with detection off unless it split a lock',
  grade: 'decision',
  check: (world) => {
    const found = inUserMode(world).find(
      ({ core, task }) => !core.context.sld && isDetectionOff(core.context.flag, task.context.tif) && task.context.splitter !== true,
    );
    return found ? `${found.task.id} runs user code on ${found.cpu} with detection off, as its flag says, and never split a lock` : null;
  },
});

export const kernelGsBaseRestored = always('vmx.kernel-gs-base-restored', {
  kinds: ['pcpu', 'core'],
  source: 'domain debug-and-split-lock SLD-23; the v8 thread: "MSR_KERNEL_GS_BASE can be exposed to the guest"',
  grade: 'read',
  check: (world) => {
    const cores = new Map(world.actors<CoreContext>('core').map((core) => [core.id, core.context]));
    const found = world
      .actors<PcpuContext>('pcpu')
      .find(({ id, value, context }) => value === 'task' && context.letter === 'U' && cores.get(context.core ?? '')?.guestGs.includes(id));
    return found ? `${found.context.current} is in user mode on ${found.id} with MSR_KERNEL_GS_BASE of a guest` : null;
  },
});

export const noHostOops = alwaysEach<HostThread>('sld.host-oops', {
  kind: 'hostThread',
  source: 'domain debug-and-split-lock C.2, C.6: a split lock of the host kernel dies or not, by whose setting the core carries',
  grade: 'read',
  each: ({ id, context }) => (context.oops === true ? `the kernel died of a split lock of its own, on behalf of ${id}` : null),
});

export const guestKeptItsAc = alwaysEach<HostThread>('sld.vmm-killed', {
  kind: 'hostThread',
  source: 'domain debug-and-split-lock SLD-14, SLD-15, SLD-18: SIGBUS to the thread of a vCPU',
  grade: 'read',
  each: ({ id, context }) =>
    context.signal?.signal === 'SIGBUS' && context.splitter === true && id.includes('/vcpu')
      ? `${id} is killed by SIGBUS for an access of its guest`
      : null,
});

/** A thread that is scheduled out has its vCPU loaded, or has no notifier any more. */
export const putOnce = always('vmx.put-once', {
  kinds: ['hostThread', 'vcpu'],
  source: 'domain debug-and-split-lock SLD-22; kernel virt/kvm/kvm_main.c, vcpu_put(): preempt_disable() around put and notifier',
  grade: 'read',
  check: (world) => {
    const putting = world
      .actors<HostThread>('hostThread')
      .filter(({ value }) => JSON.stringify(value).includes('"kvm_sched_out":"kvm_arch_vcpu_put"'));
    if (putting.length === 0) return null;
    const put = new Set(world.actors<Vcpu>('vcpu').flatMap(({ id, context }) => (context.cpu === null ? [id] : [])));
    const found = putting.find(({ context }) => put.has(context.notifier ?? ''));
    return found ? `kvm_sched_out() of ${found.id} puts ${found.context.notifier}, which vcpu_put() has put already` : null;
  },
});

/** What is on a CPU of a vCPU goes with its thread: the notifier sees to it at each switch. */
export const putAtEachSwitch = always('vmx.put-at-each-switch', {
  kinds: ['hostThread', 'vcpu'],
  source:
    'domain debug-and-split-lock SLD-22; kernel virt/kvm/kvm_main.c, vcpu_load(), kvm_sched_in(), kvm_sched_out(): the notifier stays',
  grade: 'read',
  check: (world) => {
    const threads = world.actors<HostThread>('hostThread');
    for (const { id, context } of world.actors<Vcpu>('vcpu')) {
      if (context.cpu === null || threads.some(({ context: { notifier, cpu } }) => notifier === id && cpu === context.cpu)) continue;
      return `${id} is loaded on ${context.cpu}, and no thread there has its notifier: the next switch does not put it`;
    }
    return null;
  },
});

export const vmptrldRuns = alwaysEach<HostThread>('vmx.vmptrld-runs', {
  kind: 'hostThread',
  source: 'domain debug-and-split-lock G, scenario 24: "This ultimately results in a #UD on VMPTRLD"',
  grade: 'read',
  each: ({ id, context }) => (context.vmptrldFaulted === true ? `VMPTRLD of ${id} raised #UD: its CPU is not in VMX operation` : null),
});

const GUARD = {
  source: 'domain debug-and-split-lock G: a scenario in which no guest runs says nothing of guests',
  grade: 'decision',
} as const;
const inGuest = (world: WorldView) =>
  world.actors<HostThread>('hostThread').find(({ value }) => JSON.stringify(value).includes('"vmx_vcpu_run"'));

export const guestRuns = sometimes('sld.guest-runs', {
  kinds: ['hostThread'],
  ...GUARD,
  check: (world) => {
    const thread = inGuest(world);
    return thread ? `${thread.id} runs its guest` : null;
  },
});
