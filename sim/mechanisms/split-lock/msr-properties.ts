/**
 * What must hold of MSR_TEST_CTRL where guests have a say: who may change it, which writes take,
 * whose setting a guest runs with.
 */

import type { HostThread } from '../../../actors/host/host-env.ts';
import type { PcpuContext } from '../../../actors/host/pcpu-context.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { CoreContext } from '../../../actors/split-lock/core.ts';
import { isPositive } from '../../../actors/split-lock/sld-flag.ts';
import type { VcpuVmx } from '../../../actors/split-lock/vcpu-vmx.ts';
import { SPLIT_LOCK_DETECT } from '../../../events/split-lock/split-lock.ts';
import { type U64, withoutBits } from '../../../events/u64.ts';
import { always } from '../../property.ts';
import { type ActorView, hex, type WorldView } from '../../view.ts';
import { fieldsOf, hasBit } from './vmx-view.ts';

const NOTES = 'domain debug-and-split-lock';
const onOff = (on: boolean): string => (on ? 'on' : 'off');

/**
 * Whether KVM may carry this guest's bit to the MSR: it was given the bit, and the host is in warn
 * mode.
 */
const reaches = ({ splitLock }: Vcpu): boolean => splitLock?.given === true && splitLock.host === 'warn';

export const onlyValidBits = always('sld.only-valid-bits', {
  kinds: ['vcpu', 'vcpuVmx'],
  source: `${NOTES} C.5, SLD-9; series v8, patch 4, vmx_set_msr()`,
  grade: 'read',
  check: (world) => {
    const fields = fieldsOf(world);
    for (const { id, context } of world.actors<Vcpu>('vcpu')) {
      const value = fields.get(id)?.testCtrl ?? 0;
      const valid = context.splitLock?.given ? SPLIT_LOCK_DETECT : 0;
      if (withoutBits(value, valid) !== 0)
        return `${id} has ${hex(value)} in MSR_TEST_CTRL, where ${valid === 0 ? 'no bit is' : `only ${hex(valid)} is`} valid`;
    }
    return null;
  },
});

/**
 * By whose leave a core may have another setting than at boot: a task that split a lock, or a guest
 * on a CPU that was given the bit.
 */
const msrAsBootedCheck = (world: WorldView): string | null => {
  const changed = world.actors<CoreContext>('core').find(({ context }) => context.sld !== context.bootSld);
  if (!changed) return null;
  const threads = world.actors<HostThread>('hostThread');
  if (threads.some(({ context }) => context.splitter === true)) return null;
  // The thread of a vCPU has its notifier from before the load to after the put.
  const notifiers = threads.flatMap(({ context: { notifier, cpu } }) => (notifier !== null && cpu !== null ? [notifier] : []));
  const loaded = world.actors<Vcpu>('vcpu').filter(({ id }) => notifiers.includes(id));
  if (loaded.some(({ context }) => reaches(context))) return null;
  const guest = loaded[0] ? `${loaded[0].id} is there, whose bit must not reach the MSR` : 'no guest is there';
  return `${changed.id} has detection ${onOff(changed.context.sld)}, and booted with it ${onOff(changed.context.bootSld)}: ${guest}, and no task has split a lock`;
};

export const msrAsBooted = always('sld.msr-as-booted', {
  kinds: ['core', 'hostThread', 'vcpu'],
  source: `${NOTES} C.5, SLD-3, SLD-13; series v8, vmx_update_sld(): "sld_state == sld_warn && guest_cpu_has_feature_sld(vcpu)"`,
  grade: 'read',
  check: msrAsBootedCheck,
});

/** In guest mode: between entry and exit of its own thread. */
const isInside = ({ value }: ActorView<HostThread>): boolean => /"vmx_vcpu_run":"(?:guest|VMEXIT)"/.test(JSON.stringify(value));
/** Where KVM is about to change the setting, or has changed one half of it. */
const CHANGES = /"(?:vmx_set_msr|vmx_prepare_switch_to_guest|vcpu_put|kvm_sched_out)"/;
const isBetweenChanges = ({ value }: ActorView<HostThread>): boolean => !CHANGES.test(JSON.stringify(value));

/**
 * A vCPU whose bit KVM carries to the MSR, and a core that has another one while its thread is at
 * such a place.
 */
const foreignSetting = (world: WorldView, isAt: (thread: ActorView<HostThread>, own: VcpuVmx) => boolean): string | null => {
  const fields = fieldsOf(world);
  const threads = new Map(world.actors<HostThread>('hostThread').map((thread) => [thread.id, thread]));
  const cpus = new Map(world.actors<PcpuContext>('pcpu').map(({ id, context }) => [id, context]));
  const cores = new Map(world.actors<CoreContext>('core').map((core) => [core.id, core]));
  for (const { id, context } of world.actors<Vcpu>('vcpu')) {
    const thread = threads.get(context.thread ?? '');
    const own = fields.get(id);
    const core = cores.get(cpus.get(thread?.context.cpu ?? '')?.core ?? '');
    // One thread may run several vCPUs: the one in question is the one whose notifier is
    // registered.
    if (!thread || !own || !core || !reaches(context) || thread.context.notifier !== id || !isAt(thread, own)) continue;
    if (core.context.sld !== hasBit(own))
      return `${id} has detection ${onOff(core.context.sld)} on ${core.id}, and its MSR_TEST_CTRL is ${hex(own.testCtrl)}`;
  }
  return null;
};
const MSR_KINDS = ['core', 'pcpu', 'hostThread', 'vcpu', 'vcpuVmx'];

export const guestRunsItsSetting = always('sld.guest-runs-its-setting', {
  kinds: MSR_KINDS,
  source: `${NOTES} C.5, SLD-7, SLD-10: at once if loaded, at the next load if not`,
  grade: 'read',
  check: (world) => foreignSetting(world, isInside),
});

/** Between load and put: loaded once, and the MSR is the guest's also while KVM handles exits. */
export const settingStays = always('sld.setting-stays', {
  kinds: MSR_KINDS,
  source: `${NOTES} C.5, C.8 L1 to L5, SLD-7; kernel arch/x86/kvm/vmx/vmx.c, vmx_prepare_switch_to_guest(): guest_state_loaded`,
  grade: 'read',
  check: (world) => {
    for (const [id, { loads }] of fieldsOf(world))
      if (loads > 1) return `guest state of ${id} has been loaded again, and the vCPU was not put in between`;
    const foreign = foreignSetting(world, (thread, own) => own.loaded && isBetweenChanges(thread));
    return foreign && `between load and put ${foreign}`;
  },
});

/** A guest between its WRMSR and the entry that follows: KVM may not have stored the value yet. */
const isWriting = ({ value }: ActorView<Vcpu>): boolean => JSON.stringify(value).includes('"WRMSR":"resume"');

export const writeIsKept = always('sld.write-is-kept', {
  kinds: ['vcpu', 'vcpuVmx'],
  source: `${NOTES} C.5, SLD-9, SLD-10; series v8, patch 4, vmx_set_msr(): msr_test_ctrl`,
  grade: 'read',
  check: (world) => {
    const fields = fieldsOf(world);
    for (const vcpu of world.actors<Vcpu>('vcpu')) {
      const own = fields.get(vcpu.id);
      const wrote = vcpu.context.splitLock?.bit === true;
      if (!own || own.writer === 'VMM' || isWriting(vcpu) || hasBit(own) === wrote) continue;
      return `${vcpu.id} set bit 29 of MSR_TEST_CTRL to ${wrote ? 1 : 0} last, and KVM keeps ${hex(own.testCtrl)}`;
    }
    return null;
  },
});

export const invalidWriteFaults = always('sld.invalid-write-faults', {
  kinds: ['vcpu'],
  source: `${NOTES} C.5, SLD-9; kernel arch/x86/kvm/x86.c, kvm_emulate_wrmsr(), complete_emulated_insn_gp()`,
  grade: 'read',
  check: (world) => {
    const found = world
      .actors<Vcpu>('vcpu')
      .find(({ value, context }) => context.splitLock?.gpDue && context.exception !== 'GP' && !JSON.stringify(value).includes('"WRMSR"'));
    return found ? `${found.id} wrote a bit of MSR_TEST_CTRL that it may not write, and met no #GP` : null;
  },
});

/**
 * An RDMSR that KVM has completed: no other thread can write meanwhile, for this one holds the
 * vCPU's mutex.
 */
export const readsBack = always('sld.reads-back', {
  kinds: ['vcpu', 'vcpuVmx', 'hostThread'],
  source: `${NOTES} C.5, SLD-13; series v8, patch 4, vmx_get_msr(): msr_test_ctrl, for guest and ioctl`,
  grade: 'read',
  check: (world) => {
    const fields = fieldsOf(world);
    const kept = (vcpu: string): U64 => fields.get(vcpu)?.testCtrl ?? 0;
    for (const { id, context } of world.actors<Vcpu>('vcpu')) {
      const value = context.frames.guest?.value;
      if (value !== undefined && value !== kept(id)) return `RDMSR of ${id} gives ${hex(value)}, and KVM keeps ${hex(kept(id))}`;
    }
    for (const { id, context } of world.actors<HostThread>('hostThread')) {
      const { msrGot } = context;
      if (msrGot && msrGot.value !== kept(msrGot.vcpu))
        return `KVM_GET_MSRS of ${id} gives ${hex(msrGot.value)}, and KVM keeps ${hex(kept(msrGot.vcpu))} for ${msrGot.vcpu}`;
    }
    return null;
  },
});

export const ioctlTakesEffect = always('sld.ioctl-takes-effect', {
  kinds: ['hostThread', 'vcpuVmx'],
  source: `${NOTES} C.5, SLD-11; v8, review: "guest_state_loaded should always be false if host_initiated is true"`,
  grade: 'read',
  check: (world) => {
    const fields = fieldsOf(world);
    for (const { id, value, context } of world.actors<HostThread>('hostThread')) {
      const { msrSet, notifier } = context;
      const kept = msrSet && fields.get(msrSet.vcpu)?.testCtrl;
      if (msrSet && kept !== msrSet.value)
        return `${id} wrote ${hex(msrSet.value)} by KVM_SET_MSRS, and ${msrSet.vcpu} has ${hex(kept ?? 0)}`;
      const isIoctl = /"KVM_[GS]ET_MSRS"/.test(JSON.stringify(value));
      if (isIoctl && notifier && fields.get(notifier)?.loaded)
        return `${id} is in an ioctl of an MSR, and guest state of ${notifier} is loaded`;
    }
    return null;
  },
});

export const flagOnlyWhereDetected = always('sld.flag-only-where-detected', {
  kinds: ['core', 'pcpu', 'hostThread'],
  source: `${NOTES} C.3, SLD-21; v8, review: "it does not make any sense to set that flag when detection is not available"`,
  grade: 'read',
  check: (world) => {
    const tasks = new Map(world.actors<HostThread>('hostThread').map(({ id, context }) => [id, context]));
    const cores = new Map(world.actors<CoreContext>('core').map((core) => [core.id, core]));
    for (const { context: cpu } of world.actors<PcpuContext>('pcpu')) {
      const core = cores.get(cpu.core ?? '');
      const flags = tasks.get(cpu.current ?? '')?.tif ?? [];
      if (!core || core.context.bootSld || !isPositive(core.context.flag) || !flags.includes(core.context.flag)) continue;
      return `${cpu.current} has ${core.context.flag}, and ${core.id} detects nothing`;
    }
    return null;
  },
});
